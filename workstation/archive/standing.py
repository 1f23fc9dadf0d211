"""Tell whether what is in the window is what was signed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from workstation.archive.report_archive import ReportArchive, ReportVersion
from workstation.core.errors import StorageError
from workstation.core.report import Report
from workstation.core.standing import Signature, Standing

_PATIENCE = 20.0


@dataclass(frozen=True, eq=False)
class Standpoint:
    """A report as it was at one moment, and what its window knew of its versions then.

    ``version`` is the one the window had read or saved last, ``saving`` one that is just being
    saved or signed.
    """

    study_key: str
    report: Report
    version: ReportVersion | None = None
    saving: Future[ReportVersion] | None = None

    def read(self, archive: ReportArchive) -> Standing:
        """Look in the archive, which may take as long as it takes to answer.

        Another window may have signed this very version meanwhile. Where the archive does not
        answer, what the window knew counts: a signature is never supposed.
        """
        base = self._settled()
        try:
            versions = archive.versions(self.study_key)
        except StorageError:
            versions = () if base is None else (base,)
        return standing(self.report, versions, None if base is None else base.number)

    def _settled(self) -> ReportVersion | None:
        if self.saving is None:
            return self.version
        try:
            return self.saving.result(_PATIENCE)
        except (StorageError, TimeoutError):
            return self.version


def standing(report: Report, versions: Sequence[ReportVersion], base: int | None) -> Standing:
    """Tell how a report that goes on from version ``base`` stands to its signed versions."""
    newest = versions[-1].number if versions else None
    own = next((version for version in versions if version.number == base), None)
    if own is not None and _same(own.report, report) and (signature := _signature(own)):
        return Standing(signature, newer=newest if newest != base else None)
    signed = [signature for version in versions if (signature := _signature(version))]
    return Standing(signed[-1], changed=True) if signed else Standing()


def _same(one: Report, other: Report) -> bool:
    return (one.content, one.accepted) == (other.content, other.accepted)


def _signature(version: ReportVersion) -> Signature | None:
    if version.signed is None:
        return None
    return Signature(version.number, version.signer, version.signed)
