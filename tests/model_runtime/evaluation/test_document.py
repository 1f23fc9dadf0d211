"""Figures go into their own place of a document, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_runtime.evaluation.document import DocumentError, block, update

_RESULTS = {
    "data": "synthetic cases", "items": 2, "questions": 0, "notes": [], "overlap": {},
    "METEOR sentences": "", "model": "tiny", "weights sha256": "0", "protocols": {},
    "style": "held-out", "command": "python -m model_runtime.evaluation retrieval",
}  # fmt: skip


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "evaluation.json").write_text(json.dumps(_RESULTS), encoding="utf-8")
    return tmp_path


def test_only_the_block_of_the_style_is_replaced(tmp_path: Path, repository: Path) -> None:
    document = tmp_path / "EVALUATION.md"
    frame = (repository / "model_runtime" / "EVALUATION.md").read_text(encoding="utf-8")
    document.write_text(frame, encoding="utf-8")
    assert update(document, _folder(tmp_path)) == "held-out"
    once = document.read_text(encoding="utf-8")
    begin, end = "<!-- figures held-out -->", "<!-- end of figures held-out -->"
    assert once.split(begin)[0] == frame.split(begin)[0]
    assert once.split(end)[1] == frame.split(end)[1]
    assert block(_RESULTS) in once
    assert "\n### Evaluation on synthetic cases" in once
    update(document, tmp_path)
    assert document.read_text(encoding="utf-8") == once


def test_a_document_without_a_place_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "EVALUATION.md"
    document.write_text("<!-- figures usual --> text", encoding="utf-8")
    with pytest.raises(DocumentError, match="no place for figures of the style 'held-out'"):
        update(document, _folder(tmp_path))
    assert document.read_text(encoding="utf-8") == "<!-- figures usual --> text"
    (tmp_path / "evaluation.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DocumentError, match="holds no results"):
        update(document, tmp_path)
