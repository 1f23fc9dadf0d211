"""What PS3.15 Annex E says of each attribute, from the table that dicom-anonymizer keeps.

The standard's actions: D a dummy value, Z empty, X removed, U a consistent new identifier.
Attributes that the table does not name are judged by their kind in :mod:`.elements`.
"""

from __future__ import annotations

from enum import Enum

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as annex_e

_CLEANED = """
StudyDescription SeriesDescription ProtocolName DerivationDescription ContrastBolusAgent
RequestedProcedureDescription PerformedProcedureStepDescription AcquisitionProtocolDescription
"""
CLEANED = frozenset(_CLEANED.split())
_CHARACTERISTICS = """
PatientAge PatientSex PatientSize PatientWeight PatientBodyMassIndex SmokingStatus PregnancyStatus
"""
CHARACTERISTICS = frozenset(_CHARACTERISTICS.split())
_KEPT_TEXTS = """
Manufacturer ManufacturerModelName ConvolutionKernel FilterType
"""
KEPT_TEXTS = frozenset(_KEPT_TEXTS.split())
# Single numbers of CT, PET and diffusion imaging from Table E.3.10-1 (2026d), with their kind:
# creator, group and element within the creator's block.
SAFE_PRIVATE = {
    ("GEMS_ACQU_01", 0x0019, 0x23): "DS",  # table speed
    ("GEMS_ACQU_01", 0x0019, 0x24): "DS",  # mid scan time
    ("GEMS_ACQU_01", 0x0019, 0x27): "DS",  # rotation speed
    ("GEMS_HELIOS_01", 0x0045, 0x01): "SS",  # rows of the detector
    ("GEMS_HELIOS_01", 0x0045, 0x02): "FL",  # width of a row
    ("ELSCINT1", 0x00E1, 0x21): "DS",  # dose length product
    ("ELSCINT1", 0x00E1, 0x50): "DS",  # duration of the acquisition
    ("ELSCINT1", 0x01F1, 0x07): "DS",  # table speed
    ("ELSCINT1", 0x01F1, 0x26): "DS",  # pitch
    ("ELSCINT1", 0x01F1, 0x27): "DS",  # rotation time
    ("Philips PET Private Group", 0x7053, 0x00): "DS",  # SUV factor
    ("Philips PET Private Group", 0x7053, 0x09): "DS",  # activity factor
    ("Philips Imaging DD 001", 0x2001, 0x03): "FL",  # diffusion b factor
    ("SIEMENS MR HEADER", 0x0019, 0x0C): "IS",  # diffusion b factor
}


class Action(Enum):
    """What becomes of an attribute."""

    UNLISTED = ""
    DUMMY = "D"
    EMPTY = "Z"
    EMPTY_OR_DUMMY = "Z/D"
    REMOVE = "X"
    REMOVE_OR_DUMMY = "X/D"
    UID = "U"
    REFERENCES = "X/Z/U*"


_LISTS = {
    Action.DUMMY: annex_e.D_TAGS,
    Action.EMPTY: annex_e.Z_TAGS,
    Action.EMPTY_OR_DUMMY: annex_e.Z_D_TAGS,
    Action.REMOVE: annex_e.X_TAGS + annex_e.X_Z_TAGS,
    Action.REMOVE_OR_DUMMY: annex_e.X_D_TAGS + annex_e.X_Z_D_TAGS,
    Action.UID: annex_e.U_TAGS,
    Action.REFERENCES: annex_e.X_Z_U_STAR_TAGS,
}
_ACTIONS: dict[int, Action] = {
    (tag[0] << 16) | tag[1]: action
    for action, tags in _LISTS.items()
    for tag in tags
    if len(tag) == 2  # overlays and curves, named by a mask, go with their whole groups
}


def action_for(tag: int) -> Action:
    """Look an attribute up in Table E.1-1."""
    return _ACTIONS.get(tag, Action.UNLISTED)


def is_removed_group(group: int) -> bool:
    """Tell the groups of which nothing stays: meta, directory, curves, overlays, signatures."""
    repeated = 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF
    return group <= 0x0007 or repeated or group == 0x7FE0 or group >= 0xFFF0
