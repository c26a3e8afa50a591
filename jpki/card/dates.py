# SPDX-License-Identifier: Apache-2.0
"""Dates as cards write them: YYYYMMDD with unknown parts, and years of the Japanese eras."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

# First day of each era, newest first. 明治 is counted from 1868-01-01, as its year 1 is.
_ERAS = (
    date(2019, 5, 1),
    date(1989, 1, 8),
    date(1926, 12, 25),
    date(1912, 7, 30),
    date(1868, 1, 1),
)


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date of which a part is unknown (written as zeros). None = unknown."""

    year: int | None
    month: int | None
    day: int | None

    def __str__(self) -> str:
        year = "????" if self.year is None else f"{self.year:04}"
        month = "??" if self.month is None else f"{self.month:02}"
        day = "??" if self.day is None else f"{self.day:02}"
        return f"{year}-{month}-{day}"


def parse_date(digits: str) -> date | PartialDate:
    """``YYYYMMDD``, Gregorian; a part of zeros is unknown. Raises ValueError without the value."""
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        raise ValueError("a date has 8 digits")
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    if year and month and day:
        try:
            return date(year, month, day)
        except ValueError:
            raise ValueError("no such day") from None
    longest = calendar.monthrange(year or 2000, month)[1] if 1 <= month <= 12 else 31
    if month > 12 or day > longest:
        raise ValueError("no such day")
    return PartialDate(year or None, month or None, day or None)


def era_year(day: date) -> int:
    """The year within the Japanese era of ``day`` (1 = first year). Raises ValueError before 1868.

    The digit string on a card carries no era letter: 1952 and 2015 are both 27.
    """
    for start in _ERAS:
        if day >= start:
            return day.year - start.year + 1
    raise ValueError("before the first era that cards know")
