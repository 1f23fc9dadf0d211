"""Fixtures that every part's tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.screen import Screen

ROOT = Path(__file__).resolve().parents[1]
_SCREEN = pytest.StashKey[Screen]()


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several workers a virtual screen, where there is a screen at all."""
    shows = config.pluginmanager.has_plugin("pytest-qt") and "DISPLAY" in os.environ
    if shows and hasattr(config, "workerinput") and shutil.which("Xvfb"):
        config.stash[_SCREEN] = Screen()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_unconfigure(config: pytest.Config) -> None:
    screen = config.stash.get(_SCREEN, None)
    if screen is not None:
        screen.close()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files that lie beside the checkout on the project's own machines."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data with real scans is not on this machine")
    return folder
