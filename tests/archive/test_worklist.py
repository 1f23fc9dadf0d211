"""The worklist finds what was typed, the same on both databases, newest first."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive.series_files import a_series, write_files
from workstation.archive import search_words, studies, trash, worklist
from workstation.archive.archive import open_archive
from workstation.archive.intake import add_series
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.study import Patient

STUDIES = [
    ("Müller^Anna", "P-0012", "20260203", "A-77", "CT chest", "CT"),
    ("Muller^Bernd", "P-0013", "20260110", "A-78", "CT abdomen with contrast", "CT"),
    ("山田^太郎=やまだ^たろう", "JP 9", "20251224", "B/1", "MR Brain", "MR"),
    ("Иванов^Пётр", "RU-1", "", "", "Chest x-ray", "CR"),
    ("O'Neill-Smith^Mary Ann", "P-99", "20240229", "C 5", "PET/CT whole body", "PT"),
    ("", "", "20240229", "", "", ""),
]


def _fill(archive, folder):
    for number, (name, identity, date, accession, description, modality) in enumerate(STUDIES):
        new = a_series(
            write_files(folder / str(number), f"content {number}"), f"key {number}", copy=False,
            patient=Patient(name, identity, "", "", ""), date=date, accession=accession,
            study_description=description, modality=modality, uid=f"1.2.{number}",
            study_uid=f"1.3.{number}",
        )  # fmt: skip
        add_series(archive, new)


@pytest.fixture
def filled(kept, tmp_path):
    _fill(kept, tmp_path / "in")
    return kept


@pytest.fixture(params=[0, 1000], ids=["by day", "by words"])
def way(request, monkeypatch):
    """Both ways in which a search is done, whatever the number of hits."""
    monkeypatch.setattr(worklist, "_FEW", request.param)


def _found(archive, words="", **more):
    page = search(archive.database, WorklistQuery(words, **more))
    return [int(row.study_key[4:]) for row in page.rows]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", [0, 1, 2, 5, 4, 3]),
        ("mul", [0, 1]),
        ("MÜL", [0, 1]),
        ("muller a", [0, 1]),
        ("muller ann", [0]),
        ("anna muller", [0]),
        ("uller", []),
        ("p-0012", [0]),
        ("P0012", [0]),
        ("p-00", [0, 1]),
        ("a-7", [0, 1]),
        ("a77", [0]),
        ("2026-02", [0]),
        ("2026-0", [0, 1]),
        ("2026-02-03", [0]),
        ("2026-02-03 mul", [0]),
        ("20260203", [0]),
        ("山", [2]),
        ("たろ", [2]),
        ("петр", [3]),
        ("chest", [0, 3]),
        ("o'neill", [4]),
        ("smith mary", [4]),
        ("contrast abdomen", [1]),
        ("ct", [0, 1, 4]),
        ("nobody", []),
        ("---", [0, 1, 2, 5, 4, 3]),
        ('" OR 1=1 --', []),
        ("' | !a:* & (", [0, 1, 4]),
        ("mul*", [0, 1]),
        ("ct NOT chest", []),
    ],
)
def test_words_find_studies(filled, typed, found):
    assert _found(filled, typed) == found


@pytest.mark.usefixtures("way")
def test_filters(filled):
    assert _found(filled, modality="CT") == [0, 1]
    assert _found(filled, modality="ct", words="chest") == [0]
    assert _found(filled, modality="C") == []
    assert _found(filled, first_day="2026-01-10") == [0, 1]
    assert _found(filled, first_day="2024-01-01", last_day="2024-12-31") == [5, 4]
    assert _found(filled, last_day="2026-01-09") == [2, 5, 4]
    row = search(filled.database, WorklistQuery("anna muller")).rows[0]
    studies.set_status(filled, row.id, row.version, "signed")
    assert _found(filled, status="signed") == [0]
    assert _found(filled, status="unread", words="mul") == [1]
    assert _found(filled, status="drafted") == []


@pytest.mark.usefixtures("way")
def test_pages_follow_each_other(filled):
    for words in ("", "ct", "p"):
        everything, after, paged = _found(filled, words), None, []
        for _ in range(10):
            query = WorklistQuery(words, after=after, limit=2)
            page = search(filled.database, query)
            paged += [int(row.study_key[4:]) for row in page.rows]
            after = page.next
            if after is None:
                break
        assert paged == everything


def test_the_deleted_are_listed_apart(filled):
    row = search(filled.database, WorklistQuery("anna")).rows[0]
    trash.delete(filled, row.id, row.version)
    assert _found(filled, "mul") == [1]
    assert _found(filled, "mul", deleted=True) == [0]


def _naive(archive, typed):
    """Every study of which some word begins with each word typed."""
    rows = search(archive.database, WorklistQuery(limit=1000)).rows
    found = []
    for row in rows:
        texts = (row.name, row.identity, row.accession, row.description, row.modalities, row.date)
        words = [word for text in texts for word in search_words.split(text)]
        words += ["".join(search_words.split(text)) for text in texts]
        wanted = search_words.split(typed)
        if all(any(word.startswith(one) for word in words) for one in wanted):
            found.append(row.id)
    return found


@pytest.fixture(scope="module")
def on_both(tmp_path_factory, cluster):
    folder = tmp_path_factory.mktemp("both")
    archives = [open_archive(folder / "a.db", folder / "f"),
                open_archive(cluster.new_database(), folder / "f")]  # fmt: skip
    for archive in archives:
        _fill(archive, folder / "in")
    yield archives
    for archive in archives:
        archive.close()


ALPHABET = "aAmMuüÜlcCtp0127-^' 山たИ*\"\\:&|!()\0%_é"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(st.text(ALPHABET, max_size=6), st.text(max_size=4)))
def test_any_typing_finds_the_same_everywhere(on_both, typed):
    sqlite, postgresql = on_both
    found = [row.id for row in search(sqlite.database, WorklistQuery(typed)).rows]
    assert found == [row.id for row in search(postgresql.database, WorklistQuery(typed)).rows]
    compact = "".join(search_words.split(typed))
    if len(search_words.split(typed)) <= 1 and compact:
        assert set(found) <= set(_naive(sqlite, typed))


def test_a_study_is_found_by_its_new_words_after_more_series(filled, tmp_path):
    new = a_series(write_files(tmp_path / "more", "pet"), "key 0", modality="PT", uid="1.2.77",
                   patient=Patient("Müller^Anna", "P-0012", "", "", ""))  # fmt: skip
    add_series(filled, new)
    row = search(filled.database, WorklistQuery("anna pt")).rows[0]
    assert (row.modalities, row.series_count, row.file_count) == ("CT PT", 2, 2)
    assert _found(filled, modality="PT") == [0, 4]
