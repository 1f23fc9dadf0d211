"""Volume files other than DICOM, by their suffix."""

from __future__ import annotations

from pathlib import Path

FORMATS = {
    ".nii": ("NIfTI", "NiftiImageIO"),
    ".nii.gz": ("NIfTI", "NiftiImageIO"),
    ".nrrd": ("NRRD", "NrrdImageIO"),
    ".mha": ("MetaImage", "MetaImageIO"),
    ".mhd": ("MetaImage", "MetaImageIO"),
}


def volume_suffix(path: Path) -> str:
    """Suffix of a volume file among :data:`FORMATS`, or nothing."""
    name = path.name.lower()
    return next((suffix for suffix in FORMATS if name.endswith(suffix)), "")
