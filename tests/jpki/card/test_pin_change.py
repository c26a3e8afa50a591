# SPDX-License-Identifier: Apache-2.0
"""Changing PINs against scripted cards: two commands with data at most, exact bytes."""

from __future__ import annotations

import pytest

from card_script import line
from jpki.card.pin import PinState
from jpki.card_map import PinKind
from jpki.errors import (
    PinBlockedError,
    PinError,
    PinFormatError,
    PinIncorrectError,
    PinLastTryError,
    PinOutcomeUnknownError,
)
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    MalformedResponseError,
    StatusWordError,
)
from pin_script import COMMON, JPKI, JUKI, OK, TEXT, Script, auth, guard

CHANGES = [
    (PinKind.AUTH, JPKI, "98", "18", "24", b"1234", b"5678", "00240180"),
    (PinKind.SIGN, JPKI, "9B", "1B", "24", b"abc123", b"def456", "00240180"),
    (PinKind.TEXT, TEXT, "91", "11", "24", b"1234", b"5678", "00240180"),
    (PinKind.COMMON, COMMON, "9C", "1C", "32", b"1234", b"5678", "80320080"),
    (PinKind.JUKI, JUKI, "9C", "1C", "32", b"1234", b"5678", "80320080"),
]


def change_script(
    case: tuple[PinKind, str, str, str, str, bytes, bytes, str],
    verify: str | Exception = OK,
    change: str | Exception | None = OK,
) -> Script:
    _, aid, sfi, fid, _, old, new, head = case
    lc = f"{len(old):02X}"
    script = [
        line(aid, OK),
        line(f"002000{sfi}", "63C3"),
        line(f"002000{sfi}{lc}" + old.upper().hex(), verify),
    ]
    if change is not None:
        script.append(line(f"00A4020C0200{fid}", OK))
        script.append(line(f"{head}{lc}" + new.upper().hex(), change))
    return script


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: str(case[0]))
def test_change(case: tuple[PinKind, str, str, str, str, bytes, bytes, str]) -> None:
    pins, connection = guard(*change_script(case))
    old, new = bytearray(case[5]), bytearray(case[6])
    after = pins.change(case[0], old, new)
    assert connection.used_up
    assert connection.presented == 2
    assert after.state is PinState.OK
    assert old == bytes(len(old))
    assert new == bytes(len(new))


@pytest.mark.parametrize(
    ("verify", "change", "error", "code"),
    [
        ("63C2", None, PinIncorrectError, "pin_incorrect"),
        ("6984", None, PinBlockedError, "pin_blocked"),
        (CardRemovedError(), None, PinOutcomeUnknownError, "pin_outcome_unknown"),
        (OK, CardRemovedError(), PinOutcomeUnknownError, "pin_change_unknown"),
        (OK, MalformedResponseError(), PinOutcomeUnknownError, "pin_change_unknown"),
        (OK, "6982", StatusWordError, "pin_change_refused"),
        (OK, "63C2", StatusWordError, "pin_change_refused"),
        (OK, "6A80", StatusWordError, "pin_change_refused"),
    ],
)
def test_change_that_fails(
    verify: str | Exception, change: str | Exception | None, error: type[CardError], code: str
) -> None:
    pins, connection = guard(*change_script(CHANGES[0], verify, change))
    old, new = bytearray(b"1234"), bytearray(b"5678")
    with pytest.raises(error) as caught:
        pins.change(PinKind.AUTH, old, new)
    assert connection.used_up
    assert connection.presented == (1 if change is None else 2)
    assert caught.value.code == code
    assert old == new == bytes(4)


@pytest.mark.parametrize(
    ("kind", "old", "new", "rule"),
    [
        (PinKind.AUTH, b"1234", b"123", "length"),
        (PinKind.AUTH, b"123", b"1234", "length"),
        (PinKind.AUTH, b"1234", b"", "empty"),
        (PinKind.AUTH, b"1234", b"1234", "same"),
        (PinKind.SIGN, b"ABC123", b"abc123", "same"),
        (PinKind.SIGN, b"ABC123", b"ABCDEF", "letter_and_digit"),
        (PinKind.SIGN, b"ABC123", b"123456", "letter_and_digit"),
    ],
)
def test_both_forms_are_checked_before_anything_is_sent(
    kind: PinKind, old: bytes, new: bytes, rule: str
) -> None:
    pins, connection = guard()
    first, second = bytearray(old), bytearray(new)
    with pytest.raises(PinFormatError) as caught:
        pins.change(kind, first, second)
    assert caught.value.values["rule"] == rule
    assert not connection.events
    assert first + second == bytes(len(old + new))


@pytest.mark.parametrize(
    "kind", [PinKind.NUMBER_A, PinKind.NUMBER_B, PinKind.BIRTH, PinKind.LICENCE]
)
def test_what_cannot_be_changed(kind: PinKind) -> None:
    pins, connection = guard()
    old, new = bytearray(b"1234"), bytearray(b"5678")
    with pytest.raises(PinError) as caught:
        pins.change(kind, old, new)
    assert caught.value.code == "pin_unchangeable"
    assert not connection.events
    assert old == new == bytes(4)


def test_change_stops_at_the_last_try() -> None:
    pins, connection = guard(*auth("63C1"))
    with pytest.raises(PinLastTryError):
        pins.change(PinKind.AUTH, bytearray(b"1234"), bytearray(b"5678"))
    assert connection.presented == 0
