"""Checkpoints on disk: what they are, whether they are whole, and where installed ones lie."""
