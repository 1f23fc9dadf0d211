"""What a PACS sends, whole or in part, into the archive."""

from __future__ import annotations

import threading

import pytest

from workstation.archive import studies, worklist
from workstation.archive.archive import open_archive
from workstation.archive.worklist import WorklistQuery
from workstation.io.pacs import find as finding
from workstation.io.pacs import retrieve as retrieving
from workstation.io.pacs.source import DimseSource
from workstation.retrieving import Kept, Partly, bring_study
from workstation.settings import Settings


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(data_folder=tmp_path / "data")


@pytest.fixture
def brought(local, settings, pool):
    """Retrieve a study into the archive; gives the last step."""

    def bring(peer, uid: str) -> Kept | Partly:
        steps = bring_study(
            DimseSource(local, peer), uid, None, settings=settings, pool=pool,
            cancelled=threading.Event(),
        )  # fmt: skip
        *_, last = steps
        return last

    return bring


def _row(settings: Settings) -> tuple[int, int, int]:
    """Files, missing images and series of the only study."""
    archive = open_archive(settings.archive_address, settings.archive_folder)
    (row,) = worklist.search(archive.database, WorklistQuery()).rows
    files = sum(len(one.files) for one in studies.series_of(archive, row.id))
    archive.close()
    assert files == row.file_count
    return row.file_count, row.missing, row.series_count


def test_a_pacs_that_lost_images_leaves_a_part_that_fills_up(
    own_dcmqrscp, studies, settings, brought
):
    """Of 30 images two are gone from its disk, though it lists them; then they come back."""
    study = studies["chest"]
    stored = sorted((own_dcmqrscp.folder / "QR").glob("CT*"), key=lambda one: one.name)
    hidden = [path.rename(path.with_name(f"away-{path.name}")) for path in stored[:2]]
    last = brought(own_dcmqrscp.peer, study.uid)
    assert isinstance(last, Partly)
    assert (last.arrived, last.reported) == (28, 30)
    assert "2 images are missing" in last.fault
    assert _row(settings) == (28, 2, 1)
    assert len(list((settings.data_folder / "retrieved").rglob(".incomplete"))) == 1
    for path in hidden:
        path.rename(path.with_name(path.name.removeprefix("away-")))
    last = brought(own_dcmqrscp.peer, study.uid)
    assert isinstance(last, Kept)
    assert len(last.paths) == 30
    assert _row(settings) == (30, 0, 1)
    again = brought(own_dcmqrscp.peer, study.uid)
    assert isinstance(again, Kept)
    assert len(again.paths) == 30, "what was known already can be opened, too"


def test_a_series_that_did_not_come_at_all_is_awaited(
    orthanc, studies, settings, brought, monkeypatch
):
    """Two series of three and two images; the link to the second one is down."""
    study = studies["prior"]
    lost = list(study.series)[1]
    get = retrieving.get

    def without(local, peer, basket, cancelled):
        if basket.part.series_uid == lost:
            raise retrieving.PeerRefusedError("The peer refuses.")
        return get(local, peer, basket, cancelled)

    with monkeypatch.context() as patch:
        patch.setattr(retrieving, "get", without)
        last = brought(orthanc.peer, study.uid)
    assert isinstance(last, Partly)
    assert _row(settings) == (3, 2, 2)
    assert isinstance(brought(orthanc.peer, study.uid), Kept)
    assert _row(settings) == (5, 0, 2)


def test_a_pacs_that_counts_more_than_it_lists_is_not_believed_to_be_whole(
    orthanc, studies, settings, brought, local, monkeypatch
):
    """Its series level says 30, but only 29 are listed below, as after a lost image."""
    study = studies["chest"]
    find = finding.find

    def one_less(*given, **more):
        found = find(*given, **more)
        listed = [one for one in found.answers if one.sop_uid]
        return finding.Found(tuple(listed[1:])) if listed else found

    with monkeypatch.context() as patch:
        patch.setattr(retrieving, "find", one_less)
        last = brought(orthanc.peer, study.uid)
    assert isinstance(last, Partly)
    assert last.fault == "The peer counts more images than it lists."
    assert _row(settings) == (29, 1, 1)
