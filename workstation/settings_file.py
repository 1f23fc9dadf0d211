"""The settings file, changed without losing what else stands in it, comments too."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from workstation.core.atomic_file import cannot_write, write_atomically
from workstation.core.errors import ConflictError, StorageError


@dataclass(frozen=True)
class SettingsFile:
    """A settings file as it was read; one that is not there is empty."""

    path: Path
    text: str
    values: Mapping[str, Any]


def read_settings_file(path: Path) -> SettingsFile:
    """Read the file.

    Raises
    ------
    StorageError
        It cannot be read, or it is no TOML: changing it would lose what stands in it.
    """
    text = _text(path)
    try:
        return SettingsFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise StorageError(
            f"The settings file {path} cannot be understood; put it right in an editor first.",
            str(error),
        ) from error


def change_settings_file(file: SettingsFile, changes: Mapping[str, Any]) -> SettingsFile:
    """Write some settings, atomically; what is None goes out of the file.

    Parameters
    ----------
    changes : mapping of str to object
        A list of mappings becomes tables, one of a name that was there keeps its comments.

    Raises
    ------
    ConflictError
        Somebody else changed the file since it was read.
    StorageError
        It cannot be written; it is as it was.
    """
    if _text(file.path) != file.text:
        raise ConflictError(
            f"The settings file {file.path} was changed meanwhile. Open these settings again."
        )
    wanted = {key: value for key, value in {**file.values, **changes}.items() if value is not None}
    text = _changed(file.text, file.values, changes)
    if tomllib.loads(text) != wanted:
        raise StorageError(f"The settings file {file.path} cannot be changed without loss.")
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(file.path, error) from error
    write_atomically(file.path, text.encode())
    return SettingsFile(file.path, text, wanted)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"The settings file {path} cannot be read.", str(error)) from error


def _changed(text: str, before: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
    try:
        document = tomlkit.parse(text)
        for key, value in changes.items():
            if value == before.get(key):
                continue
            if isinstance(value, list) and value and isinstance(value[0], dict):
                tables = _tables(document.get(key, ()), value)
                document.pop(key, None)
                document.append(key, tables)  # at the end: what follows a table would be part of it
            elif value is None:
                document.pop(key, None)
            else:
                document[key] = value
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise StorageError(
            "The settings file cannot be changed without loss.", str(error)
        ) from error


def _tables(before: Sequence[Any], values: Sequence[Mapping[str, Any]]) -> tomlkit.items.AoT:
    known = {str(one.get("name")): one for one in before if isinstance(one, Table)}
    tables = tomlkit.aot()
    for wanted in values:
        table = known.pop(str(wanted.get("name")), None)
        if table is None:
            table = tomlkit.table()
        for key in [key for key in table if key not in wanted]:
            table.remove(key)
        for key, value in wanted.items():
            if key not in table or table[key] != value:
                table[key] = value
        tables.append(table)
    return tables
