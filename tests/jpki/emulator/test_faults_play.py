# SPDX-License-Identifier: Apache-2.0
"""What each fault does, command by command: in process, and over the wire of the virtual reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jpki.emulator import VirtualConnection, load_card
from jpki_apdu.errors import (
    CardRemovedError,
    CardResetError,
    MalformedResponseError,
    ReaderBusyError,
    TransportTimeoutError,
)
from jpki_apdu.vpcd import VpcdCardSide, VpcdReaderSide
from virtual_terminal import AT
from vpcd_card import HOST, Serving

SELECT = bytes.fromhex("00A4040C0AD392F000260100000001")
WRONG_PIN = bytes.fromhex("002000980439393939")
PIN = bytes.fromhex("002000980431323334")
QUERY = bytes.fromhex("00200098")
READ = bytes.fromhex("00B08A0000")  # 256 bytes of the auth certificate
READ_LONG = bytes.fromhex("00B08A00000400")  # 1024
SIGN = bytes.fromhex("802A0097010100")
CHALLENGE = bytes.fromhex("0084000010")
INFO = bytes.fromhex("00B0860000")  # 160 bytes of token information
COMMANDS = (SELECT, PIN, READ, SIGN)


def connect(*faults: str) -> VirtualConnection:
    card = load_card("hanako", at=AT, faults=faults)
    card.sleep = None
    return VirtualConnection(card)


def plain(apdu: bytes) -> bytes:
    """The data of a command on a card without faults."""
    return connect().transmit(SELECT)[0] if apdu == SELECT else after_select().transmit(apdu)[0]


def after_select(*faults: str) -> VirtualConnection:
    connection = connect(*faults)
    connection.transmit(SELECT)
    return connection


@pytest.mark.parametrize(("point", "left"), [("before", 3), ("during", 2), ("after", 2)])
def test_pulled_out(point: str, left: int) -> None:
    connection = after_select(f"pull:{point}@2")
    if point == "after":
        assert connection.transmit(WRONG_PIN)[1] == 0x63C2
    else:
        with pytest.raises(CardRemovedError):
            connection.transmit(WRONG_PIN)
    for _ in range(2):
        with pytest.raises(CardRemovedError):
            connection.transmit(QUERY)
    assert connection.card.tries()["jpki/0018"] == left
    connection.insert()
    assert connection.transmit(QUERY)[1] == 0x6986  # nothing is selected any more
    assert connection.card.apdus == {"before": 2, "during": 3, "after": 3}[point]


def test_out_and_in_within_one_poll_gives_one_error_and_a_blank_card() -> None:
    connection = connect("reinsert@4")
    for apdu in (SELECT, WRONG_PIN, PIN):
        connection.transmit(apdu)
    with pytest.raises(CardRemovedError):
        connection.transmit(SIGN)
    assert connection.transmit(SIGN)[1] == 0x6986
    connection.transmit(SELECT)
    assert connection.transmit(SIGN)[1] == 0x6982
    assert connection.transmit(WRONG_PIN)[1] == 0x63C2  # counters are kept


def test_counters_survive_reinsertion() -> None:
    connection = connect("reinsert@3")
    connection.transmit(SELECT)
    connection.transmit(WRONG_PIN)
    with pytest.raises(CardRemovedError):
        connection.transmit(QUERY)
    connection.transmit(SELECT)
    assert connection.transmit(QUERY)[1] == 0x63C2


def test_reset_by_another_program_is_counted() -> None:
    connection = after_select("reset@2")
    with pytest.raises(CardResetError):
        connection.transmit(QUERY)
    assert connection.resets == 1
    assert connection.transmit(QUERY)[1] == 0x63C3


@pytest.mark.parametrize(("fault", "sw", "left"), [("sw", 0x6F00, 3), ("sw:after", 0x6F00, 2)])
def test_a_chosen_status_word(fault: str, sw: int, left: int) -> None:
    connection = after_select(f"{fault}=6F00@verify")
    assert connection.transmit(WRONG_PIN) == (b"", sw)
    assert connection.card.tries()["jpki/0018"] == left


def test_which_command_is_meant() -> None:
    connection = connect("sw=6F00@read#2", "sw=6F01@0xA4#2", "sw=6F02@6")
    words = [connection.transmit(a)[1] for a in (SELECT, READ, READ, READ, SELECT, QUERY, QUERY)]
    assert words == [0x9000, 0x9000, 0x6F00, 0x9000, 0x6F01, 0x6F02, 0x63C3]
    connection = connect("sw=6F00@query")
    assert [connection.transmit(a)[1] for a in (SELECT, PIN, QUERY, QUERY)] == [
        0x9000, 0x9000, 0x6F00, 0x6F00,
    ]  # fmt: skip
    connection = connect("sw=6F00@any")
    assert [connection.transmit(a)[1] for a in (SELECT, b"\0" * 4)] == [0x6F00, 0x6F00]


def test_setting_faults_begins_the_count_anew() -> None:
    connection = after_select("sw=6F00@3")
    connection.transmit(QUERY)
    connection.card.faults = ("sw=6F00@1",)
    assert connection.transmit(QUERY)[1] == 0x6F00
    connection.card.faults = ()
    assert connection.transmit(QUERY)[1] == 0x63C3


def test_a_cut_reply_loses_its_status_word() -> None:
    whole = plain(READ)
    data, sw = after_select("reply:cut=102@2").transmit(READ)
    assert (data, sw.to_bytes(2, "big")) == (whole[:100], whole[100:102])
    with pytest.raises(MalformedResponseError):
        after_select("reply:cut=1@2").transmit(READ)


def test_one_bit_is_wrong() -> None:
    whole = plain(READ)
    last, _ = after_select("reply:flip@2").transmit(READ)
    first, _ = after_select("reply:flip=0@2").transmit(READ)
    assert last == whole[:-1] + bytes((whole[-1] ^ 1,))
    assert first == bytes((whole[0] ^ 1,)) + whole[1:]
    assert after_select("reply:flip@2").transmit(QUERY) == (b"", 0x63C3)  # no data, no fault


def test_the_answer_before_arrives_again() -> None:
    connection = after_select("reply:repeat@3")
    whole = connection.transmit(READ)
    assert connection.transmit(QUERY) == whole
    assert connection.transmit(QUERY)[1] == 0x63C3
    assert connect("reply:repeat@1").transmit(SELECT)[1] == 0x9000  # there is none before


def test_late_and_missing_answers_take_no_time_here() -> None:
    slept: list[float] = []
    connection = after_select("reply:delay=2s@2", "reply:delay=31s@3")
    connection.card.sleep = slept.append
    assert connection.transmit(QUERY)[1] == 0x63C3
    with pytest.raises(TransportTimeoutError):
        connection.transmit(QUERY)
    assert slept == [2.0, 30.0]
    connection = after_select("reply:never@verify")
    with pytest.raises(TransportTimeoutError):
        connection.transmit(WRONG_PIN)
    with pytest.raises(CardRemovedError):  # the link was given up
        connection.transmit(QUERY)
    assert connection.card.tries()["jpki/0018"] == 2


@pytest.mark.parametrize("size", [1, 100, 128, 250, 255, 256])
@pytest.mark.parametrize("apdu", [READ, READ_LONG, INFO])
def test_61xx_hands_out_every_byte(size: int, apdu: bytes) -> None:
    connection = after_select(f"card:61xx={size}")
    data, sw = connection.transmit(apdu)
    while sw >> 8 == 0x61:
        assert len(data) % size == 0
        part, sw = connection.transmit(bytes((0, 0xC0, 0, 0, min(sw & 0xFF or 256, size) & 0xFF)))
        assert 0 < len(part) <= size
        data += part
    assert (data, sw) == (plain(apdu), 0x9000)


def test_what_waits_for_get_response_is_lost_with_any_other_command() -> None:
    connection = after_select("card:61xx=100")
    for between in (lambda: connection.transmit(QUERY), connection.power_off):
        connection.transmit(SELECT)
        assert connection.transmit(READ)[1] == 0x619C
        between()
        assert connection.transmit(bytes.fromhex("00C0000000"))[1] == 0x6985


def test_6cxx_until_the_length_is_exact() -> None:
    connection = after_select("card:6Cxx")
    assert connection.transmit(INFO) == (b"", 0x6CA0)
    assert connection.transmit(INFO[:4] + b"\xa0") == (plain(INFO), 0x9000)
    assert connection.transmit(READ) == (plain(READ), 0x9000)
    assert connection.transmit(QUERY)[1] == 0x63C3


def test_6f00_after_every_power_up() -> None:
    connection = connect("card:6F00")
    assert [connection.transmit(SELECT)[1] for _ in range(2)] == [0x6F00, 0x9000]
    connection.power_off()
    assert [connection.transmit(SELECT)[1] for _ in range(2)] == [0x6F00, 0x9000]


@pytest.mark.parametrize("apdu", [READ, READ_LONG])
def test_small_readers(apdu: bytes) -> None:
    whole = plain(apdu)
    assert after_select("reader:6700=128").transmit(apdu) == (b"", 0x6700)
    assert after_select("reader:trim=128").transmit(apdu) == (whole[:128], 0x9000)
    assert after_select("reader:cut=128").transmit(apdu)[0] == whole[:126]
    with pytest.raises(CardRemovedError):
        after_select("reader:break=128").transmit(apdu)
    short = apdu[:4] + b"\x80"
    for how in ("6700", "trim", "cut", "break"):
        assert after_select(f"reader:{how}=128").transmit(short) == (whole[:128], 0x9000)


def test_readers_that_lie_about_extended_length() -> None:
    whole = plain(READ_LONG)
    assert after_select("extended:6700").transmit(READ_LONG) == (b"", 0x6700)
    assert after_select("extended:trim=256").transmit(READ_LONG) == (whole[:256], 0x9000)
    assert after_select("extended:cut=256").transmit(READ_LONG)[0] == whole[:254]
    broken = after_select("extended:break")
    assert broken.limits.extended == 65536  # which is the lie
    with pytest.raises(CardRemovedError):
        broken.transmit(READ_LONG)
    for how in ("6700", "trim=256", "cut=256", "break"):
        assert after_select(f"extended:{how}").transmit(READ) == (plain(READ), 0x9000)


def test_exclusive_access_held_by_another() -> None:
    with pytest.raises(ReaderBusyError):
        connect("busy:open")
    connection = after_select("busy:exclusive")
    with pytest.raises(ReaderBusyError), connection.exclusive():
        pytest.fail("not reached")
    assert connection.transmit(QUERY)[1] == 0x63C3


def test_a_wrong_certificate_and_the_right_one_again() -> None:
    right = plain(READ_LONG)
    connection = after_select("wrong:auth-certificate")
    wrong, sw = connection.transmit(READ_LONG)
    assert (sw, wrong[:2]) == (0x9000, b"\x30\x82")
    assert wrong != right
    connection.card.faults = ()
    connection.transmit(SELECT)
    assert connection.transmit(READ_LONG)[0] == right


def test_a_wrong_answer_to_a_challenge() -> None:
    answers = []
    for fault in ((), ("wrong:answer",)):
        connection = after_select(*fault)
        connection.transmit(PIN)
        answers.append(connection.transmit(SIGN))
        assert len(connection.transmit(CHALLENGE)[0]) == 16
    (right, sw), (wrong, _) = answers
    assert (sw, wrong) == (0x9000, right[:-1] + bytes((right[-1] ^ 1,)))


# Over the wire.


@contextmanager
def served(*faults: str, timeout: float = 5.0) -> Iterator[tuple[VpcdReaderSide, Serving]]:
    card = load_card("hanako", at=AT, faults=faults)
    with VpcdReaderSide(HOST, 0, timeout=timeout) as reader:
        serving = Serving(VpcdCardSide(HOST, reader.port, card))
        try:
            reader.accept(5)
            yield reader, serving
        finally:
            serving.end()
        assert serving.error is None


@pytest.mark.parametrize(
    ("fault", "word"),
    [("sw=6F00@2", 0x6F00), ("sw:after=6F00@2", 0x6F00), ("reply:delay=10ms@2", 0x63C3),
     ("pull:after@2", 0x63C3), ("reply:repeat@2", 0x9000)],
)  # fmt: skip
def test_answers_over_the_wire(fault: str, word: int) -> None:
    with served(fault) as (reader, _):
        reader.transmit(SELECT)
        assert reader.transmit(QUERY)[1] == word


@pytest.mark.parametrize("fault", ["pull:before@2", "pull:during@2", "reinsert@2"])
def test_a_card_that_leaves_over_the_wire(fault: str) -> None:
    with served(fault) as (reader, _):
        reader.transmit(SELECT)
        for _ in range(2):
            with pytest.raises(CardRemovedError):
                reader.transmit(QUERY)


def test_out_and_in_over_the_wire() -> None:
    with served("reinsert@3") as (reader, _):
        for apdu in (SELECT, WRONG_PIN):
            reader.transmit(apdu)
        with pytest.raises(CardRemovedError):
            reader.transmit(QUERY)
        reader.accept(5)
        assert reader.transmit(QUERY)[1] == 0x6986
        reader.transmit(SELECT)
        assert reader.transmit(QUERY)[1] == 0x63C2


def test_pulled_out_ends_the_service() -> None:
    with served("pull:during@1") as (reader, serving):
        with pytest.raises(CardRemovedError):
            reader.transmit(SELECT)
        serving.join()


def test_no_answer_over_the_wire() -> None:
    with served("reply:never@2", timeout=0.1) as (reader, serving):
        reader.transmit(SELECT)
        with pytest.raises(TransportTimeoutError):
            reader.transmit(WRONG_PIN)
        serving.join()  # the reader hung up, so the card is out


def test_a_reply_of_one_byte_over_the_wire() -> None:
    with served("reply:cut=1@1") as (reader, _), pytest.raises(MalformedResponseError):
        reader.transmit(SELECT)


def test_told_to_stop_while_an_answer_is_late() -> None:
    with served("reply:delay=60s@1", timeout=0.1) as (reader, serving):
        with pytest.raises(TransportTimeoutError):
            reader.transmit(SELECT)
        serving.end()
