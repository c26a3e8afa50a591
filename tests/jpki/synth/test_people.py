# SPDX-License-Identifier: Apache-2.0
"""Dates, eras and invented numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from jpki.synth import fifth_birthday, my_number
from jpki.synth.people import check_digit, era_date

END = (14, 59, 59)


@pytest.mark.parametrize(
    ("issued", "birth", "expected"),
    [
        ("2025-10-27T01:00:00", date(1980, 2, 17), (2030, 2, 17)),  # the published test card
        ("2025-02-16T14:59:59", date(1980, 2, 17), (2029, 2, 17)),  # the 16th in Japan
        ("2025-02-16T15:00:00", date(1980, 2, 17), (2030, 2, 17)),  # already the 17th
        ("2025-02-18T00:00:00", date(1980, 2, 17), (2030, 2, 17)),
        ("2023-05-01T00:00:00", date(2000, 2, 29), (2028, 2, 29)),
        ("2024-05-01T00:00:00", date(2000, 2, 29), (2029, 2, 28)),
    ],
)
def test_fifth_birthday(issued: str, birth: date, expected: tuple[int, int, int]) -> None:
    moment = datetime.fromisoformat(issued + "Z")
    assert fifth_birthday(moment, birth) == datetime(*expected, *END, tzinfo=UTC)


@pytest.mark.parametrize(
    ("birth", "expected"),
    [
        (date(1980, 2, 17), "319800217"),  # the published test card
        (date(2019, 5, 1), "520190501"),
        (date(2019, 4, 30), "420190430"),
        (date(1989, 1, 7), "319890107"),
        (date(1989, 1, 8), "419890108"),
        (date(1926, 12, 25), "319261225"),
        (date(1926, 12, 24), "219261224"),
        (date(1912, 7, 29), "119120729"),
        (date(1800, 1, 1), "018000101"),
    ],
)
def test_era_date(birth: date, expected: str) -> None:
    assert era_date(birth) == expected


def test_check_digit() -> None:
    """The worked example of the invented number that published test cards carry [MC]."""
    assert check_digit("53768667718") == "8"


def test_numbers_are_invented_from_a_label() -> None:
    numbers = {my_number(f"person {n}") for n in range(200)}
    assert len(numbers) == 200
    assert all(len(n) == 12 and check_digit(n[:11]) == n[11] for n in numbers)
    assert my_number("person 1") == my_number("person 1")
