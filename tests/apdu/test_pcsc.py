# SPDX-License-Identifier: Apache-2.0
"""PC/SC against a stand-in for pyscard; ``tests/system`` has the real one."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Callable

import pytest

from fake_scard import EXCLUSIVE, PRESENT, FakeScard, install
from jpki_apdu import pcsc
from jpki_apdu.channel import Channel
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    CardResetError,
    CardUnresponsiveError,
    MalformedResponseError,
    NoCardError,
    NoReaderError,
    NoServiceError,
    PcscMissingError,
    ReaderBusyError,
    StaleSessionError,
    TransportError,
    TransportTimeoutError,
)
from jpki_apdu.readers import ReaderState, list_readers, open_reader, wait_for_change

ATR = b"\x3b\x00"
ACS, SCM, ACS_2 = "ACS ACR1252 00 00", "SCM SCR3310", "ACS ACR1252 00 00 extra"


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> FakeScard:
    fake = FakeScard({ACS: (0, b""), SCM: (PRESENT, ATR)})
    return install(monkeypatch, fake)


def opened(scard: FakeScard) -> pcsc.PcscConnection:
    connection = pcsc.open_pcsc("")
    scard.calls.clear()
    return connection


# Listing.


def test_listing(scard: FakeScard) -> None:
    scard.readers["held"] = (PRESENT | EXCLUSIVE, ATR)
    assert list_readers() == [
        ReaderState(ACS, False),
        ReaderState(SCM, True, False, ATR),
        ReaderState("held", True, True, ATR),
    ]
    assert pcsc.pcsc_readers_with_card() == [SCM, "held"]
    assert not scard.called("Connect")
    assert len(scard.called("EstablishContext")) == len(scard.called("ReleaseContext")) == 2


@pytest.mark.parametrize(
    "codes",
    [
        {"ListReaders": [0x8010002E]},
        {"GetStatusChange": [0x80100009]},
        {"GetStatusChange": [0x80100017]},
    ],
)
def test_no_reader_is_an_empty_list(scard: FakeScard, codes: dict[str, list[int]]) -> None:
    scard.codes = codes
    assert list_readers() == []


def test_no_reader_without_a_code(scard: FakeScard) -> None:
    scard.readers.clear()
    assert list_readers() == []


@pytest.mark.parametrize("call", ["EstablishContext", "ListReaders", "GetStatusChange"])
@pytest.mark.parametrize(
    ("code", "error", "name"),
    [
        (0x8010001D, NoServiceError, "no_service"),
        (0x8010001E, NoServiceError, "no_service"),
        (0x80100013, NoServiceError, "no_service"),
        (0x8010006A, NoServiceError, "access_denied"),
        (-0x7FEFFFE3 & 0xFFFFFFFF, NoServiceError, "no_service"),
        (0x80100002, TransportError, "cancelled"),
    ],
)
def test_the_service_fails(
    scard: FakeScard, call: str, code: int, error: type[CardError], name: str
) -> None:
    scard.codes[call] = [code]
    with pytest.raises(error) as caught:
        list_readers()
    assert caught.value.code == name
    assert len(scard.called("ReleaseContext")) == (call != "EstablishContext")


# Choosing and opening.


@pytest.mark.parametrize(
    ("states", "part", "expected"),
    [
        ({ACS: 0, SCM: PRESENT}, "", SCM),
        ({ACS: PRESENT, SCM: PRESENT}, "", ACS),
        ({ACS: PRESENT, SCM: PRESENT}, "scr", SCM),
        ({ACS: 0, SCM: PRESENT, ACS_2: PRESENT}, "acr1252", ACS_2),
        ({ACS_2: PRESENT, ACS: PRESENT}, ACS, ACS),  # the exact name beats the part
        ({ACS_2: PRESENT, ACS: PRESENT}, ACS.lower(), ACS_2),
    ],
)
def test_choice(scard: FakeScard, states: dict[str, int], part: str, expected: str) -> None:
    scard.readers = {name: (state, ATR) for name, state in states.items()}
    with open_reader(f"pcsc:{part}") as connection:
        assert connection.name == expected
        assert connection.atr == ATR
    assert scard.called("Connect") == [(expected, 2, 3)]  # shared, T=0 or T=1


@pytest.mark.parametrize(
    ("states", "part", "error", "code"),
    [
        ({}, "", NoReaderError, "no_reader"),
        ({}, "x", NoReaderError, "no_reader"),
        ({ACS: PRESENT}, "x", NoReaderError, "no_reader_match"),
        ({ACS: 0, SCM: 0}, "", NoCardError, "no_card"),
        ({ACS: 0, SCM: PRESENT}, ACS, NoCardError, "no_card"),
    ],
)
def test_nothing_to_choose(
    scard: FakeScard, states: dict[str, int], part: str, error: type[CardError], code: str
) -> None:
    scard.readers = {name: (state, ATR) for name, state in states.items()}
    with pytest.raises(error) as caught:
        pcsc.open_pcsc(part)
    assert caught.value.code == code


@pytest.mark.parametrize("call", ["Connect", "Status"])
@pytest.mark.parametrize(
    ("code", "error", "name"),
    [
        (0x8010000B, ReaderBusyError, "reader_busy"),
        (0x8010000C, NoCardError, "no_card"),
        (0x80100069, CardRemovedError, "card_removed"),
        (0x80100066, CardUnresponsiveError, "card_unresponsive"),
        (0x80100067, CardUnresponsiveError, "card_unresponsive"),
        (0x80100065, CardUnresponsiveError, "card_unresponsive"),
        (0x8010000F, CardUnresponsiveError, "protocol"),
        (0x80100009, NoReaderError, "no_reader"),
        (0x80100017, NoReaderError, "no_reader"),
        (0x8010000A, TransportTimeoutError, "transport_timeout"),
        (0x80100001, TransportError, "transport"),
    ],
)
def test_a_card_that_cannot_be_opened(
    scard: FakeScard, call: str, code: int, error: type[CardError], name: str
) -> None:
    scard.codes[call] = [code]
    with pytest.raises(error) as caught:
        pcsc.open_pcsc("")
    assert type(caught.value) is error
    assert caught.value.code == name
    assert caught.value.values["pcsc"] == f"{code:08X}"
    # Nothing is left behind: the contexts of the look and of the connection are released.
    assert len(scard.called("EstablishContext")) == len(scard.called("ReleaseContext")) == 2
    assert len(scard.called("Disconnect")) == (call == "Status")


# Waiting.


def test_waiting_for_a_card(scard: FakeScard) -> None:
    scard.readers = {ACS: (0x10000, b"")}

    def insert() -> None:
        if len(scard.called("GetStatusChange")) > 5:
            scard.readers[ACS] = (PRESENT, ATR)

    scard.on_wait = insert
    with pcsc.open_pcsc("", math.inf) as connection:
        assert connection.name == ACS
    waits = [call for call in scard.called("GetStatusChange") if call[0]]
    assert waits[0] == (250, ((ACS, 0x10000),))  # the counter is kept, «changed» is not


def test_waiting_for_a_reader(scard: FakeScard, monkeypatch: pytest.MonkeyPatch) -> None:
    scard.readers = {}
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            scard.readers[SCM] = (PRESENT, ATR)

    monkeypatch.setattr("jpki_apdu.pcsc.time.sleep", sleep)
    with pcsc.open_pcsc("scm", 60) as connection:
        assert connection.name == SCM
    assert len(slept) >= 3
    assert all(seconds <= 0.25 for seconds in slept)


def test_a_wait_that_ends(scard: FakeScard) -> None:
    scard.readers = {ACS: (0, b"")}
    with pytest.raises(TransportTimeoutError) as caught:
        open_reader("pcsc:", wait=0.05)
    assert caught.value.code == "no_card_in_time"
    assert caught.value.values == {"seconds": 0.05}


def test_a_wait_does_not_outlast_other_errors(scard: FakeScard) -> None:
    scard.codes["Connect"] = [0x8010000B]
    with pytest.raises(ReaderBusyError):
        pcsc.open_pcsc("", math.inf)
    scard.readers = {ACS: (0, b"")}
    scard.codes["GetStatusChange"] = [0, 0x8010001D]
    with pytest.raises(NoServiceError):
        pcsc.open_pcsc("", math.inf)


def test_a_reader_that_leaves_during_a_wait(scard: FakeScard) -> None:
    known = list_readers()
    scard.codes["GetStatusChange"] = [0, 0x80100009]
    assert wait_for_change(known, 0.05) == known


def test_change(scard: FakeScard) -> None:
    known = list_readers()
    assert wait_for_change(known, 0.02) == known
    assert wait_for_change([], None) == known

    def pull_out() -> None:
        scard.readers[SCM] = (0, b"")

    scard.on_wait = pull_out
    assert wait_for_change(known, None) == [ReaderState(ACS, False), ReaderState(SCM, False)]


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
    (0x8010000F, CardUnresponsiveError, "protocol"),
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
    channel.select(b"\xa0\0\0\0\0\1")


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
        "BeginTransaction", "EndTransaction", "Disconnect", "ReleaseContext",
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


def test_close_cuts_the_power_and_never_raises(scard: FakeScard) -> None:
    connection = opened(scard)
    scard.codes = {"Disconnect": [-1], "ReleaseContext": [-1]}
    connection.close()
    connection.close()
    assert scard.calls == [("Disconnect", 2), ("ReleaseContext",)]
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
