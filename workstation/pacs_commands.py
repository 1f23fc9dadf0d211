"""``tomoscribe pacs``: ask DICOM nodes, retrieve from them, send to them, receive from them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from workstation.core.errors import InputError, NetworkError
from workstation.settings import PacsPeer, Settings

if TYPE_CHECKING:
    from workstation.io.pacs.peer import Local, Peer, Tls
    from workstation.io.pacs.query import Answer
    from workstation.io.pacs.receiver import Receiver
    from workstation.io.pacs.retrieve import Progress, Retrieval

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
        "get": "retrieve a study, a series, or a patient's priors", "send": "send files",
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
    from workstation.io.pacs.find import echo

    peer = find_peer(settings, given.peer)
    _say(f"{peer.shown} answered in {1000 * echo(_local(settings), peer, cancelled):.0f} ms.")


def _find(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    from workstation.io.pacs.find import find
    from workstation.io.pacs.query import Query

    values = {field: getattr(given, field) for field in _FIELDS.values()}
    query = Query(given.level, date_from=given.date_from, date_to=given.date_to, **values)
    peer = find_peer(settings, given.peer)
    found = find(
        _local(settings),
        peer,
        query,
        cancelled,
        limit=given.limit,
        told=lambda answer: _say(_line(answer)),
    )
    if found.limited:
        sys.stderr.write(f"There are more than {given.limit}; narrow the search.\n")


def _line(answer: Answer) -> str:
    own = answer.sop_uid or answer.series_uid or answer.study_uid
    parts = (
        own, answer.patient_id, answer.patient_name, answer.birth_date, answer.study_date,
        answer.accession_number, answer.modality, answer.number, answer.description,
        "" if answer.instance_count is None else str(answer.instance_count),
    )  # fmt: skip
    return "\t".join(parts)


def _get(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    if (given.study is None) == (given.priors is None):
        raise InputError("Give either a STUDY_UID or --priors PATIENT_ID.")
    peer = find_peer(settings, given.peer)
    if peer.retrieve == "get":
        _tell(_retrieve(given, settings, peer, cancelled, None))
        return
    with _receiver(settings, given.out / "receiving", peer) as receiver:
        _tell(_retrieve(given, settings, peer, cancelled, receiver))


def _retrieve(
    given: argparse.Namespace, settings: Settings, peer: Peer, cancelled: Event,
    receiver: Receiver | None,
) -> tuple[Retrieval, ...]:  # fmt: skip
    from workstation.io.pacs.priors import retrieve_priors
    from workstation.io.pacs.retrieve import SeriesKey, retrieve, series_of

    local = _local(settings)
    if given.priors is not None:
        return retrieve_priors(
            local, peer, given.priors, given.out, cancelled, told=_progress, receiver=receiver
        )
    keys = tuple(SeriesKey(given.study, one) for one in given.series)
    keys = keys or series_of(local, peer, given.study, cancelled)
    if not keys:
        raise NetworkError(f"The peer {peer.shown} has no such study.")
    return retrieve(local, peer, keys, given.out, cancelled, told=_progress, receiver=receiver)


def _progress(progress: Progress) -> None:
    if progress.arrived % 50 == 0 or progress.arrived == progress.reported:
        sys.stderr.write(f"{progress.arrived} of {progress.reported or '?'} images\n")


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
    from workstation.io.pacs.send import send

    paths = [file for path in given.paths for file in _files(path)]
    peer = find_peer(settings, given.peer)
    sent = send(_local(settings), peer, paths, cancelled)
    for one in sent.refused:
        sys.stderr.write(f"not sent {one.path}: {one.reason}\n")
    _say(f"{len(sent.taken)} of {len(paths)} files sent to {peer.shown}.")
    if sent.refused:
        raise NetworkError(f"{len(sent.refused)} files were not sent.")


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _receive(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    with _receiver(settings, given.out or settings.data_folder / "received") as receiver:
        _say(f"Receiving as {settings.pacs_ae_title} at {settings.pacs_host}:{receiver.port}.")
        while not cancelled.wait(0.5):
            if not receiver.alive:
                raise NetworkError("The receiver stopped unexpectedly.")


def _receiver(settings: Settings, folder: Path, *more: Peer) -> Receiver:
    from workstation.io.pacs.receiver import Receiver, ReceiverOptions

    titles = [one.ae_title for one in settings.pacs_peers] + [one.ae_title for one in more]
    listed = [one.partition("@") for one in settings.pacs_allowed]
    options = ReceiverOptions(
        folder,
        settings.pacs_ae_title,
        settings.pacs_host,
        settings.pacs_port,
        (*((one, "") for one in dict.fromkeys(titles)), *((one, at) for one, _, at in listed)),
        tls=_tls(settings) if settings.pacs_tls else None,
    )
    return Receiver(
        options,
        lambda stored: _say(str(stored.path)),
        _warn,
    )


def find_peer(settings: Settings, name: str) -> Peer:
    """Find a peer by its name in the settings, or read AE@HOST:PORT.

    Raises
    ------
    InputError
        Where there is none.
    """
    for one in settings.pacs_peers:
        if one.name == name:
            return _peer(settings, one)
    title, _, place = name.partition("@")
    host, _, port = place.rpartition(":")
    if host and port.isdecimal():
        return _peer(settings, PacsPeer.model_construct(
            name=name, ae_title=title, host=host, port=int(port)
        ))  # fmt: skip
    known = ", ".join(one.name for one in settings.pacs_peers) or "none"
    raise InputError(f"No peer is named '{name}' (known: {known}). AE@HOST:PORT works as well.")


def _peer(settings: Settings, given: PacsPeer) -> Peer:
    from workstation.io.pacs.peer import Peer

    tls = _tls(settings, given.tls_host) if given.tls else None
    values = given.model_dump(exclude={"tls", "tls_host"})
    return Peer(**values, tls=tls)


def _tls(settings: Settings, host: str = "") -> Tls:
    from workstation.io.pacs.peer import Tls

    return Tls(settings.pacs_authority, settings.pacs_certificate, settings.pacs_key, host)


def _local(settings: Settings) -> Local:
    from workstation.io.pacs.peer import Local

    return Local(settings.pacs_ae_title)


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
}
