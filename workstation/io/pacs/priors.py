"""A patient's other studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from workstation.core.errors import InputError
from workstation.io.pacs.find import find
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.query import Answer, Query
from workstation.io.pacs.receiver import Receiver
from workstation.io.pacs.retrieve import Progress, Retrieval, retrieve, series_of


def find_priors(
    local: Local,
    peer: Peer,
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
    found = find(local, peer, query, cancelled).answers
    mine = [one for one in found if one.patient_id == patient_id.strip()]
    return tuple(
        sorted(
            (one for one in mine if one.study_uid != current),
            key=lambda one: (one.study_date, one.study_time),
            reverse=True,
        )
    )


def retrieve_priors(
    local: Local,
    peer: Peer,
    patient_id: str,
    folder: Path,
    cancelled: Event,
    *,
    current: str = "",
    modality: str = "",
    told: Callable[[Progress], None] | None = None,
    receiver: Receiver | None = None,
) -> tuple[Retrieval, ...]:
    """Find a patient's other studies and bring all their series."""
    studies = find_priors(local, peer, patient_id, cancelled, current=current, modality=modality)
    keys = [
        key
        for study in studies
        for key in series_of(local, peer, study.study_uid, cancelled)
    ]  # fmt: skip
    return retrieve(local, peer, keys, folder, cancelled, told=told, receiver=receiver)
