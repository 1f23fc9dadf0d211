"""The reading process: parses and decodes untrusted files, apart from the window.

Started by :class:`workstation.io.pool.WorkerPool` as ``python -m workstation.io.worker``;
takes requests on standard input and answers on standard output, one answer per item; those of
quick items travel together. It ends when its input ends, so it cannot outlive the program.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from workstation.core.errors import TomoscribeError
from workstation.io.channel import Message, receive, send

_JOBS = {
    "headers": ("workstation.io.file_facts", "read_headers"),
    "decode": ("workstation.io.pixels", "decode_into_block"),
    "deidentify": ("workstation.io.deidentify.job", "deidentify_file"),
    "thumbnail": ("workstation.io.thumbnail", "thumbnail_of"),
    "volume_header": ("workstation.io.volume_file", "read_information"),
    "volume_thumbnail": ("workstation.io.volume_file", "thumbnail_of"),
    "volume_decode": ("workstation.io.volume_file", "decode_into_block"),
}


_SECONDS_TOGETHER = 0.02


def _job(kind: str) -> Callable[[Message], Message]:
    module, name = _JOBS[kind]
    function: Callable[[Message], Message] = getattr(importlib.import_module(module), name)
    return function


def _limit_memory(extra: int) -> None:
    """Allow ``extra`` bytes of address space beyond what the process has now."""
    try:
        import resource
    except ImportError:
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + extra
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _set_alarm(seconds: float) -> None:
    """Let the kernel end this process if an item hangs and nobody is left to end it."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(job: Callable[[Message], Message], item: Message) -> Message:
    """Do one item; every fault of a file becomes a sentence."""
    try:
        return {"value": job(item)}
    except TomoscribeError as error:
        return {"refused": error.message, "details": error.details}
    except RecursionError:
        return {"refused": "its sequences are nested too deeply"}
    except MemoryError:
        return {"refused": "it needs more memory than a single file may take"}
    # The process's border: parsers raise anything on hostile bytes, and a fault of one file must
    # not end the others' reading. It is answered by its kind; its words may hold a patient's name.
    except Exception as error:  # noqa: BLE001
        return {"refused": "it could not be decoded", "details": type(error).__name__}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the stream ends."""
    send(answers, {"ready": os.getpid()})
    while (request := receive(requests)) is not None:
        job = _job(request["kind"])
        _limit_memory(request["memory"])
        together: list[Message] = []
        since = time.monotonic()
        for item in request["items"]:
            _set_alarm(request["timeout"] + 5.0)
            together.append(_answer(job, item))
            if time.monotonic() - since > _SECONDS_TOGETHER:
                send(answers, {"answers": together})
                together, since = [], time.monotonic()
        _set_alarm(0.0)
        if together:
            send(answers, {"answers": together})


def main() -> None:
    """Run the process's loop on its standard streams."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a codec prints must not mix with the answers
    _job("headers")
    _job("decode")
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
