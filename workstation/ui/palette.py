"""The reading room's colours: black images, near-black neutral chrome, one accent."""

from __future__ import annotations

BACKGROUND = "#1e1f22"
PANEL = "#26272b"
RAISED = "#2f3035"
LINE = "#3a3b40"
TEXT = "#d6d7da"
DIM = "#9a9ca3"
FAINT = "#6b6d73"
ACCENT = "#5aa0e6"
TINT = "#2c3a4a"
WARNING = "#e0a33e"
ERROR = "#e0605a"
MODEL = "#a78bda"
IMAGE = "#000000"

NAMES: dict[str, str] = {
    "background": BACKGROUND,
    "panel": PANEL,
    "raised": RAISED,
    "line": LINE,
    "text": TEXT,
    "dim": DIM,
    "faint": FAINT,
    "accent": ACCENT,
    "tint": TINT,
    "warning": WARNING,
    "error": ERROR,
    "model": MODEL,
    "image": IMAGE,
}
"""Every colour by the name that the style sheet uses (``@name``)."""
