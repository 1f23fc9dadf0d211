"""The archive as its parts use it: the database, the files, and who is at work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workstation.archive.database import Database
from workstation.archive.file_store import FileStore


@dataclass(frozen=True)
class Archive:
    """An open archive; ``actor`` stands in the audit trail for what is done."""

    database: Database
    store: FileStore
    actor: str = ""

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()


def open_archive(address: str | Path, files: Path, actor: str = "") -> Archive:
    """Open an archive by its database's address and its folder of files.

    Raises
    ------
    StorageError
        The address cannot be understood.
    """
    return Archive(Database(address), FileStore(files), actor)
