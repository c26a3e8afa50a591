# SPDX-License-Identifier: Apache-2.0
"""What is selected, and every command but the long reads (``test_binary.py``)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from file_card import (
    AID,
    GUARDED_FID,
    KEY_FID,
    OTHER_AID,
    PIN_FID,
    card,
    pattern,
)
from jpki_apdu.channel import Channel, Selection
from jpki_apdu.command import CommandApdu
from jpki_apdu.errors import (
    CardRemovedError,
    CardResetError,
    CardUnresponsiveError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    NoServiceError,
    ReaderBusyError,
    SecurityStatusError,
    StaleSessionError,
    TransportError,
    TransportTimeoutError,
)

SELECT = "00a4040c08" + AID.hex()
SELECT_OTHER = "00a4040c08" + OTHER_AID.hex()


# Selection.


def test_select_is_sent_once_and_only_when_needed() -> None:
    fake = card()
    channel = Channel(fake)
    assert channel.selection == Selection()
    channel.select(AID)
    channel.select(AID)
    assert fake.sent == [SELECT]
    assert channel.selection == Selection(AID)
    channel.select_file(0x0A)
    channel.select_file(0x0A)
    assert fake.sent == [SELECT, "00a4020c02000a"]
    assert channel.selection == Selection(AID, 0x0A)
    channel.select(OTHER_AID)
    assert channel.selection == Selection(OTHER_AID)
    assert channel.apdus == len(fake.sent) == 3
    assert channel.connection is fake


def test_a_refused_application_leaves_the_current_one() -> None:
    fake = card()
    channel = Channel(fake)
    channel.select(AID)
    with pytest.raises(FileNotFoundOnCardError) as caught:
        channel.select(b"\xa0\0\0\0\0\x09")
    assert caught.value.values == {"sw": "6A82", "ins": "A4"}
    assert channel.selection == Selection(AID)
    channel.select(AID)
    assert len(fake.sent) == 2


def test_a_refused_file_is_not_current() -> None:
    channel = Channel(card())
    channel.select(AID)
    channel.select_file(0x0A)
    with pytest.raises(FileNotFoundOnCardError):
        channel.select_file(0x0099)
    assert channel.selection == Selection(AID)


def test_an_unintelligible_select_leaves_the_selection_unknown() -> None:
    fake = card()
    channel = Channel(fake)
    channel.select(AID)
    fake.faults[2] = MalformedResponseError()
    with pytest.raises(MalformedResponseError):
        channel.select(OTHER_AID)
    assert channel.selection == Selection()
    channel.read_file(AID, 0x01, 40)
    assert fake.sent[2] == SELECT


@pytest.mark.parametrize("aid", [b"", bytes(17)])
def test_an_aid_has_1_to_16_bytes(aid: bytes) -> None:
    with pytest.raises(ValueError, match="AID"):
        Channel(card()).select(aid)


SELECTING: list[tuple[CommandApdu, Selection]] = [
    (CommandApdu(0, 0xA4, 4, 0x0C, OTHER_AID), Selection(OTHER_AID)),
    (CommandApdu(0, 0xA4, 4, 0x0C, bytes(5)), Selection(AID)),
    (CommandApdu(0, 0xA4, 4, 0x0E, AID), Selection()),  # «next occurrence»: who knows which
    (CommandApdu(0, 0xA4, 2, 0x0C, b"\0\x01"), Selection(AID, 0x01)),
    (CommandApdu(0, 0xA4, 2, 0x0C, b"\0\x99"), Selection(AID)),
    (CommandApdu(0, 0xA4, 0, 0), Selection()),
    (CommandApdu(0, 0xB0, 0, 0, le=4), Selection(AID, 0x0A)),
    (CommandApdu(0, 0xB0, 0x81, 0, le=4), Selection(AID)),
    (CommandApdu(0, 0x84, 0, 0, le=4), Selection(AID, 0x0A)),
    (CommandApdu(0, 0xCA, 0, 0x42, le=256), Selection(AID, 0x0A)),
    (CommandApdu(0, 0x20, 0, 0x98), Selection(AID)),
]


@pytest.mark.parametrize(("command", "after"), SELECTING)
def test_a_raw_command_does_not_mislead_the_channel(command: CommandApdu, after: Selection) -> None:
    channel = Channel(card())
    channel.select(AID)
    channel.select_file(0x0A)
    channel.transmit(command)
    assert channel.selection == after


def test_exchange_gives_data_or_the_typed_error() -> None:
    channel = Channel(card())
    channel.select(AID)
    assert channel.exchange(CommandApdu(0, 0xB0, 0x8A, 0, le=4)) == pattern(4)
    with pytest.raises(SecurityStatusError):
        channel.exchange(CommandApdu(0, 0xB0, 0x80 | GUARDED_FID, 0, le=4))


def test_power_off_forgets_but_is_no_loss() -> None:
    fake = card()
    channel = Channel(fake)
    channel.read_file(AID, 0x01, 40)
    channel.power_off()
    assert channel.selection == Selection()
    assert fake.aid is None
    assert channel.read_file(AID, 0x01, 40) == pattern(40)


# A card that was reset, or left.

EVERYTHING: dict[str, Callable[[Channel], object]] = {
    "transmit": lambda c: c.transmit(CommandApdu(0, 0xB0, 0, 0, le=1)),
    "exchange": lambda c: c.exchange(CommandApdu(0, 0x84, 0, 0, le=8)),
    "select_file": lambda c: c.select_file(0x0A),
    "read_file": lambda c: c.read_file(AID, 0x0A),
    "read_record": lambda c: c.read_record(AID, 0x01, 1),
    "query_reference": lambda c: c.query_reference(AID, PIN_FID),
    "verify": lambda c: c.verify(AID, PIN_FID, bytearray(b"4711")),
    "change_reference": lambda c: c.change_reference(AID, PIN_FID, bytearray(b"4712")),
    "compute_signature": lambda c: c.compute_signature(AID, KEY_FID, b"x"),
    "default_key": lambda c: c.compute_signature(AID, None, b"x"),
    "get_challenge": lambda c: c.get_challenge(8),
    "get_data": lambda c: c.get_data(0x42),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_after_a_reset_nothing_is_sent_until_an_application_is_selected(name: str) -> None:
    fake = card()
    channel = Channel(fake)
    channel.verify(AID, PIN_FID, bytearray(b"4711"))
    fake.faults[len(fake.sent) + 1] = CardResetError()
    with pytest.raises(CardResetError):
        channel.get_challenge(8)
    sent = len(fake.sent)
    assert channel.selection == Selection()
    with pytest.raises(StaleSessionError) as caught:
        EVERYTHING[name](channel)
    assert caught.value.values == {"reason": "card_reset"}
    assert len(fake.sent) == sent

    with pytest.raises(FileNotFoundOnCardError):
        channel.select(b"\xa0\0\0\0\0\x09")
    with pytest.raises(StaleSessionError):
        channel.read_file(AID, 0x01, 40)
    channel.select(AID)
    assert channel.read_file(AID, 0x01, 40) == pattern(40)
    with pytest.raises(StaleSessionError):
        channel.change_reference(AID, PIN_FID, bytearray(b"4712"))


def test_a_raw_select_by_name_also_ends_a_reset() -> None:
    fake = card()
    channel = Channel(fake)
    fake.faults[1] = CardResetError()
    with pytest.raises(CardResetError):
        channel.select(AID)
    channel.exchange(CommandApdu(0, 0xA4, 4, 0x0C, AID))
    assert channel.read_file(AID, 0x01, 40) == pattern(40)


@pytest.mark.parametrize(
    "gone",
    [
        CardRemovedError,
        CardUnresponsiveError,
        NoServiceError,
        TransportTimeoutError,
        TransportError,
    ],
)
@pytest.mark.parametrize("name", [*EVERYTHING, "select"])
def test_a_card_that_left_is_gone_for_good(name: str, gone: type[TransportError]) -> None:
    """What comes next in the reader may be another person's card."""
    fake = card()
    channel = Channel(fake)
    fake.faults[1] = gone()
    with pytest.raises(gone):
        channel.select(AID)
    with pytest.raises(StaleSessionError) as caught:
        (EVERYTHING | {"select": lambda c: c.select(AID)})[name](channel)
    assert caught.value.values == {"reason": gone.default_code}
    assert len(fake.sent) == 1


def test_a_reset_that_was_noticed_between_two_commands_counts_too() -> None:
    """By the start of a transaction, for one: the channel was not asked."""
    fake = card()
    channel = Channel(fake)
    channel.read_file(AID, 0x01, 40)
    fake.resets += 1
    with pytest.raises(StaleSessionError) as caught:
        channel.read_file(AID, 0x01, 40)
    assert caught.value.values == {"reason": "card_reset"}
    channel.select(AID)
    assert fake.sent.count(SELECT) == 2
    assert channel.read_file(AID, 0x01, 40) == pattern(40)


def test_a_busy_reader_is_worth_another_try() -> None:
    fake = card()
    channel = Channel(fake)
    fake.faults[1] = ReaderBusyError()
    with pytest.raises(ReaderBusyError):
        channel.select(AID)
    channel.select(AID)
    assert channel.read_file(AID, 0x01, 40) == pattern(40)


@pytest.mark.parametrize("at", range(1, 9))
def test_a_fault_at_every_command_of_a_long_read(at: int) -> None:
    fake = card()
    fake.faults[at] = CardResetError()
    channel = Channel(fake)
    with pytest.raises(CardResetError):
        channel.read_file(AID, 0x0A, 1586)
    assert len(fake.sent) == at
    channel.select(AID)
    assert channel.read_file(AID, 0x0A, 1586) == pattern(1586)
