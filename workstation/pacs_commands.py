"""``tomoscribe pacs``: ask DICOM nodes and DICOMweb services, retrieve, send, receive."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import date
from functools import cache
from getpass import getpass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from workstation.core.errors import InputError, NetworkError
from workstation.pacs_peers import find_source, find_web_peer, receiver
from workstation.settings import Settings

if TYPE_CHECKING:
    from workstation.io.dicomweb.peer import WebPeer
    from workstation.io.pacs.query import Answer
    from workstation.io.pacs.retrieval import Progress, Retrieval
    from workstation.io.pacs.source import Source
    from workstation.io.pacs.store import Stored

_FIELDS = {
    "--name": "patient_name", "--id": "patient_id", "--birth": "birth_date",
    "--accession": "accession_number", "--modality": "modality",
    "--description": "description", "--referring": "referring_physician",
    "--study": "study_uid", "--series": "series_uid",
}  # fmt: skip


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add ``pacs`` and what it can do to the program's commands."""
    pacs = commands.add_parser("pacs", help="ask, retrieve from, send to and receive from a PACS")
    jobs = pacs.add_subparsers(dest="job", metavar="JOB", required=True)
    peers = {
        "echo": "is it there?", "find": "look for studies, series or images",
        "get": "retrieve a study, a series, or a patient's priors",
        "send": "send files; an interrupted sending goes on",
        "login": "keep a DICOMweb password or token in the keyring",
        "logout": "take it out of the keyring",
    }  # fmt: skip
    made = {}
    for name, told in peers.items():
        made[name] = jobs.add_parser(name, help=told)
        made[name].add_argument(
            "peer", metavar="PEER", help="a name of the settings, or AE@HOST:PORT"
        )
    search, get = made["find"], made["get"]
    search.add_argument("--level", choices=("study", "series", "image"), default="study")
    for flag, field in _FIELDS.items():
        search.add_argument(flag, dest=field, default="")
    search.add_argument("--from", dest="date_from", type=date.fromisoformat, metavar="YYYY-MM-DD")
    search.add_argument("--to", dest="date_to", type=date.fromisoformat, metavar="YYYY-MM-DD")
    search.add_argument("--limit", type=int, default=100)
    get.add_argument("study", nargs="?", metavar="STUDY_UID")
    get.add_argument("series", nargs="*", metavar="SERIES_UID", help="all if none is given")
    get.add_argument("--priors", metavar="PATIENT_ID", help="all of this patient's other studies")
    get.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    made["send"].add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    receive = jobs.add_parser("receive", help="receive until Ctrl+C; a line for every image")
    receive.add_argument("--out", type=Path, metavar="FOLDER")


def run_pacs_command(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    """Run one of them; what goes wrong is raised with a sentence."""
    _JOBS[given.job](given, settings, cancelled)


def _echo(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    source = _source(given, settings)
    _say(f"{source.shown} answered in {1000 * source.echo(cancelled):.0f} ms.")


def _find(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    from workstation.io.pacs.query import Query

    values = {field: getattr(given, field) for field in _FIELDS.values()}
    query = Query(given.level, date_from=given.date_from, date_to=given.date_to, **values)
    source = _source(given, settings)
    found = source.find(
        query, cancelled, limit=given.limit, told=lambda answer: _say(_line(answer))
    )
    if found.limited:
        _warn(f"There are more than {given.limit}; narrow the search.")


def _line(answer: Answer) -> str:
    own = answer.sop_uid or answer.series_uid or answer.study_uid
    parts = (
        own, answer.patient_id, answer.patient_name, answer.birth_date, answer.study_date,
        answer.accession_number, answer.modality, answer.number, answer.description,
        "" if answer.instance_count is None else str(answer.instance_count),
    )  # fmt: skip
    return "\t".join(parts)


def _get(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    from workstation.io.pacs.priors import retrieve_priors
    from workstation.io.pacs.retrieval import SeriesKey

    if (given.study is None) == (given.priors is None):
        raise InputError("Give either a STUDY_UID or --priors PATIENT_ID.")
    source = _source(given, settings)
    if given.priors is not None:
        _tell(retrieve_priors(source, given.priors, given.out, cancelled, told=_progress))
        return
    keys = tuple(SeriesKey(given.study, one) for one in given.series)
    keys = keys or source.series_of(given.study, cancelled)
    if not keys:
        raise NetworkError(f"The peer {source.shown} has no such study.")
    _tell(source.retrieve(keys, given.out, cancelled, _progress))


def _progress(progress: Progress) -> None:
    if progress.arrived % 50 == 0 or progress.arrived == progress.reported:
        _warn(f"{progress.arrived} of {progress.reported or '?'} images")


def _tell(retrievals: tuple[Retrieval, ...]) -> None:
    for one in retrievals:
        state = "complete" if one.complete else "INCOMPLETE"
        reported = "?" if one.reported is None else one.reported
        _say(f"{state}\t{len(one.arrived)} of {reported}\t{one.folder}")
    unfinished = [one for one in retrievals if not one.complete]
    if unfinished:
        why = next((one.fault for one in unfinished if one.fault), "")
        raise NetworkError(
            f"{len(unfinished)} of {len(retrievals)} series stayed incomplete; the same command "
            f"asks for what is missing. {why}".strip()
        )


def _send(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    paths = [file for path in given.paths for file in _files(path)]
    source = _source(given, settings)
    sent = source.send(paths, cancelled, books=settings.data_folder / "sending")
    for one in sent.refused:
        _warn(f"not sent {one.path}: {one.reason}")
    if sent.earlier:
        _say(f"{len(sent.earlier)} files had been sent before the last attempt broke off.")
    _say(f"{len(sent.taken)} of {len(paths)} files sent to {source.shown}.")
    if sent.refused:
        raise NetworkError(f"{len(sent.refused)} files were not sent.")


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    if not path.is_dir():
        return [path]
    files = (one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
    return sorted(files)


def _receive(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    folder = given.out or settings.data_folder / "received"
    with receiver(settings, folder, told=_warn, stored=_say_stored) as running:
        _say(f"Receiving as {settings.pacs_ae_title} at {settings.pacs_host}:{running.port}.")
        while not cancelled.wait(0.5):
            if not running.alive:
                raise NetworkError("The receiver stopped unexpectedly.")


def _say_stored(stored: Stored) -> None:
    _say(str(stored.path))


def _login(given: argparse.Namespace, settings: Settings, _cancelled: Event) -> None:
    from workstation.io.dicomweb.login import keep_secret

    peer = find_web_peer(settings, given.peer)
    keep_secret(peer, _asked(peer))
    _say(f"The keyring keeps it for {peer.shown}.")


def _logout(given: argparse.Namespace, settings: Settings, _cancelled: Event) -> None:
    from workstation.io.dicomweb.login import forget_secret

    peer = find_web_peer(settings, given.peer)
    _say("The keyring forgot it." if forget_secret(peer) else "The keyring had nothing for it.")


def _secret(peer: WebPeer) -> str:
    """Look where the secret is kept, else ask at the terminal."""
    from workstation.io.dicomweb.login import NO_KEYRING, has_keyring, known_secret, variable

    if peer.login == "none":
        return ""
    if known := known_secret(peer):
        return known
    if not has_keyring():
        _warn(f"{NO_KEYRING}; {variable(peer)} in the environment is read as well.")
    return _asked(peer)


def _asked(peer: WebPeer) -> str:
    if not sys.stdin.isatty():
        from workstation.io.dicomweb.login import variable

        raise InputError(
            f"The login of '{peer.name}' is not known, and there is no terminal to ask at. "
            f"The variable {variable(peer)} can hold it."
        )
    what = f"Password of {peer.user}" if peer.login == "basic" else "Token"
    return getpass(f"{what} for {peer.shown}: ")


def _source(given: argparse.Namespace, settings: Settings) -> Source:
    folder = getattr(given, "out", None) or settings.data_folder
    # Asked for once in a command, however many requests it makes.
    found = find_source(settings, given.peer, cache(_secret), folder / "receiving", _warn)
    for one in settings.dicomweb_peers:
        if one.name == given.peer and not one.verify:
            _warn(f"The certificate of '{one.name}' is not verified.")
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _warn(line: str) -> None:
    sys.stderr.write(f"{line}\n")


_JOBS: dict[str, Callable[[argparse.Namespace, Settings, Event], None]] = {
    "echo": _echo,
    "find": _find,
    "get": _get,
    "send": _send,
    "receive": _receive,
    "login": _login,
    "logout": _logout,
}
