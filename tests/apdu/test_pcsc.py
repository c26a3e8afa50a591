# SPDX-License-Identifier: Apache-2.0
"""PC/SC against a stand-in for pyscard; ``tests/system`` has the real one."""

from __future__ import annotations

import math

import pytest

from fake_scard import EXCLUSIVE, PRESENT, FakeScard
from jpki_apdu import pcsc
from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    CardUnresponsiveError,
    NoCardError,
    NoReaderError,
    NoServiceError,
    ReaderBusyError,
    TransportError,
    TransportTimeoutError,
)
from jpki_apdu.readers import ReaderState, list_readers, open_reader, wait_for_change

ATR = b"\x3b\x00"
ACS, SCM, ACS_2 = "ACS ACR1252 00 00", "SCM SCR3310", "ACS ACR1252 00 00 extra"


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


def test_a_card_swapped_for_its_like_between_two_looks(scard: FakeScard) -> None:
    """PC/SC counts cards in the upper half of the state [PCSC winscard.h]."""
    scard.readers = {ACS: (0x0003_0000 | PRESENT, ATR)}
    known = list_readers()
    assert known == [ReaderState(ACS, True, False, ATR, 3)]
    scard.readers[ACS] = (0x0005_0000 | PRESENT, ATR)
    assert wait_for_change(known, 0) == [ReaderState(ACS, True, False, ATR, 5)]
