"""kill -9 at random moments of an import and of saving: opened again, nothing is half there."""

from __future__ import annotations

import json

from tests.archive.series_files import child
from workstation.archive import checking, studies
from workstation.archive.archive import open_archive
from workstation.archive.report_archive import ReportArchive
from workstation.archive.worklist import WorklistQuery, search

_ROUNDS = 10

# One process forks the rounds' children, so that Python starts once and not ten times.
_LOOP = """
import json, os, random, signal, sys, time
from itertools import count
from pathlib import Path
from tests.archive.series_files import a_series, typed, write_files
from workstation.archive.archive import open_archive
from workstation.archive.checking import check
from workstation.archive.intake import add_series
from workstation.archive.report_archive import ReportArchive

where, folder, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
address = where if "://" in where else Path(where)
SERIES = 25

def work_import(tell):
    archive = open_archive(address, folder / "files", "Dr. Test")
    for number in count():
        key = f"{os.getpid()}-{number}"
        paths = write_files(folder / "in" / key, *(f"{key} {n}" * 2000 for n in range(SERIES)))
        add_series(archive, a_series(paths, key, uid=f"1.{number}", study_uid=""))
        tell(key)

def work_save(tell):
    archive = ReportArchive(address)
    for number in count(len(archive.versions("s")) + 1):
        archive.write_journal("s", typed(f"Version {number}." * 200))
        archive.save("s", typed(f"Version {number}." * 200), "A")
        tell(number)

work = {"import": work_import, "save": work_save}[sys.argv[4]]
random.seed(sys.argv[4])
done = []
for _ in range(rounds):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        work(lambda what: os.write(writing, f"{json.dumps(what)}\\n".encode()))
    os.close(writing)
    with os.fdopen(reading) as told:
        first = told.readline()
        time.sleep(random.uniform(0.0, 0.25))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        done += [json.loads(line) for line in (first + told.read()).splitlines()]
    archive = open_archive(address, folder / "files")
    sound = check(archive)
    assert not sound.faults, sound.faults
    archive.close()
print(json.dumps(done))
"""


def _killed(address, folder, work):
    """What the killed children were told is done, over all rounds."""
    return json.loads(child(_LOOP, address, folder, _ROUNDS, work))


def test_an_import_that_is_killed_leaves_whole_series(address, tmp_path):
    done = _killed(address, tmp_path, "import")
    archive = open_archive(address, tmp_path / "files")
    rows = search(archive.database, WorklistQuery(limit=10_000)).rows
    assert {row.study_key for row in rows} >= set(done)
    assert len(done) >= _ROUNDS
    assert len(rows) <= len(done) + _ROUNDS, "at most one more in each round"
    for row in rows:
        assert row.file_count == 25
        (series,) = studies.series_of(archive, row.id)
        assert len({path.read_text()[:40] for path in series.files}) == 25
    sound = checking.check(archive)
    assert sound.faults == ()
    assert sound.orphans <= 25 * _ROUNDS
    archive.close()


def test_saving_that_is_killed_leaves_whole_versions(address, tmp_path):
    done = _killed(address, tmp_path, "save")
    archive = ReportArchive(address)
    versions = archive.versions("s")
    assert [one.number for one in versions] == list(range(1, len(versions) + 1))
    assert [one.report.text for one in versions] == [
        f"Version {number}." * 200 for number in range(1, len(versions) + 1)
    ]
    assert len(versions) >= max(done), "what was told to be saved is there"
    typed = archive.recover("s")
    assert typed is None or typed.text == f"Version {len(versions) + 1}." * 200
    archive.close()
