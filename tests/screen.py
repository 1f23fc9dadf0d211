"""A virtual screen for each of pytest-xdist's workers.

Windows of two processes on one screen take the keyboard's focus from each other.
"""

from __future__ import annotations

import os
import shutil
import subprocess

SIZE = "1920x1080x24"


class Screen:
    """An X server of this process's own, which ends with it; ``DISPLAY`` points to it."""

    def __init__(self) -> None:
        read, write = os.pipe()
        # The kernel ends the server if this process is killed.
        bound = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        number = ["-displayfd", str(write)]
        self._server = subprocess.Popen(
            [*bound, "Xvfb", *number, "-screen", "0", SIZE, "-nolisten", "tcp", "-noreset"],
            pass_fds=(write,), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as told:
            display = told.readline().strip()
        if not display:
            raise RuntimeError("Xvfb did not start")
        os.environ["DISPLAY"] = f":{display}"
        os.environ.pop("XAUTHORITY", None)

    def close(self) -> None:
        self._server.terminate()
        self._server.wait(10)
