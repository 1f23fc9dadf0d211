"""The archive's tables as this program reads them; :mod:`migrations` makes them."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = 7

metadata = sa.MetaData()


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=null, primary_key=key)


def _to(name: str, target: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=False)


about = sa.Table("about", metadata, _text("name", key=True), _text("value"))

report_version = sa.Table(
    "report_version",
    metadata,
    _text("study_key", key=True),
    _number("number", key=True),
    _text("created_utc"),
    _text("author"),
    _text("report"),
)

# ``owner`` is the window that types; ``base`` the newest version when it last did.
report_journal = sa.Table(
    "report_journal",
    metadata,
    _text("study_key", key=True),
    _text("owner", key=True),
    _number("base"),
    _text("written_utc"),
    _text("report"),
)

# Which versions a person has signed.
report_signature = sa.Table(
    "report_signature",
    metadata,
    _text("study_key", key=True),
    _number("number", key=True),
    _text("signed_utc"),
    _text("author"),
)

patient = sa.Table(
    "patient",
    metadata,
    _number("id", key=True),
    _text("patient_key"),
    _text("name"),
    _text("identity"),
    _text("birth_date"),
    _text("sex"),
)

# ``version`` counts the changes, so that a window can tell that another was faster; ``missing``
# the images known to be missing, and ``conflicts`` those with an identifier of another file.
study = sa.Table(
    "study",
    metadata,
    _number("id", key=True),
    _text("study_key"),
    _to("patient_id", "patient.id"),
    _text("uid"),
    _text("date"),
    _text("accession"),
    _text("description"),
    _text("modalities"),
    _text("status"),
    _number("series_count"),
    _number("file_count"),
    _text("added_utc"),
    _text("deleted_utc", null=True),
    _number("version"),
    _number("missing"),
    _number("conflicts"),
)

# ``gaps`` are the images that its geometry shows to be missing; ``expected`` is how many a PACS
# said there are, 0 where none did; ``missing`` is the worse of what follows from the two.
series = sa.Table(
    "series",
    metadata,
    _number("id", key=True),
    _to("study_id", "study.id"),
    _text("series_key"),
    _text("uid"),
    _text("modality"),
    _text("description"),
    _number("number", null=True),
    _text("date"),
    _text("body_part"),
    _number("missing"),
    _number("gaps"),
    _number("expected"),
)

# ``kept`` is "copy" (in the store) or "reference" (where ``path`` says).
stored_file = sa.Table(
    "stored_file",
    metadata,
    _text("content", key=True),
    _text("kept"),
    _text("suffix"),
    _text("path"),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
)

# ``conflict`` is 1 where a file of other content carried the same UID before.
instance = sa.Table(
    "instance",
    metadata,
    _number("id", key=True),
    _to("series_id", "series.id"),
    sa.Column("content", sa.Text, sa.ForeignKey("stored_file.content"), nullable=False),
    _text("uid"),
    _text("sop_class"),
    _number("number", null=True),
    _number("conflict"),
)

measurement = sa.Table(
    "measurement",
    metadata,
    _number("id", key=True),
    _text("study_key"),
    _text("series_key"),
    _text("kind"),
    _text("value"),
    _text("author"),
    _text("changed_utc"),
    _text("deleted_utc", null=True),
    _number("version"),
)

# Every state a measurement had, and who gave it; ``removed`` 1 where that was its end.
measurement_version = sa.Table(
    "measurement_version",
    metadata,
    _number("measurement_id", key=True),
    _number("version", key=True),
    _text("value"),
    _text("author"),
    _text("changed_utc"),
    _number("removed"),
)

model_run = sa.Table(
    "model_run",
    metadata,
    _number("id", key=True),
    _text("study_key"),
    _text("run_id"),
    _text("created_utc"),
    _text("provenance"),
)

audit = sa.Table(
    "audit",
    metadata,
    _number("number", key=True),
    _text("written_utc"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    _text("details"),
    _text("previous"),
    _text("hash"),
)
