# SPDX-License-Identifier: Apache-2.0
"""Everything a PC/SC client can see, as an error or an answer of ours, through a real pcscd.

What other tests show already is not repeated here:

====================================  ===================================================
no service                            test_pcscd: test_no_daemon
exclusive use by another program      test_pcscd: test_busy_reader_is_told_apart
a card that comes later               test_pcscd: test_wait_sees_a_card_that_comes_later
PIN outcome when the card leaves      test_faults: pull:during, reinsert, reply:cut
one-byte payloads, code by code       tests/apdu/test_pcsc_card (with a stand-in)
two cards, and a PIN                  test_pcscd: test_two_cards_and_a_pin_is_refused…
no security state left behind         test_pcscd: test_no_security_state_is_left_…
a service that never answers          test_doctor: test_a_service_that_takes_the_question…
silent cards, held transactions,      test_pcsc_silence
the service killed
two clients at once, many insertions  test_pcsc_crowd
====================================  ===================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar, cast

import pytest

from jpki.emulator import EmulatedCard, load_card
from jpki.testing import pcscd
from jpki.testing.virtual_reader import VirtualReader
from pcsc_client import Client, RefusedError

SELECT_JPKI = "00A4040C0AD392F000260100000001"
QUERY_AUTH = "00200098"
LEAVE, RESET = 0, 1
BLANK = "6986"  # a query of the PIN with nothing selected

T = TypeVar("T")


class WithAtr:
    """A card with another answer to reset."""

    def __init__(self, card: EmulatedCard, atr: bytes) -> None:
        self._card = card
        self.atr = atr

    def __getattr__(self, name: str) -> object:
        return getattr(self._card, name)


def with_atr(atr: str) -> EmulatedCard:
    return cast(EmulatedCard, WithAtr(load_card("hanako"), bytes.fromhex(atr)))


def refused(client: Client, *what: object) -> tuple[str, str]:
    """Class and code of the error that this comes to."""
    with pytest.raises(RefusedError) as caught:
        client.ask(*map(str, what[:1]), *what[1:])
    return caught.value.kind, caught.value.code


def opened_anew(client: Client) -> object:
    """The answer to SELECT over a new connection, once there can be one."""

    def select() -> object:
        client.ask("close")
        client.ask("open")
        return client.ask("send", SELECT_JPKI)

    return settled(select)


# In and out.


def test_ejected_and_noticed(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    client.ask("open")
    client.ask("send", SELECT_JPKI)
    reader.eject()
    assert client.ask("readers")[0] == ["Virtual PCD 00 00", False, False]
    for what in (("send", SELECT_JPKI), ("hold",), ("power_off",)):
        assert refused(client, *what) == ("CardRemovedError", "card_removed")
    client.ask("close")
    assert refused(client, "open") == ("NoCardError", "no_card")


def until_not_noticed(attempt: Callable[[], bool]) -> None:
    """Again and again: pcscd looks every 0.4 s, which may be at the wrong moment."""
    assert any(attempt() for _ in range(20))


def test_ejected_and_not_noticed_yet(reader: VirtualReader, client: Client) -> None:
    def ejected() -> bool:
        reader.plug("hanako")
        client.ask("open")
        reader.eject(wait=False)
        if client.ask("readers")[0][1]:
            return True
        client.ask("close")
        return False

    until_not_noticed(ejected)
    assert refused(client, "send", SELECT_JPKI) == ("CardRemovedError", "card_removed")


def test_ejected_before_it_was_opened_and_not_noticed_yet(
    reader: VirtualReader, client: Client
) -> None:
    def opened() -> bool:
        reader.plug("hanako")
        client.ask("readers")
        reader.eject(wait=False)
        try:
            client.ask("open")  # pcscd has its ATR still
        except RefusedError:
            return False
        return True

    until_not_noticed(opened)
    assert refused(client, "send", SELECT_JPKI) == ("CardRemovedError", "card_removed")


def test_ejected_during_a_command(reader: VirtualReader, client: Client) -> None:
    """PC/SC calls that a success, with no byte in it."""
    card = reader.plug("hanako")
    with Client(reader) as other:
        card.faults = ["pull:during@challenge"]
        assert other.ask("other_open") == "00000000"
        assert other.ask("other_send", "0084000008") == ["00000000", ""]
    reader.insert()
    client.ask("open")
    card.faults = ["pull:during@challenge"]
    assert refused(client, "send", "0084000008") == ("CardRemovedError", "card_removed")


def test_inserted_again(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    client.ask("open")
    whole = client.ask("read")
    reader.eject()
    reader.insert()
    for what in (("send", SELECT_JPKI), ("power_off",), ("send", SELECT_JPKI)):
        assert refused(client, *what) == ("CardRemovedError", "card_removed")
    client.ask("open")
    assert client.ask("read") == whole
    # The connection before it is still that of the card that left.
    assert refused(client, "former", SELECT_JPKI) == ("CardRemovedError", "card_removed")


# Out and in within one poll.


def settled(ask: Callable[[], T]) -> T:
    """What is answered once the reader has taken the card; until then commands fail."""
    until = time.monotonic() + 3
    while True:
        try:
            answer = ask()
        except RefusedError as error:
            if error.kind != "CardRemovedError" or time.monotonic() > until:
                raise
        else:
            if "80100016" not in str(answer) or time.monotonic() > until:
                return answer
        time.sleep(0.02)


def exchange(reader: VirtualReader) -> None:
    """Another card, before pcscd has looked."""
    reader.eject(wait=False)
    reader.plug("taro-moved", wait=False)
    assert "Card Removed" not in reader.log()


def test_control_other_programs_read_the_other_card(reader: VirtualReader, client: Client) -> None:
    """Without this, the next tests could not fail: PC/SC says nothing after one error."""
    reader.plug("hanako")
    assert client.ask("other_open") == "00000000"
    assert client.ask("other_send", SELECT_JPKI) == ["00000000", "9000"]
    assert client.ask("other_send", QUERY_AUTH) == ["00000000", "63C3"]
    exchange(reader)
    assert client.ask("other_send", QUERY_AUTH)[0] == "80100016"
    code, answer = settled(lambda: client.ask("other_send", QUERY_AUTH))
    assert (code, answer) == ("00000000", BLANK)
    assert client.ask("other_send", SELECT_JPKI) == ["00000000", "9000"]


def test_another_card_within_one_poll_is_not_read(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    client.ask("open")
    client.ask("read")
    exchange(reader)
    assert refused(client, "read", "sign-ca") == ("CardRemovedError", "card_removed")
    assert refused(client, "read", "sign-ca") == ("CardRemovedError", "card_removed")
    for apdu in (QUERY_AUTH, SELECT_JPKI):
        assert refused(client, "send", apdu) == ("CardRemovedError", "card_removed")
    assert opened_anew(client) == [0, "9000"]


def test_a_pin_is_not_presented_to_another_card(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    client.ask("open")
    client.ask("read")
    reader.eject(wait=False)
    other = reader.plug("taro-moved", wait=False)
    assert refused(client, "verify", "9999") == ("CardRemovedError", "card_removed")
    assert refused(client, "verify", "9999")[0] in ("StaleSessionError", "CardRemovedError")
    assert other.apdus == 0


# Other programs.


def test_reset_by_another_program(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    client.ask("open")
    client.ask("send", SELECT_JPKI)
    assert client.ask("send", QUERY_AUTH) == [0, "63C3"]
    with Client(reader) as other:
        other.ask("other_open")
        assert other.ask("other_leave", RESET) == "00000000"
    assert refused(client, "send", QUERY_AUTH) == ("CardResetError", "card_reset")
    # Usable again at once. This card keeps what was selected, others do not.
    assert client.ask("send", SELECT_JPKI) == [0, "9000"]


def test_reset_between_two_files(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    client.ask("open")
    whole = client.ask("read")
    with Client(reader) as other:
        other.ask("other_open")
        other.ask("other_leave", RESET)
    assert refused(client, "read", "sign-ca")[0] == "CardResetError"
    assert client.ask("read") == whole  # selected anew


def test_others_cannot_have_it_alone_while_we_have_it(
    reader: VirtualReader, client: Client
) -> None:
    reader.plug("hanako")
    client.ask("open")
    with Client(reader) as other:
        assert other.ask("other_open", "00 00", "exclusive") == "8010000B"
        assert client.ask("send", SELECT_JPKI) == [0, "9000"]
        client.ask("close")
        assert other.ask("other_open", "00 00", "exclusive") == "00000000"
        assert refused(client, "open") == ("ReaderBusyError", "reader_busy")
        other.ask("other_leave", LEAVE)
        client.ask("open")


# Protocols and lengths.


@pytest.mark.parametrize(
    ("atr", "t0_only"),
    [("3B00", "00000000"), ("3BE000FF8131FE4514", "8010000F"), ("3B80800101", "00000000")],
    ids=["T=0", "T=1", "T=0 and T=1"],
)
def test_any_protocol(reader: VirtualReader, client: Client, atr: str, t0_only: str) -> None:
    """We ask for either; who asks for T=0 alone is refused by a card that has T=1 alone."""
    reader.plug(with_atr(atr))
    assert client.ask("open") == ["Virtual PCD 00 00", atr.lower()]
    assert len(client.ask("read")) > 2000
    assert client.ask("verify", "1234") == 3
    client.ask("close")
    with Client(reader) as other:
        assert other.ask("other_open", "00 00", "shared", 1) == t0_only


def test_a_mute_card(reader: VirtualReader, client: Client) -> None:
    """An answer to reset that is longer than any may be is none to pcscd."""
    reader.plug(with_atr("3B" + "00" * 33), wait=False)
    client.ask("readers")
    assert client.ask("change", 5)[0] == ["Virtual PCD 00 00", True, False]
    kind, code = refused(client, "open")
    assert (kind, code) == ("CardUnresponsiveError", "card_unresponsive")


def test_the_largest_commands(reader: VirtualReader, client: Client) -> None:
    """65 528 data bytes, 65 535 in all; one more and the driver throws the card out."""
    card = reader.plug("hanako")
    client.ask("open")
    before = card.apdus
    assert client.ask("send_zeros", "00DA000000FFF8", 65528)[1] in ("6D00", "6E00", "6985", "6A81")
    assert card.apdus == before + 1
    assert refused(client, "send_zeros", "00DA000000FFF9", 65529)[0] == "CardRemovedError"
    reader.insert()
    assert opened_anew(client) == [0, "9000"]


@pytest.mark.parametrize("payload", ["", "00", "04", "00A404"])
def test_what_is_no_command_never_reaches_the_card(
    reader: VirtualReader, client: Client, payload: str
) -> None:
    """One byte would be a control code: 04 is answered with the ATR, 00 wedges the slot."""
    card = reader.plug("hanako")
    client.ask("open")
    before = card.apdus
    assert refused(client, "send", payload)[0] == "ValueError"
    assert card.apdus == before
    assert client.ask("send", SELECT_JPKI) == [0, "9000"]


# No readers.


def test_a_service_without_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd, "_CONFIGURATION", "")
    with VirtualReader() as reader, Client(reader) as client:
        assert client.ask("readers") == []
        assert client.ask("change", 0.3) == []
        assert refused(client, "open", "") == ("NoReaderError", "no_reader")
