# SPDX-License-Identifier: Apache-2.0
"""What every way to a card must do, and a card itself besides.

In process, over the virtual reader's protocol, behind pcscd, from a recording, and on a real
card: ``pytest -n0 tests/contract --reader NAME --card ID`` (see CONTRIBUTING.md).
"""

from __future__ import annotations

import pytest

from contract_bench import Bench, identity
from jpki.card import Card
from jpki.card_map import JPKI_AP
from jpki.certificate import parse_certificate
from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import FileNotFoundOnCardError, TransportError
from jpki_apdu.status import StatusWord

SELECT_JPKI = bytes((0x00, 0xA4, 0x04, 0x0C, len(JPKI_AP.aid))) + JPKI_AP.aid
SELECT_NOBODY = bytes.fromhex("00A4040C07F0000000004E4F")
QUERY_AUTH = bytes.fromhex("00200098")
VERIFY_AUTH = bytes.fromhex("00200098")
READ_TOKEN = bytes.fromhex("00B08600")
# DigestInfo would be longer; a short block is refused or signed, and only the PIN matters here.
SIGN = bytes.fromhex("802A00972054455354") + bytes(28) + b"\x00"
SECURITY = (0x6982,)
MAX_AUTH_TRIES = 3


def query(connection: CardConnection) -> StatusWord:
    return connection.transmit(QUERY_AUTH)[1]


def verify(connection: CardConnection, pin: bytes) -> StatusWord:
    return connection.transmit(VERIFY_AUTH + bytes((len(pin),)) + pin)[1]


def select_jpki(connection: CardConnection) -> None:
    data, sw = connection.transmit(SELECT_JPKI)
    assert (data, sw) == (b"", 0x9000)


def test_says_what_it_is(bench: Bench) -> None:
    with bench.open() as connection:
        assert connection.name
        assert 2 <= len(connection.atr) <= 33
        assert connection.atr[0] in (0x3B, 0x3F)
        assert 1 <= connection.limits.short <= 256
        assert connection.limits.extended == 0 or connection.limits.extended > 256
        select_jpki(connection)


def test_a_refusal_is_a_value(bench: Bench) -> None:
    with bench.open() as connection:
        data, sw = connection.transmit(SELECT_NOBODY)
        assert data == b""
        assert isinstance(sw, StatusWord)
        assert sw == 0x6A82
        select_jpki(connection)


def test_all_four_cases_are_carried(bench: Bench) -> None:
    with bench.open() as connection:
        select_jpki(connection)  # case 3
        assert query(connection).attempts_left is not None  # case 1
        data, sw = connection.transmit(READ_TOKEN + b"\x20")  # case 2
        assert (len(data), sw) == (0x20, 0x9000)
        assert connection.transmit(SIGN)[1] in SECURITY  # case 4


def test_commands_in_any_buffer(bench: Bench) -> None:
    """A PIN comes in a buffer that is wiped afterwards: it must be neither kept nor changed."""
    with bench.open() as connection:
        buffer = bytearray(SELECT_JPKI)
        assert connection.transmit(buffer)[1] == 0x9000
        assert buffer == SELECT_JPKI
        buffer[:] = bytes(len(buffer))
        select_jpki(connection)


def test_a_query_costs_no_try(bench: Bench) -> None:
    with bench.open() as connection:
        select_jpki(connection)
        first = query(connection)
        assert first.attempts_left is not None
        assert {query(connection) for _ in range(5)} == {first}


def test_power_off_forgets_the_selection(bench: Bench) -> None:
    with bench.open() as connection:
        select_jpki(connection)
        assert query(connection).attempts_left is not None
        connection.power_off()
        assert query(connection).attempts_left is None
        select_jpki(connection)
        assert query(connection).attempts_left is not None


def test_power_off_twice(bench: Bench) -> None:
    with bench.open() as connection:
        connection.power_off()
        connection.power_off()
        select_jpki(connection)


def test_exclusive_keeps_the_selection_and_nests(bench: Bench) -> None:
    with bench.open() as connection:
        select_jpki(connection)
        with connection.exclusive():
            assert query(connection).attempts_left is not None
            with connection.exclusive():
                assert query(connection).attempts_left is not None
            assert query(connection).attempts_left is not None
        assert query(connection).attempts_left is not None


def test_exclusive_ends_with_an_error_inside(bench: Bench) -> None:
    with bench.open() as connection:
        select_jpki(connection)
        with pytest.raises(KeyError), connection.exclusive():
            raise KeyError
        with connection.exclusive():
            assert query(connection).attempts_left is not None


def test_closed_is_closed(bench: Bench) -> None:
    with bench.open() as connection:
        select_jpki(connection)
        connection.close()
        with pytest.raises(TransportError):
            connection.transmit(SELECT_JPKI)
        with pytest.raises(TransportError):
            connection.power_off()
        connection.close()


def test_opened_again_it_starts_blank(bench: Bench) -> None:
    with bench.open() as connection:
        select_jpki(connection)
    with bench.open() as connection:
        assert query(connection).attempts_left is None


def test_a_file_is_the_same_in_any_pieces(bench: Bench) -> None:
    """Read whole by the library, and 100 bytes at a time."""
    with bench.open() as connection:
        whole = Card(connection).jpki.certificate("auth")
    with bench.open() as connection:
        select_jpki(connection)
        assert connection.transmit(bytes.fromhex("00A4020C02000A"))[1] == 0x9000
        pieces = b""
        while len(pieces) < len(whole):
            data, sw = connection.transmit(bytes((0, 0xB0, *divmod(len(pieces), 256), 100)))
            assert sw in (0x9000, 0x6282)
            assert 0 < len(data) <= 100
            pieces += data
    assert pieces[: len(whole)] == whole
    assert parse_certificate(whole).serial is not None


def test_the_library_reads_what_is_free(bench: Bench) -> None:
    with bench.open() as connection, Card(connection) as card:
        info = card.info()
        assert "jpki" in info.applications
        assert info.token.info.label.startswith("JPKI")
        assert len(info.counters) >= 2
        with pytest.raises(FileNotFoundOnCardError):
            card.channel.select(SELECT_NOBODY[5:])


def test_the_same_card_each_time(bench: Bench) -> None:
    seen = []
    for _ in range(2):
        with bench.open() as connection:
            seen.append(identity(connection))
    assert seen[0] == seen[1]


@pytest.mark.right_pin
def test_a_right_pin_opens_until_power_off(bench: Bench) -> None:
    assert bench.auth_pin is not None
    with bench.open() as connection:
        select_jpki(connection)
        assert connection.transmit(SIGN)[1] in SECURITY
        assert verify(connection, bench.auth_pin) == 0x9000
        assert connection.transmit(SIGN)[1] not in SECURITY
        connection.power_off()
        select_jpki(connection)
        assert connection.transmit(SIGN)[1] in SECURITY


@pytest.mark.right_pin
def test_a_right_pin_is_forgotten_at_close(bench: Bench) -> None:
    assert bench.auth_pin is not None
    with bench.open() as connection:
        select_jpki(connection)
        assert verify(connection, bench.auth_pin) == 0x9000
    with bench.open() as connection:
        select_jpki(connection)
        assert connection.transmit(SIGN)[1] in SECURITY


@pytest.mark.right_pin
@pytest.mark.wrong_pin
def test_a_wrong_pin_costs_one_try_and_a_right_one_gives_it_back(bench: Bench) -> None:
    assert bench.auth_pin is not None
    with bench.open() as connection:
        select_jpki(connection)
        # Never on a card that has lost a try already.
        assert query(connection).attempts_left == MAX_AUTH_TRIES
        wrong = b"0000" if bench.auth_pin != b"0000" else b"1111"
        assert verify(connection, wrong).attempts_left == MAX_AUTH_TRIES - 1
        assert query(connection).attempts_left == MAX_AUTH_TRIES - 1
        connection.power_off()
        select_jpki(connection)
        assert query(connection).attempts_left == MAX_AUTH_TRIES - 1
        assert verify(connection, bench.auth_pin) == 0x9000
        connection.power_off()
        select_jpki(connection)
        assert query(connection).attempts_left == MAX_AUTH_TRIES
