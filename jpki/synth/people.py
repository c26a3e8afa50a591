# SPDX-License-Identifier: Apache-2.0
"""Invented holders: the four attributes, their coding in a certificate, and dates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

# Era digit of a birth date in the sign certificate, by the era's first day [CA-DER] [GK].
ERAS = (
    (date(2019, 5, 1), "5"),  # 令和
    (date(1989, 1, 8), "4"),  # 平成
    (date(1926, 12, 25), "3"),  # 昭和
    (date(1912, 7, 30), "2"),  # 大正
    (date(1868, 1, 25), "1"),  # 明治
)


@dataclass(frozen=True, slots=True)
class HolderData:
    """The four attributes of an invented holder, and which characters are substitutes.

    ``sex`` is the digit of the certificate (1 male, 2 female, 3 or 9 other). Flags are one
    digit a character, 1 for a substitute; None stands for no substitutes.
    """

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth: date = field(repr=False)
    sex: str = field(repr=False)
    name_flags: str | None = field(default=None, repr=False)
    address_flags: str | None = field(default=None, repr=False)

    def attributes(self) -> dict[int, str]:
        """Text of each otherName, by the last arc of its type-id (1 to 6)."""
        return {
            1: self.name,
            2: "0" * len(self.name) if self.name_flags is None else self.name_flags,
            3: self.sex,
            4: era_date(self.birth),
            5: self.address,
            6: "0" * len(self.address) if self.address_flags is None else self.address_flags,
        }


def era_date(birth: date) -> str:
    """``EYYYYMMDD``: era digit, then the Gregorian date. Era 0 before Meiji."""
    era = next((digit for first, digit in ERAS if birth >= first), "0")
    return f"{era}{birth:%Y%m%d}"


def fifth_birthday(issued: datetime, birth: date) -> datetime:
    """End of the fifth birthday after ``issued``, when today's certificates end."""
    return nth_birthday(issued, birth, 5)


def nth_birthday(issued: datetime, birth: date, count: int) -> datetime:
    """End of a later birthday after ``issued``: 23:59:59 in Japan, which is 14:59:59 UTC.

    The day of issue counts in Japanese time and is itself not «after»; somebody born on
    29 February has the birthday on the 28th in other years [inferred].
    """
    issue_day = (issued.astimezone(UTC) + timedelta(hours=9)).date()
    this_year = _birthday(birth, issue_day.year)
    last = _birthday(birth, issue_day.year + count - (this_year > issue_day))
    return datetime(last.year, last.month, last.day, 14, 59, 59, tzinfo=UTC)


def _birthday(birth: date, year: int) -> date:
    try:
        return birth.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def check_digit(first_eleven: str) -> str:
    """The twelfth digit of a 個人番号. Source: [MC], [pymyna]; 番号法 総務省令85号5条."""
    weighted = sum(
        int(digit) * (n + 1 if n <= 6 else n - 5)
        for n, digit in enumerate(reversed(first_eleven), start=1)
    )
    rest = weighted % 11
    return "0" if rest <= 1 else str(11 - rest)


def my_number(label: str) -> str:
    """An invented 個人番号 with a right check digit; equal labels give equal numbers."""
    digest = hashlib.sha256(b"jpki-synth my number " + label.encode()).digest()
    digits = f"{int.from_bytes(digest[:8], 'big') % 10**11:011}"
    return digits + check_digit(digits)
