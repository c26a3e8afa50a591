# SPDX-License-Identifier: Apache-2.0
"""The in-process connection: power, removal, limits."""

from __future__ import annotations

import threading

import pytest

from jpki.emulator import VirtualConnection, load_card, serve_vpcd
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import CardRemovedError
from jpki_apdu.vpcd import VpcdReaderSide
from virtual_terminal import AT

SELECT = bytes.fromhex("00A4040C0AD392F000260100000001")
PIN = bytes.fromhex("002000980431323334")
SIGN = bytes.fromhex("802A0097010100")


@pytest.fixture
def connection() -> VirtualConnection:
    return VirtualConnection(load_card("hanako", at=AT))


def test_exchange(connection: VirtualConnection) -> None:
    with connection as open_connection, open_connection.exclusive():
        assert open_connection.transmit(SELECT) == (b"", 0x9000)
        data, sw = open_connection.transmit(bytearray.fromhex("00B08A0004"))
        assert (len(data), int(sw)) == (4, 0x9000)
    assert connection.name == "virtual:hanako"
    assert connection.atr[:1] == b"\x3b"
    assert connection.limits == ReplyLimits(256, 65536)


def test_limits_can_be_those_of_a_small_reader() -> None:
    limits = ReplyLimits(128, 0)
    assert VirtualConnection(load_card("hanako", at=AT), limits).limits == limits


def test_power_off_forgets_and_stays_usable(connection: VirtualConnection) -> None:
    for apdu in (SELECT, PIN, SIGN):
        assert connection.transmit(apdu)[1] == 0x9000
    connection.power_off()
    assert connection.transmit(SIGN)[1] == 0x6986
    connection.transmit(SELECT)
    assert connection.transmit(SIGN)[1] == 0x6982


def test_close_and_eject(connection: VirtualConnection) -> None:
    connection.transmit(SELECT)
    connection.eject()
    with pytest.raises(CardRemovedError):
        connection.transmit(SELECT)
    connection.insert()
    assert connection.transmit(SIGN)[1] == 0x6986
    connection.close()
    connection.close()
    with pytest.raises(CardRemovedError):
        connection.transmit(SELECT)


def test_served_to_a_virtual_reader() -> None:
    """The same card over the wire: power, ATR, commands; taken out when told to stop."""
    card, stop = load_card("hanako", at=AT), threading.Event()
    reader = VpcdReaderSide("127.0.0.1", 0, timeout=10)
    server = threading.Thread(target=serve_vpcd, args=(card, "127.0.0.1", reader.port, stop))
    server.start()
    try:
        reader.accept(wait=10)
        assert reader.atr == card.atr
        words = [reader.transmit(apdu)[1] for apdu in (SELECT, PIN, SIGN)]
        assert words == [0x9000] * 3
        reader.power_off()
        assert reader.transmit(SIGN)[1] == 0x6986
    finally:
        stop.set()
        server.join(timeout=10)
        reader.close()
    assert not server.is_alive()
