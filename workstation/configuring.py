"""The settings of PACS in the window: checked, tested, written, and in force at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from workstation.core.errors import StorageError, TomoscribeError
from workstation.core.study import Severity
from workstation.logins import Logins
from workstation.pacs_peers import find_source, web_peer
from workstation.peer_checks import Faults, name_faults, node_faults, own_faults, web_faults
from workstation.receiving import Receiving
from workstation.settings import DicomwebPeer, PacsPeer, Settings, settings_file
from workstation.settings_file import SettingsFile, change_settings_file, read_settings_file
from workstation.tasks.job import Job
from workstation.ui.main_window import MainWindow
from workstation.ui.pacs_settings import OWN_FIELDS, PacsSettings
from workstation.ui.peers_page import NODE_FIELDS, WEB_FIELDS, PeerEntry

if TYPE_CHECKING:
    from workstation.io.dicomweb.peer import WebPeer

_KEYS = {"node": "pacs_peers", "web": "dicomweb_peers"}
_NAMES = {
    "node": [one.name for one in NODE_FIELDS],
    "web": [one.name for one in WEB_FIELDS if one.name != "secret"],
}
_OWN = [one.name for one in OWN_FIELDS]
_KEPT_REMARK = "The password goes into this computer's keyring, never into a file."
_NOT_KEPT = (
    "This machine has no keyring: the password is remembered until the window closes, never "
    "written into a file."
)


class Configuring(QObject):
    """Joins the page of settings to the file, to the keyring and to what is running.

    Signals
    -------
    applied()
        Other settings are in force.
    """

    applied = Signal()

    def __init__(
        self, settings: Settings, window: MainWindow, logins: Logins, receiving: Receiving
    ) -> None:
        super().__init__(window)
        self._settings, self._window = settings, window
        self._logins, self._receiving = logins, receiving
        self._file = SettingsFile(settings_file(), "", {})
        self._before: tuple[object, object] = ((), ())
        self._test: Job | None = None
        self.dialog: PacsSettings | None = None
        receiving.changed.connect(self._show_receiver)

    @Slot()
    def open(self) -> None:
        """Show the page; a file that cannot be read is told instead."""
        from workstation.io.dicomweb.login import has_keyring

        if self.dialog is not None and self.dialog.isVisible():
            self.dialog.raise_()
            return
        try:
            self._file = read_settings_file(settings_file())
        except StorageError as error:
            self._window.notifications.show(error.message, Severity.ERROR, error.details)
            return
        if self.dialog is not None:
            self.dialog.deleteLater()  # with what was typed there
        remark = _KEPT_REMARK if has_keyring() else _NOT_KEPT
        self.dialog = PacsSettings(self._entries(), self._own(), remark, self._window)
        self._before = self._typed()
        self.dialog.changed.connect(self._check)
        self.dialog.test_requested.connect(self.test)
        self.dialog.save_requested.connect(self.save)
        self.dialog.finished.connect(self._stop_test)
        self._check()
        self._show_receiver()
        self.dialog.open()

    def _entries(self) -> list[PeerEntry]:
        """Give what stands in the file, sound or not; else what the settings say."""
        found: list[PeerEntry] = []
        for kind, key in _KEYS.items():
            tables = self._file.values.get(key)
            if not isinstance(tables, list):
                tables = [one.model_dump() for one in getattr(self._settings, key)]
            model = PacsPeer if kind == "node" else DicomwebPeer
            fields = model.model_fields.items()
            defaults = {name: one.default for name, one in fields if not one.is_required()}
            found += [
                PeerEntry(kind, {**defaults, **one}, dict(one))  # type: ignore[arg-type]
                for one in tables if isinstance(one, dict)
            ]  # fmt: skip
        return found

    def _own(self) -> dict[str, Any]:
        return {name: self._file.values.get(name, getattr(self._settings, name)) for name in _OWN}

    def _own_in_force(self) -> dict[str, Any]:
        return {name: getattr(self._settings, name) for name in _OWN}

    # --- checking ---------------------------------------------------------------------

    def _typed(self) -> tuple[object, object]:
        if self.dialog is None:
            return (), ()
        entries = [(one.kind, _plain(one)) for one in self.dialog.peers.entries]
        secrets = [one.values.get("secret", "") for one in self.dialog.peers.entries]
        return (entries, [one for one in secrets if one]), self.dialog.own.values()

    def _faults(self, entries: Sequence[PeerEntry]) -> list[Faults]:
        doubled = name_faults([one.name for one in entries])
        return [
            (node_faults(_plain(one)) if one.kind == "node"
             else web_faults(_plain(one), self._settings)) | twice
            for one, twice in zip(entries, doubled, strict=True)
        ]  # fmt: skip

    @Slot()
    def _check(self) -> None:
        dialog = self.dialog
        if dialog is not None:
            faults = self._faults(dialog.peers.entries)
            own = own_faults(dialog.own.values())
            dialog.show_faults(faults, own, self._typed() != self._before)

    # --- testing ----------------------------------------------------------------------

    @Slot()
    def test(self) -> None:
        """Ask the PACS that is chosen, as it is typed, whether it answers."""
        dialog = self.dialog
        entry = dialog.peers.current if dialog is not None else None
        if dialog is None or entry is None:
            return
        self._stop_test()
        own = dialog.own.values()
        trial = self._with([entry], self._own_in_force() if own_faults(own) else own)
        secret = self._secret_of(entry)
        name = entry.name

        def work(cancelled: Event) -> Iterator[object]:
            source = find_source(
                trial, name, secret, trial.data_folder / "receiving", lambda _: None
            )
            yield source.echo(cancelled)

        dialog.peers.show_result(f"asking {name} …", "dim")
        self._test = Job(work)
        self._test.step.connect(self._on_answer)
        self._test.failed.connect(self._on_silence)
        self._test.start()

    def _secret_of(self, entry: PeerEntry) -> Callable[[WebPeer], str]:
        typed = str(entry.values.get("secret", ""))
        return lambda peer: typed or self._logins.secret(peer)

    @Slot(object)
    def _on_answer(self, seconds: float) -> None:
        if self.dialog is not None:
            self.dialog.peers.show_result(f"It answered in {1000 * seconds:.0f} ms.")

    @Slot(object)
    def _on_silence(self, error: TomoscribeError) -> None:
        if self.dialog is not None:
            text = f"{error.message} {error.details}".strip()
            self.dialog.peers.show_result(text, "error")

    @Slot()
    def _stop_test(self) -> None:
        if self._test is not None:
            self._test.cancel()
        self._test = None

    # --- saving -----------------------------------------------------------------------

    @Slot()
    def save(self) -> None:
        """Write the file, and let everything that runs take the new settings."""
        dialog = self.dialog
        if dialog is None:
            return
        entries, own = dialog.peers.entries, dialog.own.values()
        try:
            new = self._with(entries, own)
            self._file = change_settings_file(self._file, self._changes(new, entries))
        except TomoscribeError as error:
            dialog.say(error.message, "error")
            return
        self._keep_secrets(entries, new)
        before = self._receiver_values(self._settings)
        for name in (*_OWN, *_KEYS.values()):
            setattr(self._settings, name, getattr(new, name))
        for entry in entries:
            entry.values.pop("secret", None)
        dialog.peers.forms["web"].line("secret").clear()
        self._before = self._typed()
        self._check()
        if self._receiver_values(new) != before:
            self._receiving.apply()
        dialog.say("Saved, and in force at once. What is being retrieved goes on as it began.")
        self.applied.emit()

    def _with(self, entries: Sequence[PeerEntry], own: Mapping[str, Any]) -> Settings:
        """Copy the settings with other peers and another receiver; they have been checked."""
        values: dict[str, Any] = {
            name: [kind(**_plain(one)) for one in entries if _KEYS[one.kind] == name]
            for name, kind in (("pacs_peers", PacsPeer), ("dicomweb_peers", DicomwebPeer))
        }
        values |= {**own, "pacs_port": int(own["pacs_port"])}
        for name in ("pacs_certificate", "pacs_key", "pacs_authority"):
            values[name] = Path(own[name]) if own[name] else None
        return self._settings.model_copy(update=values)

    def _changes(self, new: Settings, entries: Sequence[PeerEntry]) -> dict[str, Any]:
        """Tell what the file shall say: no default that it does not say already, and no secret."""
        changes: dict[str, Any] = {}
        for kind, key in _KEYS.items():
            of_kind = [one for one in entries if one.kind == kind]
            tables = [
                _table(peer, one) for peer, one in zip(getattr(new, key), of_kind, strict=True)
            ]
            changes[key] = tables or None
        for name in _OWN:
            value = getattr(new, name)
            default = Settings.model_fields[name].default
            plain = str(value) if isinstance(value, Path) else value
            said = name in self._file.values
            changes[name] = plain if value != default or (said and value is not None) else None
        return changes

    def _receiver_values(self, settings: Settings) -> tuple[object, ...]:
        titles = [one.ae_title for one in settings.pacs_peers]
        return (*(getattr(settings, name) for name in _OWN), titles)

    def _keep_secrets(self, entries: Sequence[PeerEntry], new: Settings) -> None:
        given = {
            one.name: str(one.values["secret"]) for one in entries
            if one.kind == "web" and one.values.get("secret")
        }  # fmt: skip
        peers = {one.name: web_peer(new, one) for one in new.dicomweb_peers}
        for name, secret in given.items():
            if peers[name].login != "none":
                self._logins.remember(peers[name], secret)
        urls = {peer.url for peer in peers.values()}
        for old in self._settings.dicomweb_peers:
            if old.url not in urls and old.login != "none":
                self._logins.forget(web_peer(self._settings, old))

    @Slot()
    def _show_receiver(self) -> None:
        if self.dialog is not None:
            text, wrong = self._receiving.state
            self.dialog.show_receiver(text, "error" if wrong else "dim")


def _plain(entry: PeerEntry) -> dict[str, Any]:
    """Give what the settings hold of it; a secret is no setting."""
    return {name: entry.values[name] for name in _NAMES[entry.kind] if name in entry.values}


def _table(peer: PacsPeer | DicomwebPeer, entry: PeerEntry) -> dict[str, Any]:
    said = peer.model_dump(exclude_defaults=True)
    return {
        name: value for name, value in peer.model_dump().items()
        if name in said or name in entry.known or name == "port"
    }  # fmt: skip
