"""The settings file is changed without losing what else stands in it, and checked by field."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from workstation.core.errors import ConflictError, StorageError
from workstation.peer_checks import name_faults, node_faults, own_faults, web_faults
from workstation.settings import Settings
from workstation.settings_file import change_settings_file, read_settings_file

NODE = {"name": "hall", "ae_title": "PACS", "host": "h", "port": "104"}
OWN = {
    "pacs_ae_title": "US", "pacs_host": "0.0.0.0", "pacs_port": "11112", "pacs_allowed": [],
    "pacs_tls": False, "pacs_certificate": "", "pacs_key": "", "pacs_authority": "",
}  # fmt: skip
BY_HAND = """# by hand
author = "Dr. X"  # me
pacs_peers = [{name = "old", ae_title = "O", host = "h", port = 1}]
decode_workers = 3

[[dicomweb_peers]]
name = "w"  # the web
# a remark
url = "https://x"
user = "gone"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.toml"


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_file_that_is_not_there_is_made(path: Path) -> None:
    new = change_settings_file(read_settings_file(path), {"pacs_port": 5, "pacs_peers": [NODE]})
    assert tomllib.loads(path.read_text()) == new.values == {"pacs_port": 5, "pacs_peers": [NODE]}
    change_settings_file(new, {"pacs_port": None, "pacs_peers": None})
    assert path.read_text().strip() == ""


def test_comments_and_other_settings_stay(path: Path) -> None:
    file = read_settings_file(_written(path, BY_HAND))
    web = [{"name": "v", "url": "https://v"}, {"name": "w", "url": "https://y"}]
    changes = {"pacs_peers": [NODE], "pacs_port": 11113, "dicomweb_peers": web}
    change_settings_file(file, changes)
    assert tomllib.loads(path.read_text()) == {
        "author": "Dr. X", "decode_workers": 3, **changes,
    }  # fmt: skip
    for kept in ('# by hand\nauthor = "Dr. X"  # me\n', 'name = "w"  # the web\n# a remark\n'):
        assert kept in path.read_text()
    assert [one.name for one in path.parent.iterdir()] == ["settings.toml"]


def test_what_cannot_be_understood_or_was_changed_meanwhile_is_left(path: Path) -> None:
    _written(path, "a = [")
    with pytest.raises(StorageError, match="cannot be understood"):
        read_settings_file(path)
    path.write_text("author = 'A'\n")
    file = read_settings_file(path)
    path.write_text("author = 'B'\n")
    with pytest.raises(ConflictError, match="changed meanwhile"):
        change_settings_file(file, {"author": "C"})
    assert path.read_text() == "author = 'B'\n"
    path.unlink()
    with pytest.raises(ConflictError):
        change_settings_file(file, {"author": "C"})
    path.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        read_settings_file(path)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"ae_title": "A" * 17}, "ae_title"), ({"ae_title": ""}, "ae_title"),
        ({"ae_title": "BACK\\SLASH"}, "ae_title"), ({"ae_title": "ÄRZTE"}, "ae_title"),
        ({"host": ""}, "host"), ({"host": "a b"}, "host"), ({"port": "0"}, "port"),
        ({"port": "65536"}, "port"), ({"port": "x"}, "port"), ({"port": ""}, "port"),
        ({"associations": "17"}, "associations"), ({"charset": "utf8"}, "charset"),
    ],
)  # fmt: skip
def test_a_node_is_checked_by_field(wrong: dict[str, str], field: str) -> None:
    assert node_faults(NODE) == {}
    assert list(node_faults({**NODE, **wrong})) == [field]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "ftp://x"}, "url"), ({"url": "https://u:p@x"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://x?q=1"}, "url"), ({"url": "http://x", "login": "token"}, "url"),
        ({"url": "https://[x"}, "url"), ({"login": "basic"}, "user"), ({"name": ""}, "name"),
        ({"connections": "0"}, "connections"),
    ],
)  # fmt: skip
def test_a_service_is_checked_by_field(wrong: dict[str, str], field: str) -> None:
    good = {"name": "w", "url": "https://x/dicom-web"}
    assert web_faults(good, Settings()) == {}
    assert list(web_faults({**good, **wrong}, Settings())) == [field]


def test_names_are_there_once() -> None:
    assert name_faults(["a", "b", "a ", ""]) == [
        {"name": "Another peer has this name."}, {}, {"name": "Another peer has this name."}, {},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"pacs_ae_title": "A B"}, ["pacs_ae_title"]), ({"pacs_port": "99999"}, ["pacs_port"]),
        ({"pacs_port": "٣"}, ["pacs_port"]), ({"pacs_host": ""}, ["pacs_host"]),
        ({"pacs_allowed": ["A", "B@"]}, ["pacs_allowed"]),
        ({"pacs_key": "/no/such.pem"}, ["pacs_key"]),
        ({"pacs_tls": True}, ["pacs_certificate", "pacs_authority"]),
        ({"pacs_certificate": __file__}, ["pacs_certificate"]),
        ({"pacs_authority": __file__}, ["pacs_authority"]),
    ],
)  # fmt: skip
def test_the_receiver_is_checked_by_field(wrong: dict[str, object], fields: list[str]) -> None:
    assert own_faults({**OWN, "pacs_allowed": ["A", "B@10.0.0.1"]}) == {}
    assert list(own_faults({**OWN, **wrong})) == fields
