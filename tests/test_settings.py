"""Settings never block the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from workstation.settings import Settings, load_settings


def test_defaults_without_a_file(tmp_path: Path) -> None:
    settings, complaints = load_settings(tmp_path / "none.toml")
    assert complaints == []
    assert settings.decode_workers == 2


def test_a_wrong_value_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('decode_workers = "many"\nauthor = "Dr. A"\nnonsense = 1\n')
    settings, complaints = load_settings(path)
    assert settings.decode_workers == 2
    assert settings.author == "Dr. A"
    assert len(complaints) == 2
    assert any("nonsense" in sentence for sentence in complaints)


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("= broken")
    settings, complaints = load_settings(path)
    assert isinstance(settings, Settings)
    assert str(path) in complaints[0]


def test_the_environment_wins_and_a_wrong_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOMOSCRIBE_DATA_FOLDER", str(tmp_path))
    assert load_settings(tmp_path / "none.toml")[0].data_folder == tmp_path
    monkeypatch.setenv("TOMOSCRIBE_DECODE_WORKERS", "0")
    settings, complaints = load_settings(tmp_path / "none.toml")
    assert settings.decode_workers == 2
    assert complaints
