"""Puts the figures of an evaluation into a Markdown document, between marks of their own.

A block begins with ``<!-- figures NAME -->`` and ends with ``<!-- end of figures NAME -->``.
What stands around the blocks is written by hand and stays as it is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from model_runtime.evaluation.summary import summary

RESULTS = "evaluation.json"


class DocumentError(Exception):
    """The document has no place for the figures, or there are none."""


def update(document: Path, folder: Path) -> str:
    """Write the tables of ``folder``'s results into their block; returns the block's name.

    Raises
    ------
    DocumentError
        Where the results or the block are not there.
    """
    try:
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        name = str(results["style"])
        tables = block(results)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DocumentError(f"{folder / RESULTS} holds no results ({error!r}).") from error
    put(document, name, tables)
    return name


def put(document: Path, name: str, tables: str) -> None:
    """Write tables into the block of a name.

    Raises
    ------
    DocumentError
        Where the document has no such block.
    """
    text = document.read_text(encoding="utf-8")
    begin, end = f"<!-- figures {name} -->", f"<!-- end of figures {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise DocumentError(f"{document} has no place for figures of the style {name!r}.")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    document.write_text(f"{before}{begin}\n\n{tables}\n{end}{after}", encoding="utf-8")


def block(results: dict[str, Any]) -> str:
    """Lay results out for the document: the command, then the tables, two levels deeper."""
    tables = re.sub(r"^#", "###", summary(results), flags=re.MULTILINE)
    return f"Made by\n\n```sh\n{results['command']}\n```\n\n{tables.strip()}\n"
