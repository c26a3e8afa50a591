# SPDX-License-Identifier: Apache-2.0
"""PINs on emulated cards that keep count, and cards that leave at the wrong moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from card_bench import AUTH_PIN, TEXT_PIN, opened, read_all
from jpki.card import (
    Card,
    PinState,
)
from jpki.card_map import PinKind
from jpki.emulator import EmulatedCard
from jpki.errors import (
    PinBlockedError,
    PinIncorrectError,
    PinOutcomeUnknownError,
)
from jpki_apdu.errors import (
    CardRemovedError,
    StaleSessionError,
)


def test_wrong_right_and_restored(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        with pytest.raises(PinIncorrectError) as caught:
            card.pins.verify(PinKind.AUTH, bytearray(b"9999"))
        assert caught.value.attempts_left == 2
        assert card.pins.counter(PinKind.AUTH).attempts_left == 2
        assert card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN)).attempts_left == 3
        assert card.pins.counter(PinKind.AUTH).attempts_left == 3


@pytest.mark.parametrize("query", ["63C0", "6984"])
@pytest.mark.parametrize("verify", ["6984", "6983", "63C0"])
def test_blocking(quirky: Callable[[str], EmulatedCard], query: str, verify: str) -> None:
    emulated = quirky(f'blocked_query = "{query}"\nblocked_verify = "{verify}"')
    with opened(emulated) as card:
        for left in (2, 1):
            with pytest.raises(PinIncorrectError) as caught:
                card.pins.verify(PinKind.AUTH, bytearray(b"9999"))
            assert caught.value.attempts_left == left
        with pytest.raises(PinBlockedError) as blocked:
            card.pins.verify(PinKind.AUTH, bytearray(b"9999"), last_try=True)
        assert blocked.value.code == "pin_blocked_now"
        with pytest.raises(PinBlockedError) as blocked:
            card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN), last_try=True)
        assert blocked.value.code == "pin_blocked"
        assert card.pins.counter(PinKind.AUTH).state is PinState.BLOCKED


def test_a_query_answered_9000(quirky: Callable[[str], EmulatedCard]) -> None:
    with opened(quirky('verified_query = "9000"')) as card:
        card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN))
        counter = card.pins.counter(PinKind.AUTH)
        assert (counter.state, counter.attempts_left) == (PinState.OK, None)
        assert card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN)).attempts_left == 3


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (PinKind.AUTH, b"1234", b"8765"),
        (PinKind.SIGN, b"ABC123", b"xyz789"),
        (PinKind.TEXT, b"1234", b"8765"),
        (PinKind.COMMON, b"1234", b"8765"),
        (PinKind.JUKI, b"1234", b"8765"),
    ],
)
@pytest.mark.parametrize("sfi", ["true", "false"])
def test_change(
    quirky: Callable[[str], EmulatedCard], kind: PinKind, old: bytes, new: bytes, sfi: str
) -> None:
    emulated = quirky(f"sfi = {sfi}")
    with opened(emulated) as card:
        card.pins.change(kind, bytearray(old), bytearray(new))
    with opened(emulated) as card:
        with pytest.raises(PinIncorrectError):
            card.pins.verify(kind, bytearray(old))
        card.pins.verify(kind, bytearray(new))


@pytest.mark.parametrize(("point", "left"), [("before", 3), ("during", 2)])
def test_a_card_pulled_during_verify(hanako: EmulatedCard, point: str, left: int) -> None:
    value = bytearray(b"9999")
    hanako.faults = (f"pull:{point}@verify",)
    with opened(hanako) as card:
        with pytest.raises(PinOutcomeUnknownError) as caught:
            card.pins.verify(PinKind.AUTH, value)
        assert caught.value.attempts_left is None
        assert value == bytes(4)
        with pytest.raises((CardRemovedError, StaleSessionError)):
            card.pins.counter(PinKind.AUTH)
    hanako.faults = ()
    with opened(hanako) as card:
        assert card.pins.counter(PinKind.AUTH).attempts_left == left


def test_a_card_pulled_during_change(hanako: EmulatedCard) -> None:
    hanako.faults = ("pull:during@change",)
    with opened(hanako) as card, pytest.raises(PinOutcomeUnknownError) as caught:
        card.pins.change(PinKind.AUTH, bytearray(AUTH_PIN), bytearray(b"8765"))
    assert caught.value.code == "pin_change_unknown"


@pytest.mark.parametrize("point", ["before", "during"])
@pytest.mark.parametrize("count", range(1, 9))
def test_a_card_may_leave_at_any_command(hanako: EmulatedCard, point: str, count: int) -> None:
    """Whatever command the card leaves at: a typed error, a wiped PIN, and no try lost."""
    hanako.faults = (f"pull:{point}@{count}",)
    value = bytearray(TEXT_PIN)

    def job(card: Card) -> None:
        card.pins.verify(PinKind.TEXT, value)
        read_all(card)

    with opened(hanako) as card, pytest.raises((CardRemovedError, PinOutcomeUnknownError)):
        job(card)
    assert value == bytes(4)
    hanako.faults = ()
    with opened(hanako) as card:
        assert card.pins.counter(PinKind.TEXT).attempts_left == 3
