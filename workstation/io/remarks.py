"""Sentences about pixels that more than one module must know."""

from __future__ import annotations

from workstation.core.study import Notice, Severity

COLOUR = "a colour image, shown as grey"
FLOATS = "stored as floating-point numbers, shown rounded to whole ones"
NO_RESCALE = "no rescale in the header: values may not be Hounsfield units"
SIGN = (
    "values jump from the highest to below air, as if the header gave them a sign that they do not "
    "have; dense bone may be shown as darker than air"
)
_GRAVE = {SIGN: (Severity.WARNING, "sign doubtful")}


def as_notice(remark: str, where: str) -> Notice:
    """Make what the reader is told of a remark; ``where`` says of how many slices."""
    severity, badge = _GRAVE.get(remark, (Severity.INFO, ""))
    return Notice(f"{remark[0].upper()}{remark[1:]}{where}.", severity, badge=badge)
