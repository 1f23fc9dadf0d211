"""Exports: they say whether they are signed, and whose words are whose is never lost."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

import pytest
from pypdf import PdfReader

from model_runtime.api import HuWindow, Provenance, Task
from workstation.core.errors import StorageError
from workstation.core.report import (
    Report,
    accept,
    append_model_text,
    begin_run,
    edited,
    end_run,
    replaced,
)
from workstation.core.standing import Signature, Standing
from workstation.core.study import Patient, Series
from workstation.io.export import ExportDocument, export, formats

RECEIPT = Provenance(
    "demo-10m",
    "ab" * 32,
    True,
    Task.REPORT,
    prompt="Write the report.",
    series="Chest 1.0",
    region="chest",
    window=HuWindow(-1350, 150),
    grid=(64, 128, 128),
    decimation=(3.9, 4.0, 4.0),
    slices=(11, 497),
    slice_count=512,
    seed=7,
    created="2026-01-02T03:04:05Z",
)
DRAFT = "Findings:\nUntouched words. Edited words.\nAccepted words.\n"


@pytest.fixture
def a_report():
    report = append_model_text(begin_run(Report(), "r", 0), DRAFT, "r", [-0.2])
    report = end_run(report, "r", RECEIPT)
    report = edited(report, report.text.replace("Edited", "Changed"))
    report = replaced(report, len(report.text), 0, "Impression:\nTyped <b>words</b> & *all*.")
    return accept(report, report.sentences[2])


@pytest.fixture
def a_document(a_report):
    series = Series(
        "k",
        "s",
        (),
        312,
        modality="CT",
        description="Chest 1.0",
        study_description="CT chest",
        patient=Patient("Ωmega^Ёлка", "P-1", age="061Y", sex="F"),
        synthetic=True,
    )
    document = ExportDocument.of(a_report, series)
    assert abs((document.created - datetime.now(UTC)).total_seconds()) < 60
    return document


def words(document, key):
    content = formats()[key].render(document)
    if key != "pdf":
        return content.decode()
    pages = [page.extract_text() for page in PdfReader(BytesIO(content)).pages]
    return "\n".join(pages)


def test_formats_are_found_by_their_files():
    assert {f.key: f.suffix for f in formats().values()} == {
        "text": ".txt",
        "markdown": ".md",
        "pdf": ".pdf",
    }


@pytest.mark.parametrize("key", ["text", "markdown", "pdf"])
def test_every_format_says_whose_words_and_what_made_them(a_document, key):
    found = " ".join(words(a_document, key).replace("\\", "").split())
    for wanted in (
        "UNSIGNED DRAFT",
        "demonstration model · synthetic phantoms · not for clinical use",
        "SYNTHETIC study",
        "Ωmega^Ёлка",
        "Untouched words.",
        "Changed words.",
        "Typed <b>words</b> & *all*.",
        "model, edited",
        "model, accepted",
        "demo-10m",
        "ab" * 32,
        "-1350 … 150 HU",
        "64 × 128 × 128",
        "3.9 × 4.0 × 4.0",
        "12 to 498 of 512",
        "2026-01-02T03:04:05Z",
    ):
        assert wanted in found, wanted


def test_text_names_the_origin_of_each_sentence(a_document):
    lines = words(a_document, "text").splitlines()
    origins = {line.split("]")[1].strip(): line.split("]")[0][1:] for line in lines if "[" in line}
    assert origins == {
        "Untouched words.": "model",
        "Changed words.": "model, edited",
        "Accepted words.": "model, accepted",
        "Typed <b>words</b> & *all*.": "human",
    }


def test_markdown_does_not_take_typed_marks_for_markup(a_document):
    assert r"Typed \<b\>words\</b\> \& \*all\*." in words(a_document, "markdown")


def test_each_page_of_the_pdf_is_marked(a_report):
    long = replaced(a_report, len(a_report.text), 0, "\nOne more sentence." * 150)
    reader = PdfReader(BytesIO(formats()["pdf"].render(ExportDocument(long))))
    assert len(reader.pages) > 2
    for page in reader.pages:
        assert page.extract_text().count("UNSIGNED DRAFT") == 2


def test_a_persons_report_carries_no_model_banner_but_is_unsigned():
    document = ExportDocument(edited(Report(), "Mine."))
    assert document.banners == ("UNSIGNED DRAFT",)
    assert document.receipts == ()


def test_a_draft_without_receipt_is_treated_as_a_demonstration():
    report = append_model_text(begin_run(Report(), "r", 0), "No mass.", "r")
    document = ExportDocument(report)
    assert any("not for clinical use" in banner for banner in document.banners)
    assert "not recorded" in words(document, "text")


def test_letters_that_the_pdf_font_lacks_are_shown_as_missing():
    document = ExportDocument(edited(Report(), "Patient 山田 is well."))
    found = words(document, "pdf")
    assert "stands for letters" in found
    assert "山田" in words(document, "text")


def test_a_paragraph_longer_than_a_page_is_exported_whole():
    document = ExportDocument(edited(Report(), "lorem " * 4000 + "end."))
    found = words(document, "pdf")
    assert found.count("lorem") == 4000
    assert "end." in found


def test_an_empty_report_can_be_exported():
    for key in formats():
        assert "UNSIGNED DRAFT" in words(ExportDocument(Report()), key)


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(a_document, tmp_path):
    path = tmp_path / "report.txt"
    export(a_document, path, "text")
    assert [p.name for p in tmp_path.iterdir()] == ["report.txt"]
    with pytest.raises(StorageError, match="does not exist"):
        export(a_document, tmp_path / "absent" / "report.txt", "text")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(StorageError, match=r"folder\.txt"):
        export(a_document, tmp_path / "folder.txt", "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.txt", "report.txt"]


SIGNATURE = Signature(3, "Dr. Ωmega", datetime(2026, 11, 27, 9, 30, 5, tzinfo=UTC))


@pytest.mark.parametrize("key", ["text", "markdown", "pdf"])
def test_a_signed_version_is_exported_as_signed_with_signer_time_and_version(a_report, key):
    document = ExportDocument.of(a_report, None, Standing(SIGNATURE))
    found = " ".join(words(document, key).replace("\\", "").split())
    assert "SIGNED" in found
    assert "UNSIGNED" not in found
    assert "version 3, Dr. Ωmega, 2026-11-27 09:30:05 UTC" in found
    assert "not a cryptographic signature" in found
    assert "model, accepted" in found, "whose words they are is told as before"
    assert "Superseded" not in found
    older = words(ExportDocument.of(a_report, None, Standing(SIGNATURE, newer=4)), key)
    assert "version 4 of this report is newer" in " ".join(older.split())


@pytest.mark.parametrize("key", ["text", "markdown", "pdf"])
def test_text_changed_after_signing_is_an_unsigned_addendum(a_report, key):
    document = ExportDocument.of(a_report, None, Standing(SIGNATURE, changed=True))
    found = " ".join(words(document, key).replace("\\", "").split())
    assert "UNSIGNED ADDENDUM" in found
    assert "this text differs from what was signed (version 3, Dr. Ωmega" in found
    assert " SIGNED" not in found.replace("UNSIGNED", "")


def test_a_signed_pdf_has_no_watermark(a_report):
    reader = PdfReader(BytesIO(formats()["pdf"].render(ExportDocument(a_report))))
    assert reader.pages[0].extract_text().count("UNSIGNED DRAFT") == 2
    signed = ExportDocument(a_report, standing=Standing(SIGNATURE))
    page = PdfReader(BytesIO(formats()["pdf"].render(signed))).pages[0].extract_text()
    assert page.count("SIGNED") == 1
