"""Measurements and model runs of a study, by its key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from workstation.archive import audit_trail
from workstation.archive.archive import Archive
from workstation.archive.schema import measurement, measurement_version, model_run
from workstation.core.errors import ConflictError, StorageError

_PATIENCE = 30.0


@dataclass(frozen=True)
class StoredMeasurement:
    """A measurement as it is kept; ``version`` is needed to change it."""

    id: int
    study_key: str
    series_key: str
    kind: str
    value: Mapping[str, Any]
    author: str
    changed_utc: str
    version: int


@dataclass(frozen=True)
class ModelRun:
    """A run of the model and where its text comes from."""

    study_key: str
    run_id: str
    created_utc: str
    provenance: Mapping[str, Any]


def add_measurement(
    archive: Archive, study_key: str, series_key: str, kind: str, value: Mapping[str, Any]
) -> int:
    """Keep a new measurement; returns its id."""
    row = {"study_key": study_key, "series_key": series_key, "kind": kind, "version": 1}
    row |= {"value": json.dumps(dict(value)), "author": archive.actor, "changed_utc": _now()}
    with archive.database.transaction(writing=True) as connection:
        query = sa.insert(measurement).values(**row).returning(measurement.c.id)
        made = int(connection.execute(query).scalar_one())
        _keep_version(connection, made)
        audit_trail.append(connection, archive.actor, "measurement added", study_key, {"id": made})
    return made


def change_measurement(
    archive: Archive, measurement_id: int, version: int, value: Mapping[str, Any] | None
) -> None:
    """Give a measurement a new value; None removes it. What it was before stays on record.

    Raises
    ------
    ConflictError
        Another window changed it since it was read in this ``version``.
    """
    values: dict[str, Any] = {"changed_utc": _now(), "author": archive.actor}
    if value is None:
        values["deleted_utc"] = _now()
    else:
        values["value"] = json.dumps(dict(value))
    c = measurement.c
    same = (c.id == measurement_id, c.version == version, c.deleted_utc.is_(None))
    action = "measurement removed" if value is None else "measurement changed"
    with archive.database.transaction(writing=True) as connection:
        query = sa.update(measurement).where(*same).values(**values, version=version + 1)
        study_key = connection.scalar(query.returning(c.study_key))
        if study_key is None:
            raise ConflictError(
                "This measurement was changed in another window meanwhile. Look at it again."
            )
        _keep_version(connection, measurement_id)
        audit_trail.append(connection, archive.actor, action, study_key, {"id": measurement_id})


def _keep_version(connection: sa.Connection, measurement_id: int) -> None:
    """Add a measurement's present state to those that are never changed."""
    row = connection.execute(sa.select(measurement).where(measurement.c.id == measurement_id)).one()
    connection.execute(
        sa.insert(measurement_version).values(
            measurement_id=row.id, version=row.version, value=row.value, author=row.author,
            changed_utc=row.changed_utc, removed=int(row.deleted_utc is not None),
        )
    )  # fmt: skip


def measurements(archive: Archive, study_key: str) -> tuple[StoredMeasurement, ...]:
    """Measurements of a study, in the order they were made."""
    c = measurement.c
    query = (
        sa.select(measurement)
        .where(c.study_key == study_key, c.deleted_utc.is_(None))
        .order_by(c.id)
    )
    with archive.database.transaction() as connection:
        rows = connection.execute(query).all()
    return tuple(_measurement(row) for row in rows)


def note_act(
    archive: Archive, action: str, study_key: str, details: Mapping[str, str | int] | None = None
) -> None:
    """Write what was done with a study into the audit trail."""
    with archive.database.transaction(writing=True, wait=_PATIENCE) as connection:
        audit_trail.append(connection, archive.actor, action, study_key, details)


def add_model_run(
    archive: Archive, study_key: str, run_id: str, provenance: Mapping[str, Any]
) -> None:
    """Keep where a run's text comes from; the same run again is left as it was."""
    same = (model_run.c.study_key == study_key, model_run.c.run_id == run_id)
    row = {"study_key": study_key, "run_id": run_id, "created_utc": _now()}
    with archive.database.transaction(writing=True, wait=_PATIENCE) as connection:
        if connection.execute(sa.select(model_run.c.id).where(*same)).first() is not None:
            return
        text = json.dumps(dict(provenance))
        connection.execute(sa.insert(model_run).values(**row, provenance=text))
        audit_trail.append(connection, archive.actor, "model run", study_key, {"run": run_id})


def model_runs(archive: Archive, study_key: str) -> tuple[ModelRun, ...]:
    """List the runs of the model on a study, in the order they were made."""
    query = sa.select(model_run).where(model_run.c.study_key == study_key).order_by(model_run.c.id)
    with archive.database.transaction() as connection:
        rows = connection.execute(query).all()
    return tuple(
        ModelRun(row.study_key, row.run_id, row.created_utc, _loaded(row.provenance))
        for row in rows
    )


def _measurement(row: sa.Row[Any]) -> StoredMeasurement:
    return StoredMeasurement(
        row.id, row.study_key, row.series_key, row.kind, _loaded(row.value),
        row.author, row.changed_utc, row.version,
    )  # fmt: skip


def _loaded(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise StorageError("A measurement or model run is damaged.", repr(error)) from error
    if not isinstance(value, dict):
        raise StorageError("A measurement or model run is damaged.")
    return value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
