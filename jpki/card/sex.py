# SPDX-License-Identifier: Apache-2.0
"""性別 by its code, as 券面 records have it."""

from __future__ import annotations

from enum import StrEnum


class Sex(StrEnum):
    """1, 2 and 9: [MY] [PM]; 3 stands in some profiles instead of 9."""

    MALE = "1"
    FEMALE = "2"
    OTHER = "3"
    NOT_APPLICABLE = "9"


def sex_of(code: str) -> Sex | None:
    """None for a code that is not known."""
    try:
        return Sex(code)
    except ValueError:
        return None
