"""A patient's other studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from workstation.core.errors import InputError
from workstation.io.pacs.query import Answer, Query
from workstation.io.pacs.retrieval import Progress, Retrieval
from workstation.io.pacs.source import Source


def find_priors(
    source: Source,
    patient_id: str,
    cancelled: Event,
    *,
    current: str = "",
    modality: str = "",
) -> tuple[Answer, ...]:
    """Find the studies of a patient, newest first, without the ``current`` one.

    What the peer answers about another patient is dropped.
    """
    if not patient_id.strip() or set(patient_id) & set("*?"):
        raise InputError("Prior studies are found by the whole patient number.")
    query = Query(patient_id=patient_id, modality=modality)
    found = source.find(query, cancelled).answers
    mine = [one for one in found if one.patient_id == patient_id.strip()]
    return tuple(
        sorted(
            (one for one in mine if one.study_uid != current),
            key=lambda one: (one.study_date, one.study_time),
            reverse=True,
        )
    )


def is_same_person(answer: Answer, birth_date: str) -> bool:
    """Whether nothing speaks against it: patient numbers are given twice by two hospitals.

    Parameters
    ----------
    birth_date : str
        That of the patient whose priors are wanted, ``YYYYMMDD`` with or without dashes.
    """
    ours, theirs = (text.replace("-", "").strip() for text in (birth_date, answer.birth_date))
    return not ours or not theirs or ours == theirs


def retrieve_priors(
    source: Source,
    patient_id: str,
    folder: Path,
    cancelled: Event,
    *,
    current: str = "",
    modality: str = "",
    told: Callable[[Progress], None] | None = None,
) -> tuple[Retrieval, ...]:
    """Find a patient's other studies and bring all their series."""
    studies = find_priors(source, patient_id, cancelled, current=current, modality=modality)
    keys = [key for study in studies for key in source.series_of(study.study_uid, cancelled)]
    return source.retrieve(keys, folder, cancelled, told)
