"""How many images of a series are missing: by its geometry, and by what a PACS said."""

from __future__ import annotations

import sqlalchemy as sa

from workstation.archive.arrivals import NewSeries
from workstation.archive.schema import instance, series

MOST_EXPECTED = 1_000_000
"""No series has more; who says so is not believed beyond it."""


def note_missing(connection: sa.Connection, series_id: int, new: NewSeries, seen: int) -> bool:
    """Keep how many images are missing; tells whether that changed.

    ``seen`` files came. Gaps count anew where that is all of the series; from a part, the worse
    of what was known and what is. What a PACS expected stands until one says otherwise.
    """
    c = series.c
    row = connection.execute(
        sa.select(c.gaps, c.expected, c.missing).where(c.id == series_id)
    ).one()
    files, images = connection.execute(
        sa.select(sa.func.count(), sa.func.count(sa.distinct(instance.c.uid))).where(
            instance.c.series_id == series_id
        )
    ).one()
    gaps = new.missing if seen >= files else max(row.gaps, new.missing)
    expected = row.expected if new.expected is None else min(new.expected, MOST_EXPECTED)
    missing = max(gaps, expected - images, 0)
    if (gaps, expected, missing) == tuple(row):
        return False
    values = {"gaps": gaps, "expected": expected, "missing": missing}
    connection.execute(sa.update(series).where(c.id == series_id).values(**values))
    return bool(missing != row.missing)
