# SPDX-License-Identifier: Apache-2.0
"""法人番号: 13 digits, public, free to use. The first is a check digit.

Source: check digit by 国税庁告示 (remainder of 9) [inferred].
"""

from __future__ import annotations

import unicodedata


def check_digit(base: str) -> int:
    """The check digit (1 to 9) over the twelve digits that follow it. Raises ValueError.

    9 minus the remainder by 9 of the sum of the digits, those in even places from the
    right counted twice.
    """
    if len(base) != 12 or not (base.isascii() and base.isdigit()):
        raise ValueError("a 法人番号 has twelve digits after its check digit")
    total = sum(
        int(digit) * (2 if place % 2 == 0 else 1)
        for place, digit in enumerate(reversed(base), start=1)
    )
    return 9 - total % 9


def is_corporate_number(text: str) -> bool:
    """Whether ``text`` is thirteen digits (full width too, hyphens allowed) that fit."""
    plain = unicodedata.normalize("NFKC", text).strip().replace("-", "")
    if len(plain) != 13 or not (plain.isascii() and plain.isdigit()):
        return False
    return int(plain[0]) == check_digit(plain[1:])
