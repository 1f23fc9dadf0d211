"""Sentences about pixels that more than one module must know."""

COLOUR = "a colour image, shown as grey"
NO_RESCALE = "no rescale in the header: values may not be Hounsfield units"
