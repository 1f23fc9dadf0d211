"""Markdown: headings as headings, each sentence an item with its origin."""

from __future__ import annotations

import re

from workstation.io.export._document import LEGEND, ExportDocument, Part, origin_text

LABEL = "Markdown"
SUFFIX = ".md"

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")


def render(document: ExportDocument) -> bytes:
    """Write the report."""
    lines = ["# CT report", "", *(f"> **{banner}**  " for banner in document.banners), ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {name} | {_plain(value)} |" for name, value in document.header]
    lines.append("")
    for parts in document.lines:
        for part in parts:
            lines += _block(part)
    lines += ["", "## Whose words", ""]
    lines += [f"- `{name}`: {meaning}" for name, meaning in LEGEND]
    for title, rows in document.receipts:
        lines += ["", f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {_plain(value)} |" for name, value in rows]
    return ("\n".join([*lines, "", f"**{document.banners[0]}**"]) + "\n").encode()


def _block(part: Part) -> list[str]:
    if part.sentence is None:
        return ["", f"## {_plain(part.text.rstrip(':'))}", ""]
    return [f"- `{origin_text(part.sentence)}` {_plain(part.text)}"]


def _plain(text: str) -> str:
    """Keep what was typed from being taken for markup."""
    return _SPECIAL.sub(r"\\\1", text)
