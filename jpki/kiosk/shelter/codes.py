# SPDX-License-Identifier: Apache-2.0
"""Codes that one person tells another: seven random digits and a check digit.

Guessing one harms nobody but who guesses: they name a stranger as their own viewer. The check
digit keeps a slip of the tongue from naming one. Source: ISO/IEC 7064 MOD 11,10.
"""

from __future__ import annotations

import secrets
from typing import Final

DIGITS: Final = 8


def new_code() -> str:
    """A fresh code: eight digits."""
    digits = f"{secrets.randbelow(10 ** (DIGITS - 1)):0{DIGITS - 1}d}"
    return digits + _check_digit(digits)


def is_code(text: str) -> bool:
    """Whether it has the form of a code and its check digit fits."""
    good = len(text) == DIGITS and text.isascii() and text.isdigit()
    return good and _check_digit(text[:-1]) == text[-1]


def _check_digit(digits: str) -> str:
    product = 10
    for digit in digits:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)
