"""Settings never block the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_runtime.placement import Precision
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


def test_how_the_model_runs(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'model_host = "process"\nmodel_device = "cuda:1"\nmodel_precision = "int8"\n'
        "idle_unload_minutes = 0.5\n"
    )
    settings, complaints = load_settings(path)
    assert complaints == []
    assert (settings.model_host, settings.model_device) == ("process", "cuda:1")
    assert settings.model_precision is Precision.INT8
    assert settings.idle_unload_minutes == 0.5
    path.write_text(
        'model_host = "moon"\nmodel_device = "gpu"\nmodel_precision = "int3"\n'
        "idle_unload_minutes = -1\n"
    )
    settings, complaints = load_settings(path)
    assert len(complaints) >= 4
    assert (settings.model_host, settings.model_device) == ("thread", "auto")
    assert (settings.model_precision, settings.idle_unload_minutes) == ("auto", 0.0)


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


def test_where_the_archive_is(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    assert settings.archive_address == tmp_path / "reports.db"
    assert settings.archive_folder == tmp_path / "files"
    path = tmp_path / "settings.toml"
    path.write_text('archive_url = "postgresql://reader:Secret7@pacs/archive"\n')
    settings, complaints = load_settings(path)
    assert complaints == []
    assert settings.archive_address == "postgresql://reader:Secret7@pacs/archive"
    path.write_text('archive_url = "mysql://reader:Secret7@pacs/archive"\n')
    settings, complaints = load_settings(path)
    assert settings.archive_url == ""
    assert "archive_url" in complaints[0]
    assert "Secret7" not in complaints[0]
