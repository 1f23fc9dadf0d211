"""How long the worklist takes while a name is typed, among 100,000 studies.

``python -m tests.benchmarks.worklist`` prints a Markdown table: for every letter the median
and the 95th percentile, on SQLite and on PostgreSQL, beside a scan with ``LIKE '%word%'``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from tests.archive.cluster import Cluster
from workstation.archive import search_words
from workstation.archive.archive import Archive, open_archive
from workstation.archive.schema import patient, study
from workstation.archive.worklist import WorklistQuery, search

_SYLLABLES = (
    "an", "ber", "cor", "du", "el", "fra", "gi", "ho", "is", "ka", "lin", "mar", "no", "or",
    "pet", "ro", "schmi", "ta", "ul", "vo",
)  # fmt: skip
_DESCRIPTIONS = ("CT chest", "CT abdomen with contrast", "MR brain", "CT head", "PET/CT")
_TYPED = "schmian maro"
_SEARCHES = {"chest": "chest", "ct": "ct", "2024-03": "2024-03", "P-0012": "P-0012"}


def _name(source: random.Random) -> str:
    last = "".join(source.choices(_SYLLABLES, k=source.randint(2, 3)))
    first = "".join(source.choices(_SYLLABLES, k=2))
    return f"{last.title()}^{first.title()}"


def fill(archive: Archive, count: int) -> None:
    """Write that many studies straight into the tables, with their search words."""
    source = random.Random(7)
    with archive.database.transaction(writing=True) as connection:
        for start in range(0, count, 5000):
            numbers = range(start + 1, min(start + 5000, count) + 1)
            patients = [
                {"id": n, "patient_key": f"p{n}", "name": _name(source), "identity": f"P-{n:06}",
                 "birth_date": "1950-01-01", "sex": "F"} for n in numbers
            ]  # fmt: skip
            studies = [_study(source, n) for n in numbers]
            connection.execute(sa.insert(patient), patients)
            connection.execute(sa.insert(study), studies)
            for one in numbers:
                search_words.index_study(connection, one)
    with archive.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


def _study(source: random.Random, number: int) -> dict[str, object]:
    day = f"{source.randint(2015, 2026)}-{source.randint(1, 12):02}-{source.randint(1, 28):02}"
    description = source.choice(_DESCRIPTIONS)
    return {
        "id": number, "study_key": f"s{number}", "patient_id": number, "uid": f"1.2.{number}",
        "date": day, "accession": f"A{number:07}", "description": description,
        "modalities": description[:2], "status": source.choice(("unread", "drafted", "signed")),
        "series_count": 3, "file_count": 600, "added_utc": "", "version": 1,
    }  # fmt: skip


def scan(archive: Archive, typed: str) -> None:
    """Search as one would without an index: every column of every study, newest first."""
    columns = (patient.c.name, patient.c.identity, study.c.accession, study.c.description)
    query = sa.select(study, patient).join_from(study, patient)
    for word in typed.split():
        query = query.where(sa.or_(*(column.ilike(f"%{word}%") for column in columns)))
    query = query.order_by(study.c.date.desc(), study.c.id.desc()).limit(51)
    with archive.database.transaction() as connection:
        connection.execute(query).all()


def _times(ask: Callable[[], object], repeats: int) -> str:
    ask()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(taken):.1f} / {statistics.quantiles(taken, n=20)[-1]:.1f}"


def main() -> None:
    """Fill both databases, type, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    cluster = Cluster()
    with tempfile.TemporaryDirectory() as folder:
        archives = {
            "SQLite": open_archive(Path(folder) / "reports.db", Path(folder)),
            "PostgreSQL": open_archive(cluster.new_database(), Path(folder)),
        }
        try:
            for name, archive in archives.items():
                began = time.perf_counter()
                fill(archive, given.studies)
                print(f"{name} filled in {time.perf_counter() - began:.0f} s")
            _print_table(archives, given.repeats)
        finally:
            for archive in archives.values():
                archive.close()
            cluster.close()


def _print_table(archives: dict[str, Archive], repeats: int) -> None:
    print("\nMilliseconds, median / 95th percentile\n")
    print("| typed | " + " | ".join(f"{name} | {name} scan" for name in archives) + " |")
    print("|---|" + "---|" * 2 * len(archives))
    for typed in ["", *(_TYPED[: n + 1] for n in range(len(_TYPED))), *_SEARCHES.values()]:
        cells = []
        for archive in archives.values():
            query = WorklistQuery(typed)
            cells.append(_times(lambda a=archive, q=query: search(a.database, q), repeats))
            cells.append(_times(lambda a=archive, t=typed: scan(a, t), max(repeats // 4, 3)))
        print(f"| `{typed}` | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
