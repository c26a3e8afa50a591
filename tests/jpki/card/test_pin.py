# SPDX-License-Identifier: Apache-2.0
"""The PIN guard against scripted cards: exact bytes, one VERIFY, every answer a card may give."""

from __future__ import annotations

import pytest

from card_script import ScriptedConnection, line
from jpki.card.pin import PinGuard, PinState
from jpki.card_map import TEXT_AP, PinKind
from jpki.errors import (
    NotOurCardError,
    PinBlockedError,
    PinError,
    PinFormatError,
    PinIncorrectError,
    PinLastTryError,
    PinOutcomeUnknownError,
)
from jpki_apdu.channel import Channel
from jpki_apdu.errors import (
    CardRemovedError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    StatusWordError,
    TransportTimeoutError,
)
from pin_script import (
    COMMON,
    JPKI,
    JUKI,
    LICENCE,
    OK,
    QUERY_AUTH,
    QUERY_SIGN,
    SURFACE,
    TEXT,
    auth,
    guard,
)


def test_the_ten_counters_cost_fifteen_commands() -> None:
    pins, connection = guard(
        line(JPKI, OK),
        line(QUERY_AUTH, "63C3"),
        line(QUERY_SIGN, "63C5"),
        line(TEXT, OK),
        line("00200091", "63C0"),
        line("00200094", "63CA"),
        line("00200095", "6984"),
        line(SURFACE, OK),
        line("00200091", "6300"),
        line("00200092", "6983"),
        line("00200093", OK),
        line(COMMON, OK),
        line("0020009C", "63C1"),
        line(JUKI, OK),
        line("0020009C", "63C2"),
    )
    found = pins.counters()
    assert connection.used_up
    assert len(connection.sent) == 15
    assert connection.presented == 0
    facts = [(c.application_name, c.kind.value, c.attempts_left, c.state.value) for c in found]
    assert facts == [
        ("jpki", "auth", 3, "ok"),
        ("jpki", "sign", 5, "ok"),
        ("text", "text", 0, "blocked"),
        ("text", "number-a", 10, "ok"),
        ("text", "number-b", 0, "blocked"),
        ("surface", "birth", None, "unlimited"),
        ("surface", "number-b", 0, "blocked"),
        ("surface", "number-a", None, "ok"),
        ("common", "common", 1, "ok"),
        ("juki", "juki", 2, "ok"),
    ]
    assert [c.max_tries for c in found] == [3, 5, 3, 10, 10, 10, 10, 10, 3, 3]


def test_a_phone_has_only_jpki() -> None:
    pins, connection = guard(
        line(JPKI, OK),
        line(QUERY_AUTH, "63C3"),
        line(QUERY_SIGN, "63C5"),
        *(line(aid, "6A82") for aid in (TEXT, SURFACE, COMMON, JUKI)),
    )
    found = pins.counters()
    assert connection.used_up
    assert [c.state for c in found] == [PinState.OK] * 2 + [PinState.ABSENT] * 8


def test_without_short_identifiers_the_files_are_selected() -> None:
    connection = ScriptedConnection(
        [
            line(JPKI, OK),
            line("00A4020C020018", OK),
            line("00200080", "63C3"),
            line("00A4020C02001B", "6A82"),
        ]
    )
    pins = PinGuard(Channel(connection, sfi=False))
    first, second = pins.counters(PinKind.AUTH, PinKind.SIGN)
    assert connection.used_up
    assert (first.attempts_left, second.state) == (3, PinState.ABSENT)


def test_the_licence_only_if_asked_for() -> None:
    pins, connection = guard(line(LICENCE, OK), line("00200086", "63CA"))
    (found,) = pins.counters(PinKind.LICENCE)
    assert connection.used_up
    assert (found.kind, found.attempts_left) == (PinKind.LICENCE, 10)


def test_no_application_at_all_is_not_our_card() -> None:
    pins, _ = guard(*(line(aid, "6A82") for aid in (JPKI, TEXT, SURFACE, COMMON, JUKI)))
    with pytest.raises(NotOurCardError):
        pins.counters()


def test_the_first_select_may_answer_6f00_once() -> None:
    pins, connection = guard(line(JPKI, "6F00"), *auth("63C3"))
    assert pins.counter(PinKind.AUTH).attempts_left == 3
    assert connection.used_up
    pins, connection = guard(line(JPKI, "6F00"), line(JPKI, "6F00"))
    with pytest.raises(StatusWordError):
        pins.counter(PinKind.AUTH)
    assert connection.used_up


def test_a_later_select_is_not_sent_again() -> None:
    pins, connection = guard(*auth("63C3"), line(TEXT, "6F00"))
    found = pins.counters(PinKind.AUTH, PinKind.TEXT)
    assert connection.used_up
    assert found[1].state is PinState.UNKNOWN


@pytest.mark.parametrize(
    ("query", "left"), [("63C3", 3), ("63C2", 3), ("9000", 3), ("6300", None), ("63C9", 9)]
)
def test_a_right_pin(query: str, left: int | None) -> None:
    pins, connection = guard(*auth(query, OK))
    value = bytearray(b"1234")
    after = pins.verify(PinKind.AUTH, value)
    assert connection.used_up
    assert connection.presented == 1
    assert after.attempts_left == left
    assert value == bytes(4)


def test_a_repeated_answer_to_select_does_not_hide_the_last_try() -> None:
    pins, connection = guard(line(JPKI, OK), line(QUERY_AUTH, OK), line(QUERY_AUTH, "63C1"))
    with pytest.raises(PinLastTryError):
        pins.verify(PinKind.AUTH, bytearray(b"1234"))
    assert connection.used_up
    assert connection.presented == 0


@pytest.mark.parametrize(
    ("query", "answer", "error", "code", "left"),
    [
        ("63C3", "63C2", PinIncorrectError, "pin_incorrect", 2),
        ("63C2", "63C1", PinIncorrectError, "pin_incorrect", 1),
        ("9000", "63C2", PinIncorrectError, "pin_incorrect", 2),
        ("63C3", "63C0", PinBlockedError, "pin_blocked_now", 0),
        ("63C3", "6983", PinBlockedError, "pin_blocked", 0),
        ("63C3", "6984", PinBlockedError, "pin_blocked", 0),
        ("6300", "6300", PinIncorrectError, "pin_incorrect_unlimited", None),
        ("63C3", CardRemovedError(), PinOutcomeUnknownError, "pin_outcome_unknown", None),
        ("63C3", TransportTimeoutError(), PinOutcomeUnknownError, "pin_outcome_unknown", None),
        ("63C3", MalformedResponseError(), PinOutcomeUnknownError, "pin_outcome_unknown", None),
    ],
)
def test_other_answers_to_verify(
    query: str, answer: str | Exception, error: type[PinError], code: str, left: int | None
) -> None:
    pins, connection = guard(*auth(query, answer))
    value = bytearray(b"1234")
    with pytest.raises(error) as caught:
        pins.verify(PinKind.AUTH, value)
    assert connection.used_up
    assert connection.presented == 1
    assert (caught.value.code, caught.value.attempts_left) == (code, left)
    assert caught.value.kind is PinKind.AUTH
    assert value == bytes(4)
    if isinstance(answer, Exception):
        assert caught.value.__cause__ is answer


@pytest.mark.parametrize(
    ("then", "left"), [("63C2", 2), ("6984", 0), ("6A82", None), (CardRemovedError(), None)]
)
@pytest.mark.parametrize("word", ["6982", "6700", "6CFF", "6F00", "6102"])
def test_a_word_that_counts_nothing_asks_the_counter(
    word: str, then: str | Exception, left: int | None
) -> None:
    script = auth("63C3", word, then)
    if then == "6A82":
        script.append(line("00A4020C020018", "6A82"))
    pins, connection = guard(*script)
    value = bytearray(b"1234")
    with pytest.raises(StatusWordError) as caught:
        pins.verify(PinKind.AUTH, value)
    assert connection.used_up
    assert connection.presented == 1
    assert caught.value.code == "pin_refused"
    assert caught.value.values["attempts_left"] == left
    assert value == bytes(4)


@pytest.mark.parametrize(
    ("query", "error", "code"),
    [
        ("63C0", PinBlockedError, "pin_blocked"),
        ("6983", PinBlockedError, "pin_blocked"),
        ("6984", PinBlockedError, "pin_blocked"),
        ("63C1", PinLastTryError, "pin_last_try"),
    ],
)
def test_what_the_counter_forbids(query: str, error: type[PinError], code: str) -> None:
    pins, connection = guard(*auth(query))
    value = bytearray(b"1234")
    with pytest.raises(error) as caught:
        pins.verify(PinKind.AUTH, value)
    assert connection.used_up
    assert connection.presented == 0
    assert caught.value.code == code
    assert value == bytes(4)
    assert connection.events[-1] == "shared"  # nothing was presented: others may go on
    assert not pins.holds_card


@pytest.mark.parametrize("query", ["6982", "6700", "6D00"])
def test_a_counter_that_cannot_be_read_forbids_verify(query: str) -> None:
    pins, connection = guard(
        line(JPKI, OK),
        line(QUERY_AUTH, query),
        line("00A4020C020018", OK),
        line("00200080", query),
    )
    value = bytearray(b"1234")
    with pytest.raises(StatusWordError) as caught:
        pins.verify(PinKind.AUTH, value)
    assert f"{int(caught.value.sw):04X}" == query
    assert connection.used_up
    assert connection.presented == 0
    assert value == bytes(4)


def test_the_last_try_if_allowed() -> None:
    pins, connection = guard(*auth("63C1", "63C0"))
    with pytest.raises(PinBlockedError) as caught:
        pins.verify(PinKind.AUTH, bytearray(b"1234"), last_try=True)
    assert caught.value.values["this_try"] is True
    assert connection.used_up


def test_a_blocked_pin_stays_so_with_last_try() -> None:
    pins, connection = guard(*auth("63C0"))
    with pytest.raises(PinBlockedError):
        pins.verify(PinKind.AUTH, bytearray(b"1234"), last_try=True)
    assert connection.presented == 0


@pytest.mark.parametrize("value", [b"", b"123", b"12345", b"12a4", "１２３４".encode()])
def test_a_wrong_form_sends_nothing(value: bytes) -> None:
    pins, connection = guard()
    buffer = bytearray(value)
    with pytest.raises(PinFormatError):
        pins.verify(PinKind.AUTH, buffer)
    assert not connection.events
    assert buffer == bytes(len(value))


@pytest.mark.parametrize("value", [b"1234", "1234", memoryview(b"1234")])
def test_a_pin_that_cannot_be_wiped_is_refused(value: object) -> None:
    pins, connection = guard()
    with pytest.raises(TypeError):
        pins.verify(PinKind.AUTH, value)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pins.change(PinKind.AUTH, bytearray(b"1234"), value)  # type: ignore[arg-type]
    assert not connection.events


def test_an_absent_application_or_pin() -> None:
    pins, connection = guard(line(JUKI, "6A82"))
    with pytest.raises(PinError) as caught:
        pins.verify(PinKind.JUKI, bytearray(b"1234"))
    assert caught.value.code == "pin_absent"
    pins, connection = guard(
        line(TEXT, OK), line("00200091", "6A88"), line("00A4020C020011", "6A82")
    )
    with pytest.raises(PinError) as caught:
        pins.verify(PinKind.TEXT, bytearray(b"1234"))
    assert caught.value.code == "pin_absent"
    assert connection.presented == 0
    pins, _ = guard(line(JUKI, "6A82"))
    assert pins.counter(PinKind.JUKI).state is PinState.ABSENT


def test_the_link_may_drop_before_verify() -> None:
    pins, connection = guard(line(JPKI, OK), line(QUERY_AUTH, CardRemovedError()))
    value = bytearray(b"1234")
    with pytest.raises(CardRemovedError):  # and not «outcome unknown»: nothing was presented
        pins.verify(PinKind.AUTH, value)
    assert connection.presented == 0
    assert value == bytes(4)
    assert not pins.holds_card


def test_an_interrupt_during_verify_wipes_and_passes() -> None:
    pins, connection = guard(line(JPKI, OK), line(QUERY_AUTH, "63C3"))
    value = bytearray(b"1234")

    def interrupted(apdu: bytes | bytearray) -> tuple[bytes, object]:
        raise KeyboardInterrupt

    transmit = connection.transmit

    def answer(apdu: bytes | bytearray) -> object:
        return interrupted(apdu) if len(apdu) > 5 and apdu[1] == 0x20 else transmit(apdu)

    connection.transmit = answer  # type: ignore[method-assign,assignment]
    pins = PinGuard(Channel(connection))
    with pytest.raises(KeyboardInterrupt):
        pins.verify(PinKind.AUTH, value)
    assert value == bytes(4)


def test_another_application_for_the_same_kind() -> None:
    pins, connection = guard(
        line(TEXT, OK),
        line("00200095", "63CA"),
        line("002000950E" + b"55021720352285".hex(), OK),
    )
    after = pins.verify(PinKind.NUMBER_B, bytearray(b"55021720352285"), application=TEXT_AP)
    assert connection.used_up
    assert after.application_name == "text"


def test_the_sign_password_is_folded() -> None:
    pins, connection = guard(
        line(JPKI, OK), line(QUERY_SIGN, "63C5"), line("0020009B06414243313233", OK)
    )
    value = bytearray(b"abc123")
    pins.verify(PinKind.SIGN, value)
    assert connection.used_up
    assert value == bytes(6)


def test_exclusive_from_the_first_pin_until_release() -> None:
    pins, connection = guard(
        *auth("63C3", OK), line(QUERY_SIGN, "63C5"), line("0020009B06414243313233", "63C4")
    )
    pins.verify(PinKind.AUTH, bytearray(b"1234"))
    with pytest.raises(PinIncorrectError):
        pins.verify(PinKind.SIGN, bytearray(b"ABC123"))
    assert connection.events[0] == "exclusive"
    assert connection.events.count("exclusive") == 1
    assert "shared" not in connection.events
    assert pins.holds_card
    pins.release()
    assert connection.events[-1] == "shared"
    pins.release()
    assert connection.events.count("shared") == 1


def test_an_absent_application_is_named() -> None:
    from jpki.card.selection import read_file

    connection = ScriptedConnection([line(TEXT, "6A82")])
    with pytest.raises(FileNotFoundOnCardError) as caught:
        read_file(Channel(connection), TEXT_AP, "attributes")
    assert (caught.value.code, caught.value.values["application"]) == ("application_absent", "text")
