"""PDF: A4, a watermark on what is unsigned, a bar beside each sentence of the model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from workstation.core.authorship import Origin
from workstation.core.errors import StorageError
from workstation.core.report import Sentence
from workstation.io.export._document import LEGEND, ExportDocument, Part, origin_text

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

LABEL = "PDF"
SUFFIX = ".pdf"

_VIOLET = "#6f4fb3"
_GREY = "#666a70"
_AMBER = "#8a5a00"
_MISSING = "\u25a1"


def render(document: ExportDocument) -> bytes:
    """Write the report.

    Raises
    ------
    StorageError
        The font that knows Latin, Greek and Cyrillic is not installed.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    page = _Page(document)
    buffer = BytesIO()
    template = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=24 * mm,
        rightMargin=20 * mm,
        topMargin=24 * mm,
        bottomMargin=20 * mm,
        title=f"{document.banners[0]}: CT report",
        author="",
        subject=" · ".join(document.banners),
        creator="Tomoscribe",
    )
    story = list(_story(document))
    template.build(story, onFirstPage=page.draw, onLaterPages=page.draw)
    return buffer.getvalue()


class _Page:
    """What stands on every page: the watermark and the banners."""

    def __init__(self, document: ExportDocument) -> None:
        self._document = document

    def draw(self, canvas: Canvas, _template: object) -> None:
        """Draw it below the text."""
        regular, bold = _fonts()
        width, height = canvas._pagesize
        first, *others = self._document.banners
        if not self._document.standing.is_signed:
            self._watermark(canvas, first)
        canvas.saveState()
        canvas.setFillColor(_AMBER)
        canvas.setFont(bold, 10)
        canvas.drawString(68, height - 38, first)
        canvas.setFont(regular, 8)
        canvas.drawString(68, height - 50, " · ".join(others))
        canvas.setFillColor(_GREY)
        patient = _shown(" · ".join(value for _, value in self._document.header[:2]))
        canvas.drawString(68, 32, patient)
        canvas.drawRightString(width - 57, 32, f"page {canvas.getPageNumber()}")
        canvas.restoreState()

    def _watermark(self, canvas: Canvas, text: str) -> None:
        width, height = canvas._pagesize
        _, bold = _fonts()
        canvas.saveState()
        canvas.setFillColor("#ececee")
        canvas.translate(width / 2, height / 2)
        canvas.rotate(52)
        canvas.setFont(bold, 62)
        canvas.drawCentredString(0, -20, text)
        canvas.restoreState()


def _story(document: ExportDocument) -> Iterator[Any]:
    from reportlab.platypus import Spacer

    for name, value in document.header:
        yield _paragraph(f"<font color='{_GREY}'>{name}</font>  {_markup(value)}", size=9)
    yield Spacer(1, 10)
    for parts in document.lines:
        for part in parts:
            yield _heading(part) if part.sentence is None else _sentence(part.text, part.sentence)
    yield Spacer(1, 16)
    yield _paragraph("<b>Whose words</b>", size=9)
    for name, meaning in LEGEND:
        yield _paragraph(f"<b>{name}</b>: {meaning}", size=8)
    for title, rows in document.receipts:
        yield Spacer(1, 8)
        yield _paragraph(f"<b>{title}</b>", size=9)
        for name, value in rows:
            yield _paragraph(f"{name}: {_markup(value)}", size=8)
    if any(not _known(letter) for letter in document.report.text + str(document.header)):
        yield Spacer(1, 8)
        missing = f"{_MISSING} stands for letters that this file's font lacks; "
        yield _paragraph(missing + "the text export has them all.", size=8)


def _heading(part: Part) -> Any:  # noqa: ANN401  (reportlab has no types)
    return _paragraph(f"<b>{_markup(part.text.rstrip(':'))}</b>", size=11, space=8)


def _sentence(text: str, sentence: Sentence) -> Any:  # noqa: ANN401
    mark = f" <font size=7 color='{_VIOLET}'>[{origin_text(sentence)}]</font>"
    own = sentence.origin is Origin.HUMAN
    return _paragraph(_markup(text) + ("" if own else mark), size=10.5, sentence=sentence)


def _paragraph(markup: str, size: float, space: float = 2, sentence: Sentence | None = None) -> Any:  # noqa: ANN401
    from reportlab.lib.styles import ParagraphStyle

    regular, _ = _fonts()
    style = ParagraphStyle(
        "text", fontName=regular, fontSize=size, leading=size * 1.4, spaceBefore=space
    )
    style.sentence = sentence
    return _marked_paragraph()(markup, style)


@cache
def _marked_paragraph() -> Any:  # noqa: ANN401
    from reportlab.platypus import Paragraph

    class MarkedParagraph(Paragraph):  # type: ignore[misc]
        """A paragraph with its sentence's bar at the left."""

        def draw(self) -> None:
            super().draw()
            sentence = getattr(self.style, "sentence", None)
            if sentence is not None and sentence.origin is not Origin.HUMAN:
                untouched = sentence.origin is Origin.MODEL
                self.canv.setStrokeColor(_VIOLET)
                self.canv.setFillColor(_VIOLET)
                self.canv.setLineWidth(0.6)
                self.canv.rect(-9, 1, 2.4, self.height - 2, stroke=1, fill=int(untouched))

    return MarkedParagraph


def _markup(text: str) -> str:
    return escape(_shown(text))


def _shown(text: str) -> str:
    """Text with a box for each letter that the font lacks."""
    return "".join(letter if _known(letter) else _MISSING for letter in text)


def _known(letter: str) -> bool:
    from reportlab.pdfbase import pdfmetrics

    glyphs = pdfmetrics.getFont(_fonts()[0]).face.charToGlyph
    return letter.isspace() or ord(letter) in glyphs


@cache
def _fonts() -> tuple[str, str]:
    """Names of the regular and the bold font, registered; matplotlib brings their files."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise StorageError(
            "The PDF cannot be written: its font comes with the package matplotlib, which is "
            "not installed. Install Tomoscribe again, or export as text."
        )
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    names = ("DejaVuSans", "DejaVuSans-Bold")
    for name in names:
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(names[0], names[0], names[1], names[0], names[1])
    return names
