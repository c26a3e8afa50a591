# SPDX-License-Identifier: Apache-2.0
"""Dates as cards write them: YYYYMMDD with unknown parts, and years of the Japanese eras."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Self

# First day of each era, newest first. 明治 is counted from 1868-01-01, as its year 1 is.
_ERAS = (
    (date(2019, 5, 1), "令和"),
    (date(1989, 1, 8), "平成"),
    (date(1926, 12, 25), "昭和"),
    (date(1912, 7, 30), "大正"),
    (date(1868, 1, 1), "明治"),
)
_JAPAN = timedelta(hours=9)


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A Gregorian date of which a part may be unknown (written as zeros). None = unknown."""

    year: int | None = field(repr=False)
    month: int | None = field(repr=False)
    day: int | None = field(repr=False)

    @classmethod
    def from_digits(cls, digits: str) -> Self:
        """From ``YYYYMMDD``; zero parts are unknown. Raises ValueError without the value."""
        if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
            raise ValueError("a date has 8 digits")
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
        try:
            # A leap year stands in for an unknown one, a long month for an unknown one.
            date(year or 2000, month or 1, day or 1)
        except ValueError:
            raise ValueError("no such day") from None
        return cls(year or None, month or None, day or None)

    @property
    def exact(self) -> date | None:
        """The date, when every part is known."""
        if self.year is None or self.month is None or self.day is None:
            return None
        return date(self.year, self.month, self.day)

    def iso(self) -> str:
        """``1980-02-17``, with ``??`` (``????``) for an unknown part."""
        year = "????" if self.year is None else f"{self.year:04}"
        month, day = ("??" if part is None else f"{part:02}" for part in (self.month, self.day))
        return f"{year}-{month}-{day}"

    def __str__(self) -> str:
        return self.iso()


def parse_date(digits: str) -> date | PartialDate:
    """``YYYYMMDD``, Gregorian; a part of zeros is unknown. Raises ValueError without the value."""
    found = PartialDate.from_digits(digits)
    return found.exact or found


def era_year(day: date) -> int:
    """The year within the Japanese era of ``day`` (1 = first year). Raises ValueError before 1868.

    The digit string on a card carries no era letter: 1952 and 2015 are both 27.
    """
    return _era(day)[1]


def japanese_year(day: date) -> str:
    """The year of ``day`` as documents write it: ``昭和55年``, ``令和元年``. Raises ValueError."""
    era, year = _era(day)
    return f"{era}{'元' if year == 1 else year}年"


def japanese_date(day: date) -> str:
    """``昭和55年2月17日``. Raises ValueError before 1868."""
    return f"{japanese_year(day)}{day.month}月{day.day}日"


def _era(day: date) -> tuple[str, int]:
    """Era and year in it."""
    for start, era in _ERAS:
        if day >= start:
            return era, day.year - start.year + 1
    raise ValueError("before the first era that cards know")


def japan_day(moment: datetime) -> date:
    """The calendar day it is in Japan at ``moment`` (aware)."""
    return (moment.astimezone(UTC) + _JAPAN).date()


def years_old(birth: date, on: date) -> int:
    """Full years on a day: one more from each birthday on.

    Somebody born on 29 February completes a year when 28 February ends (年齢計算ニ関スル
    法律, 民法143条), so in a common year the new age is that of 1 March.
    """
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def is_at_least(birth: date | PartialDate, years: int, on: date) -> bool | None:
    """Whether somebody is ``years`` old on a day; None where the unknown parts decide it."""
    first, last = _range(birth)
    if first is None or last is None:
        return None
    if years_old(last, on) >= years:
        return True
    return None if years_old(first, on) >= years else False


def _range(birth: date | PartialDate) -> tuple[date | None, date | None]:
    """The earliest and the latest day it may be; None if not even the year is known."""
    if isinstance(birth, date):
        return birth, birth
    if birth.year is None:
        return None, None
    if birth.month is None:
        return date(birth.year, 1, 1), date(birth.year, 12, 31)
    first = date(birth.year, birth.month, birth.day or 1)
    last = first.replace(day=birth.day or monthrange(birth.year, birth.month)[1])
    return first, last
