# SPDX-License-Identifier: Apache-2.0
"""A card that other programs reach too: what they may have selected is never relied on."""

from __future__ import annotations

import pytest

from fake_scard import FakeScard
from jpki_apdu import pcsc
from jpki_apdu.channel import Channel
from jpki_apdu.errors import CardResetError, ReaderBusyError, StaleSessionError, TransportError

AID = b"\xa0\0\0\0\0\1"
SELECT_AID = "00a4040c06a00000000001"
OK, DATA, COUNTER = [0x90, 0], [1, 2, 0x90, 0], [0x63, 0xC3]


def sent(scard: FakeScard) -> list[str]:
    """Commands and transactions, in order."""
    names = {"BeginTransaction": "begin", "EndTransaction": "end"}
    calls = [call for call in scard.calls if call[0] in {*names, "Transmit"}]
    return [names.get(str(call[0]), str(call[-1])) for call in calls]


@pytest.fixture
def channel(scard: FakeScard) -> Channel:
    channel = Channel(pcsc.open_pcsc(""))
    scard.calls.clear()
    return channel


def test_a_file_is_read_in_one_turn(scard: FakeScard, channel: Channel) -> None:
    scard.replies = [OK, DATA, OK, DATA]
    for _ in range(2):
        assert channel.read_file(AID, 0x0A, 2) == b"\1\2"
    one = ["begin", SELECT_AID, "00b08a0002", "end"]
    assert sent(scard) == one * 2


def test_within_a_turn_nothing_is_selected_twice(scard: FakeScard, channel: Channel) -> None:
    scard.replies = [OK, DATA, DATA]
    with channel.turn(), channel.turn():
        channel.read_file(AID, 0x0A, 2)
        channel.read_file(AID, 0x0B, 2)
    assert sent(scard) == ["begin", SELECT_AID, "00b08a0002", "00b08b0002", "end"]


def test_what_was_verified_is_not_thrown_away(scard: FakeScard, channel: Channel) -> None:
    """A SELECT would make the card forget the PIN."""
    scard.replies = [OK, OK, OK, DATA]
    assert channel.verify(AID, 0x18, bytearray(b"1234")) == 0x9000
    channel.compute_signature(AID, 0x17, b"x")
    assert [command for command in sent(scard) if command == SELECT_AID] == [SELECT_AID]


def test_every_command_of_its_own_takes_a_turn(scard: FakeScard, channel: Channel) -> None:
    scard.replies = [OK, COUNTER, OK, DATA, OK, DATA]
    channel.query_reference(AID, 0x18)
    channel.read_record(AID, 0x01, 1)
    channel.compute_signature(AID, 0x17, b"x")
    assert [word for word in sent(scard) if len(word) < 6] == ["begin", "end"] * 3
    assert sent(scard).count(SELECT_AID) == 3


@pytest.mark.parametrize(
    ("code", "error"), [(0x8010000B, ReaderBusyError), (0x80100068, CardResetError)]
)
def test_a_turn_that_is_not_to_be_had(
    scard: FakeScard, channel: Channel, code: int, error: type[TransportError]
) -> None:
    scard.replies = [OK, OK, OK, DATA]
    channel.select(AID)
    scard.codes["BeginTransaction"] = [code]
    with pytest.raises(error):
        channel.read_file(AID, 0x0A, 2)
    with pytest.raises(StaleSessionError):
        channel.read_file(AID, 0x0A, 2)
    channel.select(AID)
    assert channel.read_file(AID, 0x0A, 2) == b"\1\2"
