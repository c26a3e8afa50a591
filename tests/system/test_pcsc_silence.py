# SPDX-License-Identifier: Apache-2.0
"""Those who do not answer: a silent card, a program that holds it, a service that is killed.

Nothing in PC/SC ends a call on a silent card; our own time limit does. Each test also shows
that nothing is left: whoever comes next finds a card that has forgotten the PIN.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from jpki.testing.virtual_reader import VirtualReader
from pcsc_bed import PcscBed
from pcsc_client import Client, RefusedError

SELECT_JPKI = "00A4040C0AD392F000260100000001"
READ_SIGN_CERTIFICATE = (SELECT_JPKI, "00A4020C020001", "00B0000010")
LIMIT = 0.6
SOON = 2.0


def refused(client: Client, what: str, *arguments: object, within: float = SOON) -> str:
    """The class of the error this comes to, and in time."""
    with pytest.raises(RefusedError) as caught:
        client.ask(what, *arguments, within=within)
    return caught.value.kind


def eventually(check: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not (done := check()) and time.monotonic() < until:
        time.sleep(0.02)
    return done


def the_signature_certificate(client: Client) -> str:
    """What a card says to who wants it without a PIN."""
    client.ask("open")
    said = [client.ask("send", apdu)[1] for apdu in READ_SIGN_CERTIFICATE]
    client.ask("close")
    assert said[:2] == ["9000", "9000"]
    return str(said[2])


# A card that has fallen silent.


def test_control_without_a_limit_it_is_for_ever(reader: VirtualReader, client: Client) -> None:
    """Taking the card out frees who waits."""
    card = reader.plug("hanako")
    client.ask("open")
    card.faults = ["reply:never@any"]
    client.start("send", SELECT_JPKI)
    assert client.silent(3 * LIMIT)
    reader.eject(wait=False)
    with pytest.raises(RefusedError) as caught:
        client.answer(SOON)
    assert caught.value.kind == "CardRemovedError"


def test_a_silent_card(reader: VirtualReader, client: Client) -> None:
    card = reader.plug("hanako")
    before = client.ask("figures")[:3]
    client.ask("open", "00 00", LIMIT)
    card.faults = ["reply:never@any"]
    begin = time.monotonic()
    assert refused(client, "send", SELECT_JPKI) == "TransportTimeoutError"
    assert LIMIT <= time.monotonic() - begin < SOON
    for what in (("send", SELECT_JPKI), ("hold",), ("power_off",)):
        assert refused(client, *what, within=LIMIT) == "TransportTimeoutError"
    client.ask("close", within=LIMIT)
    assert client.ask("readers")[0][1]  # to look around still works
    with Client(reader) as other:  # and to open it takes no longer than the limit either
        assert refused(other, "open", "00 00", LIMIT) == "TransportTimeoutError"
    reader.eject()
    assert eventually(lambda: client.ask("figures")[:3] == before)
    card.faults = []
    reader.insert()
    client.ask("open", "00 00", LIMIT)
    assert client.ask("send", SELECT_JPKI) == [0, "9000"]


def test_the_other_slot_does_not_suffer(reader: VirtualReader, client: Client) -> None:
    card = reader.plug("hanako")
    reader.plug("taro-moved", slot=1)
    client.ask("open", "00 00", LIMIT)
    card.faults = ["reply:never@any"]
    client.start("send", SELECT_JPKI)
    with Client(reader) as other:
        other.ask("open", "00 01", within=SOON)
        assert len(other.ask("read", within=SOON)) > 2000
    with pytest.raises(RefusedError):
        client.answer()


def test_silent_while_the_pin_is_checked(reader: VirtualReader, client: Client) -> None:
    card = reader.plug("hanako")
    client.ask("open", "00 00", LIMIT)
    card.faults = ["reply:never@verify"]
    assert refused(client, "verify", "1234") == "PinOutcomeUnknownError"
    assert refused(client, "verify", "1234") in ("TransportTimeoutError", "StaleSessionError")
    client.ask("close", within=LIMIT)


def test_an_answer_after_the_time_limit(reader: VirtualReader, client: Client) -> None:
    """The PIN was right, and nobody is there any more: the card is powered off all the same."""
    card = reader.plug("hanako")
    client.ask("open", "00 00", LIMIT)
    card.faults = [f"reply:delay={3 * LIMIT:.1f}s@verify"]
    assert refused(client, "verify", "1234") == "PinOutcomeUnknownError"
    client.ask("close", within=LIMIT)
    with Client(reader) as other:
        assert the_signature_certificate(other) == "6982"
        other.ask("open")
        assert other.ask("verify", "1234") == 3


@pytest.mark.parametrize("limit", [30, 1e9])
def test_ctrl_c_is_heard(reader: VirtualReader, client: Client, limit: float) -> None:
    card = reader.plug("hanako")
    client.ask("open", "00 00", limit)
    card.faults = ["reply:never@any"]
    client.start("doze")
    assert client.silent(LIMIT)
    client.interrupt()
    assert client.answer(SOON) == "interrupted"


def test_ctrl_c_ends_the_command_line(bed: PcscBed) -> None:
    """With a card that never answers."""
    script = """
import signal, subprocess, sys, time
job = subprocess.Popen(["jpki", "card", "info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
time.sleep(1.5)
assert job.poll() is None, "it did not wait"
job.send_signal(signal.SIGINT)
job.communicate(timeout=5)
print(job.returncode)
"""
    bed.plug("hanako", slot=1).faults = ["reply:never@any"]
    bed.environment["JPKI_READER"] = "pcsc:00 01"
    assert int(bed.run(sys.executable, "-c", script).stdout) not in (0, 1)


# Another program's transaction.


def test_a_transaction_of_another_program_is_waited_for(
    reader: VirtualReader, client: Client
) -> None:
    reader.plug("hanako")
    with Client(reader) as other:
        other.ask("other_open")
        for what, arguments in (("open", ()), ("send", (SELECT_JPKI,))):
            assert other.ask("other_begin") == "00000000"
            client.start(what, *arguments)
            assert client.silent(LIMIT)
            assert other.ask("other_end") == "00000000"
            client.answer(SOON)


def test_a_transaction_that_does_not_end(reader: VirtualReader, client: Client) -> None:
    """With a time limit; no PIN is on its way meanwhile, and later none arrives."""
    card = reader.plug("hanako")
    client.ask("open", "00 00", LIMIT)
    client.ask("read")
    with Client(reader) as other:
        other.ask("other_open")
        other.ask("other_begin")
        sent = card.apdus
        assert refused(client, "verify", "1234") == "TransportTimeoutError"
        client.ask("close", within=LIMIT)
        assert refused(client, "open", "00 00", LIMIT) == "TransportTimeoutError"
        assert other.ask("other_end") == "00000000"
        assert other.ask("other_leave", 0) == "00000000"
    client.ask("open", "00 00", LIMIT)
    assert client.ask("send", SELECT_JPKI) == [0, "9000"]
    assert card.apdus == sent + 1


def test_closing_does_not_wait_for_a_transaction_for_ever(
    reader: VirtualReader, client: Client
) -> None:
    reader.plug("hanako")
    client.ask("open", "00 00", LIMIT)
    with Client(reader) as other:
        other.ask("other_open")
        other.ask("other_begin")
        client.ask("close", within=SOON)


def test_others_wait_for_ours(reader: VirtualReader, client: Client) -> None:
    """From the moment a PIN was presented, the card is ours until it is powered off."""
    reader.plug("hanako")
    client.ask("open")
    assert client.ask("verify", "1234") == 3
    with Client(reader) as other:
        other.start("other_open")
        assert other.silent(LIMIT)
        client.ask("close")
        assert other.answer(SOON) == "00000000"
        answers = [other.ask("other_send", apdu)[1] for apdu in READ_SIGN_CERTIFICATE]
        assert answers == ["9000", "9000", "6982"]


# The service is killed.


def test_killed_while_we_wait_for_a_card(reader: VirtualReader, client: Client) -> None:
    client.ask("readers")
    client.start("change", 30)
    assert client.silent(LIMIT)
    reader.kill_daemon()
    with pytest.raises(RefusedError) as caught:
        client.answer(SOON)
    assert caught.value.kind == "NoServiceError"
    assert refused(client, "readers") == "NoServiceError"
    reader.restart_daemon()
    assert client.ask("readers")[0] == ["Virtual PCD 00 00", False, False]
    client.start("change", 10)
    reader.plug("hanako")
    assert client.answer()[0][1]


@pytest.mark.parametrize("limit", [None, 10])
def test_killed_while_we_read(reader: VirtualReader, client: Client, limit: float | None) -> None:
    card = reader.plug("hanako")
    client.ask("open", "00 00", limit)
    card.faults = ["reply:never@read"]
    client.start("read")
    assert client.silent(LIMIT)
    reader.kill_daemon()
    with pytest.raises(RefusedError) as caught:
        client.answer(SOON)
    assert caught.value.kind == "NoServiceError"
    card.faults = []
    reader.restart_daemon()
    assert refused(client, "send", SELECT_JPKI) == "NoServiceError"  # the old one stays lost
    client.ask("close")
    client.ask("open", "00 00", limit)
    assert len(client.ask("read")) > 2000


def test_killed_while_the_pin_is_checked(reader: VirtualReader, client: Client) -> None:
    card = reader.plug("hanako")
    client.ask("open", "00 00", 10)
    card.faults = ["reply:never@verify"]
    client.start("verify", "1234")
    assert client.silent(LIMIT)
    reader.kill_daemon()
    with pytest.raises(RefusedError) as caught:
        client.answer(SOON)
    assert caught.value.kind == "PinOutcomeUnknownError"


def test_killed_while_we_hold_a_pin(reader: VirtualReader, client: Client) -> None:
    reader.plug("hanako")
    client.ask("open")
    assert client.ask("verify", "1234") == 3
    reader.kill_daemon()
    assert refused(client, "read") == "NoServiceError"
    client.ask("close", within=SOON)
    reader.restart_daemon()
    assert the_signature_certificate(client) == "6982"
