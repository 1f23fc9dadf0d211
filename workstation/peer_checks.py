"""What is wrong with the settings of peers and of the receiver: a sentence for each field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from workstation.core.errors import InputError
from workstation.pacs_peers import web_peer
from workstation.settings import DicomwebPeer, PacsPeer, Settings

Faults = dict[str, str]
"""By the name of the field."""

_AE_TITLE = re.compile(r"[!-\[\]-~]{1,16}")
_TITLE = "1 to 16 ASCII characters, without blanks and backslashes."
_SENTENCES = {
    "name": "It needs a name.",
    "ae_title": _TITLE,
    "host": "It needs an address, without blanks.",
    "port": "A whole number from 1 to 65535.",
    "associations": "A whole number from 1 to 16.",
    "connections": "A whole number from 1 to 16.",
    "url": "An address that begins with https:// (or http:// without a login).",
    "charset": "No character set of DICOM; 'ISO_IR 192' is Unicode.",
}
_TAKEN = "Another peer has this name."
_NO_FILE = "This file does not exist."
_FILES = ("pacs_certificate", "pacs_key", "pacs_authority")


def node_faults(values: Mapping[str, Any]) -> Faults:
    """Check a DICOM node, as it is typed."""
    faults = _faults(PacsPeer, values)
    if re.search(r"\s", str(values.get("host", ""))):
        faults["host"] = _SENTENCES["host"]
    if not _is_charset(str(values.get("charset", "ISO_IR 192"))):
        faults["charset"] = _SENTENCES["charset"]
    return faults


def web_faults(values: Mapping[str, Any], settings: Settings) -> Faults:
    """Check a DICOMweb service, as it is typed."""
    faults = _faults(DicomwebPeer, values)
    if faults:
        return faults
    try:
        web_peer(settings, DicomwebPeer(**values))
    except InputError as error:
        return {"user" if "'user'" in error.message else "url": error.message}
    except ValueError as error:  # what urlsplit does not take
        return {"url": f"{_SENTENCES['url']} ({error})"}
    return {}


def name_faults(names: Sequence[str]) -> list[Faults]:
    """Check that each name is there once."""
    counts = Counter(name.strip() for name in names)
    return [{"name": _TAKEN} if counts[name.strip()] > 1 and name.strip() else {} for name in names]


def own_faults(values: Mapping[str, Any]) -> Faults:
    """Check how this program receives, as it is typed."""
    faults: Faults = {}
    if not _AE_TITLE.fullmatch(str(values["pacs_ae_title"])):
        faults["pacs_ae_title"] = _TITLE
    if not re.fullmatch(r"\S+", str(values["pacs_host"])):
        faults["pacs_host"] = _SENTENCES["host"]
    if not _is_port(str(values["pacs_port"])):
        faults["pacs_port"] = _SENTENCES["port"]
    wrong = [one for one in values["pacs_allowed"] if not _is_sender(one)]
    if wrong:
        faults["pacs_allowed"] = f"'{wrong[0]}' is neither an AE title nor AE@ADDRESS."
    for name in _FILES:
        if values[name] and not Path(values[name]).is_file():
            faults[name] = _NO_FILE
    return faults if set(_FILES) & set(faults) else faults | _encryption_faults(values)


def _encryption_faults(values: Mapping[str, Any]) -> Faults:
    from workstation.io.pacs.peer import Tls
    from workstation.io.pacs.tls import client_context, server_context

    receives = bool(values["pacs_tls"])
    needed = ("pacs_certificate", "pacs_authority") if receives else ()
    if lacking := {name: "Receiving over TLS needs it." for name in needed if not values[name]}:
        return lacking
    authority, certificate, key = (
        Path(values[name]) if values[name] else None
        for name in ("pacs_authority", "pacs_certificate", "pacs_key")
    )
    try:
        (server_context if receives else client_context)(Tls(authority, certificate, key))
    except InputError as error:
        return {"pacs_certificate" if certificate else "pacs_authority": error.message}
    return {}


def _faults(kind: type[BaseModel], values: Mapping[str, Any]) -> Faults:
    try:
        kind(**values)
    except ValidationError as error:
        return {
            str(one["loc"][0]): _SENTENCES.get(str(one["loc"][0]), f"{one['msg']}.")
            for one in error.errors()
        }
    return {}


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535


def _is_sender(text: str) -> bool:
    title, at, address = text.partition("@")
    return bool(_AE_TITLE.fullmatch(title)) and bool(address.strip() if at else True)


def _is_charset(text: str) -> bool:
    from pydicom.charset import python_encoding

    return text in python_encoding
