"""Plain text, UTF-8: each sentence on its line, its origin before it."""

from __future__ import annotations

from workstation.io.export._document import LEGEND, ExportDocument, origin_text

LABEL = "Plain text"
SUFFIX = ".txt"

_WIDTH = len("model, edited, accepted")


def render(document: ExportDocument) -> bytes:
    """Write the report."""
    lines = ["*" * 72, *(f"{banner:^72}".rstrip() for banner in document.banners), "*" * 72, ""]
    lines += [f"{name + ':':<14}{value}" for name, value in document.header]
    lines.append("")
    for parts in document.lines:
        for part in parts:
            origin = "" if part.sentence is None else f"[{origin_text(part.sentence)}]"
            lines.append(f"{origin:<{_WIDTH + 3}}{part.text}" if origin else f"\n{part.text}")
    lines += ["", "-" * 72, "Whose words:"]
    lines += [f"  {name:<15}{meaning}" for name, meaning in LEGEND]
    for title, rows in document.receipts:
        lines += ["", title, *(f"  {name}: {value}" for name, value in rows)]
    return ("\n".join([*lines, "", document.banners[0]]) + "\n").encode()
