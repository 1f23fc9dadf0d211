"""What a database says when something is wrong, as sentences for the reader."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from workstation.core.errors import StorageError

_SQLITE = {
    "SQLITE_FULL": "The disk that holds {place} is full. Free some space.",
    "SQLITE_READONLY": "{place} may not be written. Allow writing to this file and its folder.",
    "SQLITE_PERM": "{place} may not be written. Allow writing to this file and its folder.",
    "SQLITE_CANTOPEN": "{place} cannot be opened. See that its folder exists and may be written.",
    "SQLITE_BUSY": "{place} is in use by another program. Close it there.",
    "SQLITE_LOCKED": "{place} is in use by another program. Close it there.",
    "SQLITE_CORRUPT": "{place} is damaged. Move it away and {restore}, or start anew.",
    "SQLITE_NOTADB": "{place} is no archive of reports. Move it away and {restore}, or choose "
    "another folder.",
    "SQLITE_IOERR": "{place} cannot be read or written. See that its disk is sound and not full.",
}
_POSTGRESQL = {
    "08": "The database {place} does not answer. See that it runs and can be reached.",
    "57": "The database {place} was stopped. See that it runs and can be reached.",
    "53100": "The disk of the database {place} is full. Free some space there.",
    "53": "The database {place} has no room for more work. Try again later.",
    "25006": "The database {place} may not be written. Allow writing there.",
    "42501": "The database {place} does not allow this user to write. Allow it there.",
    "55P03": "The database {place} is in use by another program. Try again.",
    "40": "The database {place} is in use by another program. Try again.",
    "28": "The database {place} refused the user or the password. See the setting archive_url.",
    "3D000": "The database {place} does not exist. Make it, or see the setting archive_url.",
    "XX": "The database {place} is damaged. Have its administrator restore a backup.",
}
_UNREACHED = (
    "The database {place} cannot be reached. See that it runs, and the setting archive_url."
)


def as_sentence(error: DBAPIError, place: str, restore: str, comfort: str) -> StorageError:
    """Turn a database's error into what the reader can do.

    Parameters
    ----------
    error : DBAPIError
        What the database said; only its code and its own words go on, no values.
    place : str
        The archive, as the reader knows it.
    restore : str
        How a damaged archive is brought back.
    comfort : str
        What becomes of the reader's work; may be empty.
    """
    original = error.orig
    name = str(getattr(original, "sqlite_errorname", ""))
    if name:
        known, code, told = _SQLITE, name, str(original)
    else:
        known, code = _POSTGRESQL, str(getattr(original, "sqlstate", "") or "")
        told = str(getattr(getattr(original, "diag", None), "message_primary", "") or "")
    sentence = next((text for key, text in known.items() if code.startswith(key)), None)
    if sentence is None:
        sentence = "{place} cannot be used." if code else _UNREACHED
    message = f"{sentence.format(place=place, restore=restore)} {comfort}".strip()
    return StorageError(message, f"{code}: {told}")
