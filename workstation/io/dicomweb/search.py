"""QIDO-RS: look for studies, series or images."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydicom.datadict import tag_for_keyword

from workstation.core.errors import CancelledError, PeerRefusedError
from workstation.io.dicomweb.session import Session
from workstation.io.pacs.find import LIMIT, Found
from workstation.io.pacs.query import Answer, Query, answer_of, printable

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_NAME_PARTS = ("Alphabetic", "Ideographic", "Phonetic")


def search(
    session: Session,
    query: Query,
    *,
    limit: int = LIMIT,
    told: Callable[[Answer], None] | None = None,
) -> Found:
    """Look for studies, series or images.

    Parameters
    ----------
    limit : int
        No more than so many answers are asked for, but one that tells that there are more.
    told : callable or None
        Called with each answer.

    Raises
    ------
    CancelledError
        Where the session was cancelled.
    NetworkError
        Where the peer cannot or does not answer.
    """
    answers = [one for one in _asked(session, query, limit + 1) if one.study_uid]
    if session.cancelled.is_set():
        raise CancelledError("The search was cancelled.")
    for one in answers[:limit]:
        if told is not None:
            told(one)
    return Found(tuple(answers[:limit]), len(answers) > limit)


def _asked(session: Session, query: Query, limit: int) -> list[Answer]:
    for uid in (query.study_uid, query.series_uid):
        if uid and not _UID.fullmatch(uid):  # it becomes part of an address
            raise PeerRefusedError(f"An identifier of {session.peer.shown} is none.", uid[:70])
    filters, fields = query.as_filters()
    asked: dict[str, Any] = {"limit": limit, "fields": fields, "search_filters": filters}
    with session.asking() as client:
        if query.level == "study":
            found = client.search_for_studies(**asked)
        elif query.level == "series":
            found = client.search_for_series(query.study_uid, **asked)
        else:
            found = client.search_for_instances(query.study_uid, query.series_uid, **asked)
        return [_answer(one, query) for one in found]


def _answer(match: Mapping[str, Any], query: Query) -> Answer:
    """Read one match; what the path of the question said may be missing in it."""
    known = {"StudyInstanceUID": query.study_uid, "SeriesInstanceUID": query.series_uid}
    return answer_of(lambda keyword: _text(match, keyword) or known.get(keyword, ""))


def _text(match: Mapping[str, Any], keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    element = match.get(f"{tag:08X}") if tag is not None else None
    values = element.get("Value") if isinstance(element, Mapping) else None
    if not isinstance(values, list):
        return ""
    return printable("\\".join(_one(value) for value in values if value is not None))


def _one(value: object) -> str:
    if isinstance(value, Mapping):  # a person's name
        parts = [str(value.get(part) or "") for part in _NAME_PARTS]
        return "=".join(parts).rstrip("=")
    return str(value)
