# SPDX-License-Identifier: Apache-2.0
"""Talking to a card over PC/SC: every way it fails, transactions, power, limits."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

import pytest

from fake_scard import EXCLUSIVE, PRESENT, FakeScard
from jpki_apdu import pcsc
from jpki_apdu.channel import Channel
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    CardResetError,
    CardUnresponsiveError,
    MalformedResponseError,
    NoServiceError,
    PcscMissingError,
    ReaderBusyError,
    StaleSessionError,
    TransportError,
    TransportTimeoutError,
)
from jpki_apdu.readers import open_reader

ATR = b"\x3b\x00"
IN_USE, MISMATCH = 0x100, 0x8010000F
ACS, SCM, ACS_2 = "ACS ACR1252 00 00", "SCM SCR3310", "ACS ACR1252 00 00 extra"


def opened(scard: FakeScard) -> pcsc.PcscConnection:
    connection = pcsc.open_pcsc("")
    scard.calls.clear()
    return connection


# Talking.


def test_transmit(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.replies = [[1, 2, 0x90, 0], [0x69, 0x82]]
    assert connection.transmit(b"\x00\xb0\x00\x00\x02") == (b"\1\2", 0x9000)
    assert connection.transmit(bytearray(4)) == (b"", 0x6982)
    assert scard.called("Transmit") == [(2, "00b0000002"), (2, "00000000")]


@pytest.mark.parametrize("apdu", [b"", b"\x04", bytes(3)])
def test_what_is_no_command_is_not_sent(scard: FakeScard, apdu: bytes) -> None:
    """One byte would be a control code to the virtual reader."""
    connection = opened(scard)
    with pytest.raises(ValueError, match="4 bytes"):
        connection.transmit(apdu)
    assert scard.calls == []


TALKING: list[tuple[int, type[CardError], str]] = [
    (0x80100069, CardRemovedError, "card_removed"),
    (0x80100016, CardRemovedError, "card_removed"),
    (0x80100003, CardRemovedError, "card_removed"),
    (0x8010000C, CardRemovedError, "card_removed"),
    (0x80100017, CardRemovedError, "card_removed"),
    (0x80100009, CardRemovedError, "card_removed"),
    (0x8010002F, CardRemovedError, "card_removed"),
    (1167, CardRemovedError, "card_removed"),
    (-1, CardRemovedError, "card_removed"),
    (0x80100068, CardResetError, "card_reset"),
    (0x8010000B, ReaderBusyError, "reader_busy"),
    (0x80100066, CardUnresponsiveError, "card_unresponsive"),
    (0x80100067, CardUnresponsiveError, "card_unresponsive"),
    (MISMATCH, CardResetError, "card_reset"),  # powered anew, with no word of it
    (0x8010001D, NoServiceError, "no_service"),
    (0x8010000A, TransportTimeoutError, "transport_timeout"),
    (0x80100002, TransportError, "cancelled"),
    (0x80100008, MalformedResponseError, "malformed_response"),
    (0x80100014, TransportError, "transport"),
]


@pytest.mark.parametrize(("code", "error", "name"), TALKING)
def test_every_way_a_command_fails(
    scard: FakeScard, code: int, error: type[CardError], name: str
) -> None:
    connection = opened(scard)
    scard.codes["Transmit"] = [code]
    with pytest.raises(error) as caught:
        connection.transmit(bytes(4))
    assert type(caught.value) is error
    assert caught.value.code == name


def test_success_without_a_byte_is_a_card_that_left(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.replies = [[]]
    with pytest.raises(CardRemovedError):
        connection.transmit(bytes(4))


def test_one_byte_is_no_answer(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.replies = [[0x90]]
    with pytest.raises(MalformedResponseError):
        connection.transmit(bytes(4))


@pytest.mark.parametrize("reconnect", [0, 0x80100069, -1])
def test_after_a_reset_the_handle_is_made_usable(scard: FakeScard, reconnect: int) -> None:
    connection = opened(scard)
    scard.codes = {"Transmit": [0x80100068], "Reconnect": [reconnect]}
    scard.replies = [[0x90, 0]] * 2
    channel = Channel(connection)
    with pytest.raises(CardResetError):
        channel.select(b"\xa0\0\0\0\0\1")
    assert scard.called("Reconnect") == [(2, 3, 0)]  # shared, leave the card as it is
    with pytest.raises(StaleSessionError):
        channel.get_challenge(8)
    if reconnect:  # another card, maybe
        with pytest.raises(CardRemovedError):
            channel.select(b"\xa0\0\0\0\0\1")
    else:
        channel.select(b"\xa0\0\0\0\0\1")


@pytest.mark.parametrize("reconnect", [0, 0x80100069, -1])
def test_a_card_powered_behind_our_back_has_forgotten_all(scard: FakeScard, reconnect: int) -> None:
    """pcscd says so by a protocol that is no longer agreed on. The command is not repeated."""
    connection = opened(scard)
    channel = Channel(connection)
    scard.replies = [[0x90, 0]] * 3
    aid = b"\xa0\0\0\0\0\1"
    scard.codes = {"Transmit": [0, 0, MISMATCH], "Reconnect": [reconnect]}
    with pytest.raises(CardResetError) as caught:
        channel.verify(aid, 0x18, bytearray(b"1234"))
    assert caught.value.values["pcsc"] == "8010000F"
    assert scard.called("Reconnect") == [(2, 3, 2)]  # off and on: pcscd may cut that power
    assert [str(apdu)[:4] for _, apdu in scard.called("Transmit")] == ["00a4", "00a4", "0020"]
    with pytest.raises(StaleSessionError):
        channel.select_file(0x18)


@pytest.mark.parametrize(
    ("state", "atr", "codes", "error"),
    [
        (PRESENT, b"", {}, None),
        (PRESENT, b"", {"Reconnect": [MISMATCH]}, CardUnresponsiveError),
        (PRESENT, b"", {"Reconnect": [0x80100069]}, CardRemovedError),
        (PRESENT, b"", {"Connect": [MISMATCH, 0x8010000B]}, ReaderBusyError),
        (PRESENT, ATR, {}, CardUnresponsiveError),  # known, and speaks none of our protocols
        (PRESENT | IN_USE, b"", {}, CardUnresponsiveError),
        (PRESENT | EXCLUSIVE, b"", {}, CardUnresponsiveError),
        (0, b"", {}, CardUnresponsiveError),  # gone meanwhile
    ],
)
def test_a_card_without_atr_is_powered_once(
    scard: FakeScard,
    state: int,
    atr: bytes,
    codes: dict[str, list[int]],
    error: type[CardError] | None,
) -> None:
    """Only if nobody uses it: whoever does has powered it, and would lose what was verified."""
    scard.codes = {"Connect": [MISMATCH], **codes}
    scard.readers = {ACS: (state, atr)}
    if error is None:
        pcsc.PcscConnection(ACS).close()
    else:
        with pytest.raises(error):
            pcsc.PcscConnection(ACS)
    alone = state == PRESENT and not atr
    assert scard.called("Connect") == [(ACS, 2, 3), *[(ACS, 3, 0)] * alone]
    assert len(scard.called("Reconnect")) == (alone and "Connect" not in codes)
    assert not scard.called("Transmit")
    assert scard.called("ReleaseContext")


def test_a_handle_whose_card_left_does_not_touch_the_next(scard: FakeScard) -> None:
    """pcscd would let it: its power is cut, and its reader has not even noticed it yet."""
    connection = opened(scard)
    scard.codes["Status"] = [0x80100069] * 2
    with pytest.raises(CardRemovedError):
        connection.power_off()
    with pytest.raises(CardRemovedError):
        connection.transmit(bytes(4))
    connection.close()
    assert not scard.called("Reconnect")
    assert not scard.called("Transmit")
    assert scard.called("Disconnect") == [(0,)]  # leave the card as it is


def test_power_off(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.protocol = 1
    scard.replies = [[0x90, 0]]
    connection.power_off()
    connection.transmit(bytes(4))
    assert scard.called("Reconnect") == [(2, 3, 2)]
    assert scard.called("Transmit") == [(1, "00000000")]
    for code, error in ((0x8010000B, ReaderBusyError), (-1, CardRemovedError)):
        scard.codes["Reconnect"] = [code]
        with pytest.raises(error):
            connection.power_off()


def test_exclusive_is_one_transaction_however_deep(scard: FakeScard) -> None:
    connection = opened(scard)
    with connection.exclusive(), connection.exclusive():
        assert scard.calls == [("BeginTransaction",)]
    assert scard.calls == [("BeginTransaction",), ("EndTransaction", 0)]


def test_exclusive_ends_with_an_error_too(scard: FakeScard) -> None:
    connection = opened(scard)
    with pytest.raises(KeyError), connection.exclusive():
        raise KeyError
    assert scard.called("EndTransaction") == [(0,)]
    with connection.exclusive():
        connection.close()
    assert [call[0] for call in scard.calls[2:]] == [
        "BeginTransaction", "EndTransaction", "Status", "Disconnect", "ReleaseContext",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "error"),
    [(0x8010000B, ReaderBusyError), (0x80100068, CardResetError), (-1, CardRemovedError)],
)
def test_exclusive_is_refused(scard: FakeScard, code: int, error: type[CardError]) -> None:
    connection = opened(scard)
    scard.codes["BeginTransaction"] = [code]
    with pytest.raises(error), connection.exclusive():
        raise AssertionError("must not come here")
    assert not scard.called("EndTransaction")
    assert bool(scard.called("Reconnect")) == (error is CardResetError)


def test_a_reset_seen_at_the_start_of_a_transaction_reaches_the_channel(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.replies = [[0x90, 0]] * 9
    channel = Channel(connection)
    channel.select(b"\xa0\0\0\0\0\1")
    scard.codes["BeginTransaction"] = [0x80100068]
    with pytest.raises(CardResetError), connection.exclusive():
        raise AssertionError("must not come here")
    with pytest.raises(StaleSessionError):
        channel.select_file(0x0A)
    channel.select(b"\xa0\0\0\0\0\1")
    channel.select_file(0x0A)
    channel.power_off()
    channel.query_reference(b"\xa0\0\0\0\0\1", 0x18)
    assert [apdu for _, apdu in scard.called("Transmit")].count("00a4040c06a00000000001") == 3


def test_close_cuts_the_power_and_never_raises(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.codes = {"Disconnect": [-1], "ReleaseContext": [-1]}
    connection.close()
    connection.close()
    assert scard.calls == [("Status",), ("Disconnect", 2), ("ReleaseContext",)]
    uses: list[Callable[[], object]] = [
        lambda: connection.transmit(bytes(4)),
        connection.power_off,
        connection.exclusive().__enter__,
    ]
    for use in uses:
        with pytest.raises(CardRemovedError) as caught:
            use()
        assert caught.value.code == "closed"
    assert connection.limits == ReplyLimits(256, 0)


# What the reader carries.

FEATURES = 0x42000000 + 3400
OTHER_FEATURE, WHERE = [0x06, 4, 0x42, 0x33, 0, 6], [0x12, 4, 0x42, 0x33, 0, 0x12]


@pytest.mark.parametrize(
    ("name", "controls", "extended"),
    [
        ("Virtual PCD 00 00", {}, 65536),
        (SCM, {}, 0),
        (SCM, {FEATURES: OTHER_FEATURE}, 0),
        (SCM, {FEATURES: OTHER_FEATURE + WHERE}, 0),
        (SCM, {FEATURES: WHERE, 0x42330012: [0x0A, 4, 0, 0, 1, 0]}, 65536),
        (SCM, {FEATURES: OTHER_FEATURE + WHERE, 0x42330012: [1, 1, 9, 0x0A, 4, 0, 8, 0, 0]}, 2048),
        (SCM, {FEATURES: WHERE, 0x42330012: [0x0A, 4, 0, 1, 0, 0]}, 0),
        (SCM, {FEATURES: WHERE, 0x42330012: [0x0A, 4, 0, 0, 0, 0]}, 0),
        (SCM, {FEATURES: WHERE, 0x42330012: [0x0A, 4, 255, 255, 255, 255]}, 65536),
        (SCM, {FEATURES: WHERE[:-1]}, 0),
        (SCM, {FEATURES: WHERE, 0x42330012: [0x0A]}, 0),
    ],
)
def test_limits(scard: FakeScard, name: str, controls: dict[int, list[int]], extended: int) -> None:
    scard.readers = {name: (PRESENT, ATR)}
    scard.controls = controls
    connection = opened(scard)
    assert connection.limits == ReplyLimits(256, extended)
    asked = len(scard.calls)
    assert connection.limits == ReplyLimits(256, extended)
    assert len(scard.calls) == asked


def test_a_dead_handle_tells_no_limits(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.codes["Control"] = [-1]
    assert connection.limits == ReplyLimits(256, 0)


# Without pyscard.


@pytest.mark.parametrize(
    ("system", "release", "line"),
    [
        ("linux", {"ID": "debian"}, "sudo apt-get install pcscd libpcsclite-dev gcc python3-dev"),
        ("linux", {"ID": "mint", "ID_LIKE": "ubuntu debian"}, "sudo apt-get install pcscd"),
        ("linux", {"ID": "fedora"}, "sudo dnf install pcsc-lite pcsc-lite-devel gcc"),
        ("linux", {"ID": "arch"}, "sudo pacman -S pcsclite ccid gcc"),
        ("linux", {"ID": "other"}, "pip install 'jpki[pcsc]'"),
        ("linux", None, "pip install 'jpki[pcsc]'"),
        ("darwin", None, "pip install 'jpki[pcsc]'"),
        ("win32", None, "pip install 'jpki[pcsc]'"),
    ],
)
def test_a_missing_extra_names_its_line(
    monkeypatch: pytest.MonkeyPatch, system: str, release: dict[str, str] | None, line: str
) -> None:
    def tell() -> dict[str, str]:
        if release is None:
            raise OSError
        return release

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "freedesktop_os_release", tell)
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(PcscMissingError) as caught:
        open_reader("pcsc:")
    install_line = str(caught.value.values["install"])
    assert install_line.startswith(line)
    assert install_line.endswith("pip install 'jpki[pcsc]'")
