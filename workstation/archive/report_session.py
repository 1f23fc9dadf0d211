"""The report of the open study, between the editor and the archive."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from psygnal import Signal

from model_runtime.api import Provenance
from workstation.archive.journal import Journal, JournalState
from workstation.archive.report_archive import ReportVersion
from workstation.archive.standing import Standpoint
from workstation.core.atomic_file import write_atomically
from workstation.core.authorship import Fragment, Piece, Run
from workstation.core.errors import InputError, StorageError
from workstation.core.report import (
    Report,
    Sentence,
    append_model_text,
    begin_run,
    end_run,
    why_not_signed,
    with_runs,
)
from workstation.core.report_history import Change, ReportHistory, accepting, replacing
from workstation.core.report_json import from_json, to_json
from workstation.core.rewriting import Rewriting, void_parts


@dataclass(frozen=True)
class SaveStatus:
    """What of the report is safe: the last version, whether it is the text, the journal.

    ``signed`` tells when the last version was signed, in UTC.
    """

    version: int | None
    saved: datetime | None
    unsaved: bool
    saving: bool
    journal: JournalState
    error: StorageError | None
    signed: datetime | None = None


class ReportSession:
    """One study's report as it is read, written, undone and saved.

    ``changed`` tells the new report after each change. All methods belong to one thread
    (the window's); the disk is left to the journal's.
    """

    changed: ClassVar[Signal] = Signal(Report)

    def __init__(self, journal: Journal, study_key: str, author: str) -> None:
        self.study_key = study_key
        self.author = author
        self.report = Report()
        self.recovered = False
        self.load_error: StorageError | None = None
        self._journal = journal
        self._history = ReportHistory()
        self._draft: str | None = None
        self._rewriting: Rewriting | None = None
        self._version: ReportVersion | None = None
        self._saving: Future[ReportVersion] | None = None
        self._save_error: StorageError | None = None
        self._load()

    @property
    def drafting(self) -> bool:
        """Whether the model is writing into this report."""
        return self._draft is not None

    def edit(
        self, position: int, removed: int, inserted: Fragment | str, runs: Sequence[Run] = ()
    ) -> None:
        """Replace characters; a fragment of another report brings its ``runs`` along."""
        fragment = Fragment.human(inserted) if isinstance(inserted, str) else inserted
        self.report = with_runs(self.report, runs)
        self._do(replacing(self.report, position, removed, fragment))

    def accept(self, sentence: Sentence) -> None:
        """Accept a sentence as it stands, or take that back."""
        self._do(accepting(self.report, sentence, not sentence.accepted))

    def undo(self) -> None:
        """Take the last step back."""
        self._take(self._history.undo(self.report))

    def redo(self) -> None:
        """Do the last undone step again."""
        self._take(self._history.redo(self.report))

    def begin_draft(self, run_id: str, provenance: Provenance | None = None) -> None:
        """Open a place for the model's text at the end, on a line of its own."""
        self.stop_draft()
        before = "\n" if self.report.text and not self.report.text.endswith("\n") else ""
        position = len(self.report.text)
        self._history.record(
            Change(position, inserted=Fragment.human(before + "\n"), run_id=run_id)
        )
        report = Change(position, inserted=Fragment.human(before + "\n")).apply(self.report)
        self._draft = run_id
        self._take(begin_run(report, run_id, position + len(before), provenance))

    def write(self, text: str, logprobs: Sequence[float] = (), lengths: Sequence[int] = ()) -> None:
        """Write the model's next text at its place; nothing happens without an open draft.

        ``logprobs`` and ``lengths`` are those of its tokens.
        """
        if self._draft is None or not text:
            return
        if self._rewriting is not None:
            self._write_again(self._rewriting, text, logprobs)
        else:
            self._append(text, logprobs, lengths)

    def restart_draft(self) -> None:
        """Take note that the model's text comes once more from its beginning.

        What is the same as before stays as it stands, with all that a person did to it; from
        where it differs on, the old text goes but for sentences a person edited or accepted.
        """
        if self._draft is not None:
            self._rewriting = Rewriting(self.report.run(self._draft).text)

    def _write_again(self, rewriting: Rewriting, text: str, logprobs: Sequence[float]) -> None:
        new = rewriting.take(text, logprobs)
        if new is None:
            self._replace_draft(rewriting)
        elif new:
            self._rewriting = None
            self._append(new, logprobs)

    def _replace_draft(self, rewriting: Rewriting) -> None:
        """Put what came anew in the place of the draft that it differs from."""
        old, self._rewriting = self._draft, None
        if old is None:
            return
        self.stop_draft()
        for start, end in void_parts(self.report, old):
            around = self.report.text[start - 1 : start] + self.report.text[end : end + 1]
            joins = len(around) == 2 and not any(each.isspace() for each in around)
            self.edit(start, end - start, " " if joins else "")
        self.begin_draft(f"{old}-{uuid4().hex[:4]}")
        for text, logprobs in rewriting.again:
            self._append(text, logprobs)

    def _append(self, text: str, logprobs: Sequence[float], lengths: Sequence[int] = ()) -> None:
        run = self.report.run(self._draft or "")
        if run.anchor is not None:
            fragment = Fragment(text, (Piece(len(text), run.id, len(run.text)),))
            self._history.written(run.anchor, fragment, run.id)
            self._take(append_model_text(self.report, text, run.id, logprobs, lengths))

    def stop_draft(self, provenance: Provenance | None = None) -> None:
        """End the draft, with its receipt if it came to its end; what is written stays."""
        rewriting = self._rewriting
        if rewriting is not None and provenance is not None and not rewriting.is_same:
            self._replace_draft(rewriting)
        self._rewriting = None
        if self._draft is not None:
            run_id, self._draft = self._draft, None
            report = end_run(self.report, run_id, provenance)
            if not report.run(run_id).text:
                report = self._history.forget_unused(report, run_id) or report
            self._take(report)

    def insert_answer(
        self, text: str, provenance: Provenance, position: int, question: str = ""
    ) -> None:
        """Put an answer of the model on a line of its own after the line of a position.

        The question goes before it, as the person's words.
        """
        run = Run(f"answer-{uuid4().hex}", text, ((len(text), float("nan")),), provenance)
        end = self.report.text.find("\n", position)
        end = len(self.report.text) if end < 0 else end
        start = self.report.text.rfind("\n", 0, end) + 1
        line_break = "\n" if self.report.text[start:end].strip() else ""
        asked = Fragment.human(line_break + (f"{question} " if question else ""))
        answer = Fragment(text, (Piece(len(text), run.id, 0),))
        self.edit(end, 0, asked + answer, (run,))

    def save(self) -> None:
        """Begin to save a version; :meth:`status` tells how it went."""
        self._save_error = None
        self._saving = self._journal.save(self.study_key, self.report, self.author)

    def sign(self) -> None:
        """Begin to sign the report as it stands; :meth:`status` tells how it went.

        Raises
        ------
        InputError
            Words of the model stand in it that nobody accepted, or there is no one to sign.
        """
        if reason := why_not_signed(self.report, self.author):
            raise InputError(reason)
        self._save_error = None
        self._saving = self._journal.save(self.study_key, self.report, self.author, sign=True)

    def status(self) -> SaveStatus:
        """Say what of the report is safe."""
        self._settle_save()
        journal = self._journal.state(self.study_key)
        return SaveStatus(
            None if self._version is None else self._version.number,
            None if self._version is None else self._version.created,
            self.unsaved,
            self._saving is not None,
            journal,
            journal.error or self._save_error or self.load_error,
            None if self._version is None else self._version.signed,
        )

    @property
    def unsaved(self) -> bool:
        """Whether the report differs from its last version."""
        saved = Report() if self._version is None else self._version.report
        return (self.report.content, self.report.accepted) != (saved.content, saved.accepted)

    def standpoint(self) -> Standpoint:
        """Report as it is now, for whoever asks the archive whether it is signed."""
        return Standpoint(self.study_key, self.report, self._version, self._saving)

    def save_copy(self, path: Path) -> None:
        """Write the report beside the archive, when the archive cannot take it.

        Raises
        ------
        StorageError
            It cannot be written there either.
        """
        write_atomically(path, to_json(self.report).encode())

    def restore_copy(self, path: Path) -> None:
        """Take the report from such a copy; undo brings back the text before.

        Raises
        ------
        StorageError
            The file cannot be read as a report.
        """
        try:
            copy = from_json(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"{path} cannot be read as a report.", repr(error)) from error
        self.edit(0, len(self.report.text), copy.content, copy.runs)

    def _load(self) -> None:
        archive = self._journal.archive
        try:
            self._version = archive.latest(self.study_key)
            typed = archive.recover(self.study_key)
        except StorageError as error:
            # Whatever the file holds must outlive what is typed before it can be read.
            self.load_error = error
            self._journal.keep_unread(self.study_key, f"{self.author} (recovered)")
            return
        self.recovered = typed is not None
        if typed is not None:
            self.report = typed
        elif self._version is not None:
            self.report = self._version.report

    def _do(self, change: Change) -> None:
        self._history.record(change)
        self._take(change.apply(self.report))

    def _take(self, report: Report | None) -> None:
        if report is None or report is self.report:
            return
        self.report = report
        self._journal.note(self.study_key, report)
        self.changed.emit(report)

    def _settle_save(self) -> None:
        if self._saving is None or not self._saving.done():
            return
        error = self._saving.exception()
        if isinstance(error, StorageError):
            self._save_error = error
        else:
            self._version = self._saving.result()
            self.load_error = None
        self._saving = None
