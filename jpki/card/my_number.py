# SPDX-License-Identifier: Apache-2.0
"""個人番号: the number, its check digit, and the purpose without which it is not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from jpki.card.opaque import Opaque
from jpki.errors import NumberNotAllowedError

DIGITS = 12


def is_ascii_digits(value: str | bytes | bytearray) -> bool:
    """Whether ``value`` is only 0-9 (full-width and other digits are not), and not empty."""
    return value.isascii() and value.isdigit()


def check_digit(first: str) -> int:
    """The check digit over the first 11 digits of a 個人番号.

    Source: 番号法総務省令5条; worked example re-checked, grade A.
    """
    if len(first) != DIGITS - 1 or not is_ascii_digits(first):
        raise ValueError("a check digit is computed over 11 digits")
    total = sum(
        int(digit) * (n + 1 if n <= 6 else n - 5)
        for n, digit in enumerate(reversed(first), start=1)
    )
    rest = total % 11
    return 0 if rest <= 1 else 11 - rest


def has_check_digit(digits: str) -> bool:
    """Whether the last of 12 digits is the check digit over the others."""
    return len(digits) == DIGITS and int(digits[-1]) == check_digit(digits[:-1])


class MyNumber(Opaque):
    """A 個人番号. The digits leave only through ``reveal()``; nothing else shows them."""

    __slots__ = ()

    def __init__(self, digits: str) -> None:
        if len(digits) != DIGITS or not is_ascii_digits(digits):
            raise ValueError("a number has 12 digits")  # without the value
        super().__init__(digits)

    @property
    def check_digit_ok(self) -> bool:
        """Whether the check digit fits. A number that fails it was never issued."""
        return has_check_digit(self.reveal())


@dataclass(frozen=True, slots=True)
class NumberPurpose:
    """Why the 個人番号 is read (番号法15, 19, 20条). Made by :meth:`own_card` or :meth:`under`."""

    own: bool
    act: str = ""
    article: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        basis = (self.act, self.article, self.role)
        if self.own and any(basis):
            raise NumberNotAllowedError(reason="own_card_with_basis")
        if not self.own and not all(part.strip() for part in basis):
            raise NumberNotAllowedError(reason="no_legal_basis")

    @classmethod
    def own_card(cls) -> Self:
        """The holder reads their own card."""
        return cls(own=True)

    @classmethod
    def under(cls, act: str, article: str, role: str) -> Self:
        """A legal basis: act, article and the role of who reads. All three are needed."""
        return cls(own=False, act=act, article=article, role=role)
