"""The report panel: the editor, a running draft, and what is saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from model_runtime.api import Provenance, Stage
from workstation.archive.report_session import ReportSession, SaveStatus
from workstation.core.claim import claim_of
from workstation.core.errors import InputError, StorageError
from workstation.io.export import formats
from workstation.ui.evidence_view import EvidenceView, Explained
from workstation.ui.panel_parts import RunningLine, button, label
from workstation.ui.report_editor import ReportEditor
from workstation.ui.report_fault import FaultLine
from workstation.ui.report_status import status_line

_STATUS_MS = 200
_STAGES = {
    Stage.LOAD: "loading the model",
    Stage.PREPROCESS: "preparing the volume",
    Stage.ENCODE: "encoding the volume",
    Stage.WRITE: "writing",
}


class ReportPanel(QWidget):
    """One study's report.

    Signals
    -------
    draft_requested(), cancel_requested()
        The reader wants a draft, or wants the running one to stop.
    export_requested(str)
        The reader wants the report in a format (a key of ``io.export.formats()``).
    save_failed(str, str)
        Saving failed: sentence and details, once per fault.
    evidence_requested(Claim, EvidenceView)
        A sentence whose evidence is wanted, and where it is told.
    """

    draft_requested = Signal()
    cancel_requested = Signal()
    export_requested = Signal(str)
    save_failed = Signal(str, str)
    evidence_requested = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("reportPanel")
        self._session: ReportSession | None = None
        self._reported: StorageError | None = None
        self.editor = ReportEditor()
        self._running = RunningLine()
        self._fault = FaultLine()
        self.evidence = EvidenceView(names_sentence=True)
        self._notice = label("", "warning")
        self._notice.hide()
        self._draft = button("Draft report", "draft", "primary", "Let the model write a draft")
        self._save = button("Save", "save", "", "Keep a version of the report (Ctrl+S)")
        self._export = button(
            "Export", "export", "", "Write the report to a file; it says if it is signed"
        )
        self._status = label("", "dim", wrap=False)
        self._export.setMenu(self._export_menu())
        self._lay_out()
        self._connect()
        self._timer = QTimer(self)
        self._timer.setInterval(_STATUS_MS)
        self._timer.timeout.connect(self._refresh_status)
        self.show_session(None)

    # --- the study --------------------------------------------------------------------

    def show_session(self, session: ReportSession | None) -> None:
        """Show another study's report; a draft that runs in the old one stops there."""
        if self._session is not None and self._session is not session:
            self._session.stop_draft()
        self._session = session
        self._reported = None
        self.editor.show_session(session)
        self._running.hide()
        self._fault.hide()
        self.evidence.dismiss()
        for widget in (self._draft, self._save, self._export):
            widget.setEnabled(session is not None)
        recovered = session is not None and session.recovered
        self._notice.setVisible(recovered)
        self._notice.setText("Recovered what was typed and not saved last time." * recovered)
        if session is None:
            self._timer.stop()
        else:
            self._timer.start()
        self._refresh_status()

    @property
    def session(self) -> ReportSession | None:
        """The session that is shown."""
        return self._session

    @property
    def drafting(self) -> bool:
        """Whether a draft is being written."""
        return self._session is not None and self._session.drafting

    @property
    def status(self) -> str:
        """The status line's text."""
        return self._status.text()

    # --- the model --------------------------------------------------------------------

    def begin_draft(self, run_id: str, provenance: Provenance | None = None) -> None:
        """Make a place for a draft; ``provenance`` is what is known of it beforehand."""
        if self._session is not None:
            self._fault.hide()
            self._draft.setEnabled(False)
            self._session.begin_draft(run_id, provenance)
            self._running.run("starting …")

    def set_progress(
        self, stage: Stage, fraction: float | None = None, tokens_per_second: float = 0.0
    ) -> None:
        """Show where the draft stands."""
        if not self.drafting:
            return
        speed = f" · {tokens_per_second:.0f} tok/s" if tokens_per_second > 0 else ""
        part = f" {fraction:.0%}" if fraction is not None else ""
        self._running.run(f"{_STAGES[stage]}{part}{speed}", fraction)

    def add_text(
        self, text: str, logprobs: Sequence[float] = (), lengths: Sequence[int] = ()
    ) -> None:
        """Write on in the draft; without a running draft the text is late and dropped."""
        if self._session is not None:
            self._session.write(text, logprobs, lengths)

    def restart_draft(self) -> None:
        """Take note that the draft comes once more; it is told only where it differs."""
        if self._session is not None:
            self._session.restart_draft()

    def finish_draft(self, provenance: Provenance | None = None) -> None:
        """End the draft: with its receipt if it is complete, without if it was cancelled."""
        if self._session is not None:
            self._session.stop_draft(provenance)
            self._draft.setEnabled(True)
        self._running.hide()

    def fail_draft(self, message: str, details: str = "") -> None:
        """End the draft and say why it failed; what is written stays."""
        self.finish_draft()
        self._fault.show_fault(message, details, "Try again")

    def insert_answer(self, text: str, provenance: Provenance, question: str = "") -> None:
        """Put an answer of the model on a line of its own below the cursor's.

        The question, if given, goes before it as the person's words.
        """
        if self._session is not None:
            place = self.editor.insert_place()
            self._session.insert_answer(text, provenance, place, question)

    @Slot()
    def show_evidence(self) -> None:
        """Ask for the evidence of the sentence with the cursor."""
        sentence = self.editor.sentence_here()
        if sentence is not None:
            self.evidence_requested.emit(claim_of(self.editor.report, sentence), self.evidence)
        elif self._session is not None:
            self.evidence.fail("Put the cursor into a sentence of the report first.")

    @Slot(object)
    def _on_evidence(self, explained: Explained) -> None:
        self.editor.mark_grounded(explained.claim, explained.evidence.grounded)

    # --- saving -----------------------------------------------------------------------

    @Slot()
    def save(self) -> None:
        """Keep a version."""
        if self._session is not None:
            self._reported = None
            self._session.save()
            self._refresh_status()

    @Slot()
    def sign(self) -> None:
        """Sign the report, or say why it cannot be."""
        if self._session is None:
            return
        self._reported = None
        try:
            self._session.sign()
        except InputError as error:
            self.save_failed.emit(error.message, error.details)
        self._refresh_status()

    def save_copy(self, path: Path) -> None:
        """Write the report to another place than the archive, and say so if that fails."""
        if self._session is None:
            return
        try:
            self._session.save_copy(path)
        except StorageError as error:
            self._fault.show_fault(error.message, error.details, "Save a copy …")
        else:
            self._fault.hide()

    @Slot()
    def _refresh_status(self) -> None:
        if self._session is None:
            self._status.setText("")
            return
        status = self._session.status()
        self._status.setText(status_line(status))
        self._report_fault(status)

    def _report_fault(self, status: SaveStatus) -> None:
        error = status.error
        if error is None:
            if self._reported is not None:
                self._reported = None
                self._fault.hide()
        elif self._reported is None or self._reported.message != error.message:
            self._reported = error
            self._fault.show_fault(error.message, error.details, "Save a copy …")
            self.save_failed.emit(error.message, error.details)

    # --- parts ------------------------------------------------------------------------

    def _export_menu(self) -> QMenu:
        menu = QMenu(self)
        for key, exported in formats().items():
            menu.addAction(exported.label).setData(key)
        menu.triggered.connect(self._on_export)
        return menu

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for widget in (self._draft, self._save, self._export):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        bottom = QVBoxLayout()
        bottom.setContentsMargins(10, 2, 10, 8)
        bottom.setSpacing(4)
        bottom.addLayout(buttons)
        bottom.addWidget(self._status, 0, Qt.AlignmentFlag.AlignRight)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(4)
        whole.addWidget(self._notice)
        whole.addWidget(self.editor, 1)
        whole.addWidget(self._running)
        whole.addWidget(self._fault)
        whole.addWidget(self.evidence)
        whole.addLayout(bottom)

    def _connect(self) -> None:
        self._draft.clicked.connect(self._on_draft)
        self._save.clicked.connect(self.save)
        self._running.cancel_requested.connect(self.cancel_requested)
        self._fault.chosen.connect(self._on_fault_action)
        self.editor.evidence_requested.connect(self.show_evidence)
        self.evidence.told.connect(self._on_evidence)

    @Slot()
    def _on_draft(self) -> None:
        self.draft_requested.emit()

    @Slot(object)
    def _on_export(self, action: object) -> None:
        self.export_requested.emit(str(action.data()))  # type: ignore[attr-defined]

    @Slot(str)
    def _on_fault_action(self, text: str) -> None:
        if text == "Try again":
            self._fault.hide()
            self.draft_requested.emit()
            return
        dialog = QFileDialog(self, "Save a copy of the report", str(Path.home() / "report.json"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._on_copy_chosen)
        dialog.open()

    @Slot(str)
    def _on_copy_chosen(self, path: str) -> None:
        self.save_copy(Path(path))
