"""Passwords: from the environment and a keyring, never anywhere else; ``tomoscribe pacs``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import PasswordDeleteError

from tests.io.pacs.conftest import PASSWORD, program
from workstation import pacs_commands
from workstation.core.errors import InputError, StorageError
from workstation.io.dicomweb import login
from workstation.io.dicomweb.peer import WebPeer
from workstation.settings import DicomwebPeer, Settings, load_settings

PEER = WebPeer("the hall", "https://pacs.example/web", "basic", "reader")


class MemoryKeyring(KeyringBackend):
    """A keyring to look into, made as the library wants it."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        if (service, username) not in self.kept:
            raise PasswordDeleteError
        del self.kept[service, username]


@pytest.fixture
def memory():
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    yield keyring.get_keyring()
    keyring.set_keyring(before)


@pytest.fixture
def no_keyring():
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield
    keyring.set_keyring(before)


KEEPING = """
import sys
from workstation.io.dicomweb import login
from workstation.io.dicomweb.peer import WebPeer

def peer(host):
    return WebPeer("the hall", f"https://{host}/web", "basic", "reader")

ours, other = peer("pacs.example"), peer("evil.example")
assert login.has_keyring()
assert login.known_secret(ours) == ""
login.keep_secret(ours, "secret")
assert login.known_secret(ours) == "secret"
assert login.known_secret(other) == ""
assert login.forget_secret(ours)
assert not login.forget_secret(ours)
assert login.known_secret(ours) == ""
print("kept")
"""


def test_the_systems_keyring_keeps_it_for_one_address(tmp_path, repository):
    """The Secret Service of a desktop session, as a session of its own."""
    script = tmp_path / "session.sh"
    script.write_text(
        f"printf 'unlock\\n' | {program('gnome-keyring-daemon')} --unlock --components=secrets\n"
        f'exec {sys.executable} -c "$KEEPING"\n'
    )
    done = subprocess.run(
        [program("dbus-run-session"), "--", "sh", str(script)],
        env=os.environ | {"HOME": str(tmp_path), "KEEPING": KEEPING},
        cwd=repository, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["kept"], done.stderr


def test_without_a_keyring_it_is_said_and_the_environment_is_read(no_keyring, monkeypatch):
    assert not login.has_keyring()
    assert login.known_secret(PEER) == ""
    with pytest.raises(StorageError, match=r"no keyring .* TOMOSCRIBE_SECRET_THE_HALL"):
        login.keep_secret(PEER, "secret")
    monkeypatch.setenv("TOMOSCRIBE_SECRET_THE_HALL", "from outside")
    assert login.known_secret(PEER) == "from outside"
    assert load_settings()[1] == []


def test_who_needs_no_login_is_given_none(memory):
    peer = WebPeer("open", "https://pacs.example/web")
    assert login.known_secret(peer) == ""
    with pytest.raises(InputError, match="to need no login"):
        login.keep_secret(peer, "secret")


def test_no_password_fits_into_the_settings(tmp_path):
    path = tmp_path / "settings.toml"
    table = '[[dicomweb_peers]]\nname = "hall"\nurl = "https://h/x"\nlogin = "token"\n'
    path.write_text(table)
    settings, complaints = load_settings(path)
    assert complaints == []
    assert settings.dicomweb_peers[0].login == "token"
    path.write_text(table + 'password = "secret"\n')
    settings, complaints = load_settings(path)
    assert settings.dicomweb_peers == []
    assert "dicomweb_peers" in complaints[0]


@pytest.fixture
def run(never):
    def run(settings, *arguments):
        parser = argparse.ArgumentParser()
        pacs_commands.add_parser(parser.add_subparsers())
        given = parser.parse_args(["pacs", *map(str, arguments)])
        pacs_commands.run_pacs_command(given, settings, never)

    return run


@pytest.fixture
def settings(web_orthanc, certificates, tmp_path):
    one = DicomwebPeer(name="hall", url=web_orthanc.url, login="basic", user="reader")
    return Settings(
        data_folder=tmp_path / "data",
        dicomweb_peers=[one],
        pacs_authority=certificates / "ours.pem",
    )


def test_every_command_with_dicomweb(run, settings, studies, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TOMOSCRIBE_SECRET_HALL", PASSWORD)
    run(settings, "echo", "hall")
    assert "answered" in capsys.readouterr().out
    run(settings, "find", "hall", "--id", "P1", "--from", "2024-01-01")
    assert studies["chest"].uid in capsys.readouterr().out
    run(settings, "get", "hall", studies["prior"].uid, "--out", tmp_path / "in")
    run(settings, "get", "hall", "--priors", "P3", "--out", tmp_path / "in")
    assert capsys.readouterr().out.count("complete\t") == 3
    assert len(list((tmp_path / "in").rglob("*.dcm"))) == 6
    run(settings, "send", "hall", tmp_path / "in")
    shown = capsys.readouterr()
    assert "6 of 6" in shown.out
    assert PASSWORD not in shown.out + shown.err


def test_login_and_logout(run, settings, memory, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(pacs_commands, "getpass", lambda _: PASSWORD)
    run(settings, "login", "hall")
    assert list(memory.kept.values()) == [PASSWORD]
    run(settings, "echo", "hall")
    assert "answered" in capsys.readouterr().out
    run(settings, "logout", "hall")
    assert memory.kept == {}
    assert not list(settings.data_folder.rglob("*"))


def test_where_nobody_can_be_asked(run, settings, no_keyring, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(InputError, match="TOMOSCRIBE_SECRET_HALL"):
        run(settings, "find", "hall")
    assert "no keyring" in capsys.readouterr().err
