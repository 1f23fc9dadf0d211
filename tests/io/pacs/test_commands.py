"""``tomoscribe pacs`` and its settings."""

from __future__ import annotations

import argparse

import pytest

from workstation import pacs_commands
from workstation.core.errors import InputError
from workstation.settings import PacsPeer, Settings, load_settings


@pytest.fixture
def run(never):
    def run(settings, *arguments):
        parser = argparse.ArgumentParser()
        pacs_commands.add_parser(parser.add_subparsers())
        given = parser.parse_args(["pacs", *map(str, arguments)])
        pacs_commands.run_pacs_command(given, settings, never)

    return run


def settings_for(peer, **more):
    one = PacsPeer(name="hall", ae_title=peer.ae_title, host=peer.host, port=peer.port, **more)
    return Settings(pacs_peers=[one])


def test_every_command(run, orthanc, studies, tmp_path, capsys):
    settings = settings_for(orthanc.peer)
    run(settings, "echo", "hall")
    assert "answered" in capsys.readouterr().out
    run(settings, "find", "hall", "--id", "P1", "--from", "2024-01-01")
    assert studies["chest"].uid in capsys.readouterr().out
    run(settings, "get", "hall", studies["prior"].uid, "--out", tmp_path)
    assert capsys.readouterr().out.count("complete\t") == 2
    run(settings, "get", "hall", "--priors", "P3", "--out", tmp_path)
    files = list(tmp_path.rglob("*.dcm"))
    assert len(files) == 6
    run(settings, "send", f"ORTHANC@127.0.0.1:{orthanc.peer.port}", tmp_path)
    assert "6 of 6" in capsys.readouterr().out


def test_get_by_move(run, dcmqrscp, studies, tmp_path, receive_port, capsys):
    settings = settings_for(dcmqrscp.peer, retrieve="move")
    settings.pacs_port = receive_port
    run(settings, "get", "hall", studies["prior"].uid, "--out", tmp_path)
    assert capsys.readouterr().out.count("complete\t") == 2


def test_an_unknown_peer_is_told(run):
    with pytest.raises(InputError, match="No peer is named 'nowhere'"):
        run(Settings(), "echo", "nowhere")


def test_peers_in_the_settings_file(tmp_path):
    path = tmp_path / "settings.toml"
    table = '[[pacs_peers]]\nname = "hall"\nae_title = "HALL"\nhost = "10.0.0.1"\nport = {}\n'
    path.write_text('pacs_ae_title = "US"\n' + table.format(104))
    settings, complaints = load_settings(path)
    assert complaints == []
    assert (settings.pacs_peers[0].name, settings.pacs_ae_title) == ("hall", "US")
    path.write_text(table.format(99999))
    settings, complaints = load_settings(path)
    assert settings.pacs_peers == []
    assert "pacs_peers" in complaints[0]
