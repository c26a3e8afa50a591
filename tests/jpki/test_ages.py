# SPDX-License-Identifier: Apache-2.0
"""Age on a day: birthdays, 29 February, midnight in Japan, dates with unknown parts."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from jpki.dates import PartialDate, is_at_least, japan_day, parse_date, years_old


@pytest.mark.parametrize(
    ("birth", "on", "years"),
    [
        # The day before, the birthday itself, the day after.
        (date(2006, 11, 22), date(2026, 11, 21), 19),
        (date(2006, 11, 21), date(2026, 11, 21), 20),
        (date(2006, 11, 20), date(2026, 11, 21), 20),
        # 29 February: a year is complete when 28 February ends.
        (date(2004, 2, 29), date(2022, 2, 28), 17),
        (date(2004, 2, 29), date(2022, 3, 1), 18),
        (date(2004, 2, 29), date(2024, 2, 28), 19),
        (date(2004, 2, 29), date(2024, 2, 29), 20),
        # The year's ends, and the day of birth.
        (date(2000, 12, 31), date(2020, 12, 30), 19),
        (date(2000, 12, 31), date(2020, 12, 31), 20),
        (date(2000, 1, 1), date(2019, 12, 31), 19),
        (date(2020, 5, 5), date(2020, 5, 5), 0),
        # Both sides of a change of era: 昭和64 and 平成1 are one year.
        (date(1989, 1, 7), date(2009, 1, 7), 20),
        (date(1989, 1, 8), date(2009, 1, 7), 19),
    ],
)
def test_years(birth: date, on: date, years: int) -> None:
    assert years_old(birth, on) == years
    assert is_at_least(birth, years, on) is True
    assert is_at_least(birth, years + 1, on) is False


@pytest.mark.parametrize(
    ("digits", "on", "answer"),
    [
        ("20061100", date(2026, 11, 1), None),  # born on the 1st or on the 30th
        ("20061100", date(2026, 11, 30), True),
        ("20061100", date(2026, 10, 31), False),
        ("20060000", date(2026, 6, 1), None),
        ("20060000", date(2026, 12, 31), True),
        ("20060000", date(2025, 12, 31), False),
        ("20040200", date(2024, 2, 28), None),  # 29 February was possible
        ("20040200", date(2024, 2, 29), True),
        ("20060015", date(2026, 12, 31), True),  # day known, month not
        ("00001115", date(2026, 11, 21), None),
    ],
)
def test_unknown_parts(digits: str, on: date, answer: bool | None) -> None:
    birth = parse_date(digits)
    assert isinstance(birth, PartialDate)
    assert is_at_least(birth, 20, on) is answer


def test_the_day_is_that_of_japan() -> None:
    assert japan_day(datetime(2026, 11, 20, 14, 59, 59, tzinfo=UTC)) == date(2026, 11, 20)
    assert japan_day(datetime(2026, 11, 20, 15, 0, tzinfo=UTC)) == date(2026, 11, 21)
