"""``tomoscribe deidentify``: images without what tells whose they are."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections import Counter
from pathlib import Path
from threading import Event
from typing import Any

from workstation.core.errors import CancelledError, InputError
from workstation.io.deidentify.folder import deidentify
from workstation.io.deidentify.options import Options
from workstation.io.pool import WorkerPool


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add ``deidentify`` to the program's commands."""
    job = commands.add_parser("deidentify", help="write images without the patient's identity")
    job.add_argument("input", metavar="IN", type=Path, help="a file, folder or ZIP")
    job.add_argument("out", metavar="OUT", type=Path, help="a new folder")
    job.add_argument(
        "--keep-dates-shifted", action="store_true",
        help="keep dates, all of a patient moved by the same number of days",
    )  # fmt: skip
    job.add_argument(
        "--keep-characteristics", action="store_true", help="keep age, sex, size and weight"
    )
    job.add_argument(
        "--secret-file", type=Path, metavar="FILE",
        help="the same secret gives the same new identifiers in every run; keep it to yourself",
    )  # fmt: skip


def run_deidentify(given: argparse.Namespace, pool: WorkerPool, cancelled: Event) -> None:
    """De-identify, print what was written, and tell what was set apart and why.

    Raises
    ------
    InputError
        Where nothing could be written.
    """
    options = Options(given.keep_dates_shifted, given.keep_characteristics)
    secret = _secret(given.secret_file)
    written, apart = 0, 0
    remarks: Counter[str] = Counter()
    source, out = [given.input], given.out
    for one in deidentify(source, out, options, secret=secret, cancelled=cancelled, pool=pool):
        if one.written is None:
            apart += 1
            sys.stderr.write(f"set apart {one.path}: {one.reason}\n")
            continue
        written += 1
        remarks.update(one.remarks)
        sys.stdout.write(f"{one.written}\n")
    if cancelled.is_set():
        raise CancelledError("Cancelled.")
    for remark, count in remarks.items():
        sys.stderr.write(f"warning: {count} of {written} files: {remark}\n")
    sys.stderr.write(f"{written} files written, {apart} set apart and not written.\n")
    if not written:
        raise InputError(f"Nothing in {given.input} could be de-identified.")


def _secret(path: Path | None) -> bytes:
    if path is None:
        return secrets.token_bytes(32)
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"The secret in {path} cannot be read: {error.strerror}.") from None
