"""What a person may choose about de-identification."""

from __future__ import annotations

from dataclasses import dataclass

from workstation.io.channel import Message


@dataclass(frozen=True)
class Options:
    """Options of the profile; without any, dates and characteristics of patients go.

    ``keep_dates_shifted`` keeps dates, all of a patient moved by the same number of days.
    ``keep_characteristics`` keeps age (90 at most), sex, size and weight.
    """

    keep_dates_shifted: bool = False
    keep_characteristics: bool = False

    def as_message(self) -> Message:
        """Write as plain values."""
        return dict(vars(self))

    @classmethod
    def from_message(cls, message: Message) -> Options:
        """Read back what :meth:`as_message` wrote."""
        return cls(**message)
