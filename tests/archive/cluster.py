"""A real PostgreSQL of the tests' own: made, started and ended by them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = str(found[-1]) if found else shutil.which(name)
    assert program, f"PostgreSQL's {name} is missing: apt-get install postgresql"
    return program


class Cluster:
    """A server on a socket in a temporary folder; as root it runs as the user postgres."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        data = str(self.folder / "data")
        self._run(_program("initdb"), "-D", data, "-A", "trust", "-U", "tester", "-E", "UTF8",
                  "--locale=C", "--no-sync")  # fmt: skip
        options = [f"unix_socket_directories={self.folder}", "listen_addresses=", "fsync=off"]
        command = [_program("postgres"), "-D", data]
        command += [part for option in options for part in ("-c", option)]
        with (self.folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                command, user=self._user, group=self._user, extra_groups=self._groups(),
                stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        self._wait()

    def address(self, database: str, user: str = "tester") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Make an empty database; its address."""
        name = f"archive_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.address(name)

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            connection.execute(statement)

    def close(self) -> None:
        self._server.send_signal(signal.SIGQUIT)  # at once; nothing here is kept
        self._server.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _groups(self) -> list[str] | None:
        return [] if self._user else None

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, user=self._user, group=self._user, extra_groups=self._groups(),
            capture_output=True, text=True, cwd=self.folder, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert self._server.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end, "PostgreSQL does not start"
                time.sleep(0.05)
            else:
                return
