"""Sentences about pixels that more than one module must know."""

COLOUR = "a colour image, shown as grey"
