# SPDX-License-Identifier: Apache-2.0
"""The front for servers: same answers, one presentation after the other, cancelled safely."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jpki import aio
from jpki.card_map import PinKind
from jpki.certificate.kinds import Environment
from jpki.emulator import EmulatedCard
from jpki.emulator.card import ApduTrace
from jpki.errors import PinIncorrectError, PinOutcomeUnknownError
from jpki.mapping.answers import Resolution
from jpki.mapping.opening import create_map
from jpki.mapping.policy import Operation
from jpki.mapping.service import Map, open_map
from jpki.mapping.sitting import Asker
from jpki.open import emulated_card, load_trust, plug, unplug
from jpki.verdict import Outcome
from jpki.verifying.challenge import new_challenge
from jpki.verifying.material import ValidationOptions
from jpki_apdu.errors import (
    NoCardError,
    SecurityStatusError,
    StaleSessionError,
    TransportTimeoutError,
)
from map_bench import NOW, ORIGIN, Clock, Holder, holder, two_services, validator

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LIMIT = 20  # seconds after which a test is given up
VERIFY, READ_BINARY = 0x20, 0xB0


class Desk:
    """A card in a reader, what it was sent, and a gate at one kind of command."""

    def __init__(self) -> None:
        self.card: EmulatedCard = emulated_card("hanako", at=AT)
        self.card.log = self._heard
        self.uri = plug(self.card)
        self.seen: list[ApduTrace] = []
        self.under_way = threading.Event()
        self.gate = threading.Event()
        self.held: int | None = None

    def _heard(self, trace: ApduTrace) -> None:
        self.seen.append(trace)
        if trace.header[1] == self.held and (trace.lc or self.held != VERIFY):
            self.under_way.set()
            self.gate.wait(LIMIT)

    def count(self, ins: int) -> int:
        """Commands of a kind; VERIFY only with a PIN in it."""
        return sum(t.header[1] == ins and (t.lc > 0 or ins != VERIFY) for t in self.seen)

    async def until_under_way(self) -> None:
        assert await asyncio.to_thread(self.under_way.wait, LIMIT)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.gate.set()
    unplug(made.uri)


def run(work: Coroutine[object, object, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(2 * LIMIT):
            await work

    asyncio.run(limited())


@asynccontextmanager
async def cancelled_in(desk: Desk, ins: int) -> AsyncIterator[tuple[aio.AsyncCard, bytearray]]:
    """A card whose ``verify`` was cancelled while command ``ins`` was under way."""
    desk.held = ins
    pin = bytearray(b"1234")
    async with aio.open_card(desk.uri, needs_pin=True) as card:
        task = asyncio.create_task(card.verify(PinKind.TEXT, pin))
        await desk.until_under_way()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        desk.gate.set()
        yield card, pin


def test_read_log_in_and_check(desk: Desk) -> None:
    async def work() -> None:
        challenge = new_challenge("https://example.jp", "login", now=AT, ttl=timedelta(minutes=5))
        options = ValidationOptions(at=AT)
        trust = load_trust("test", at=AT)
        async with aio.open_card(desk.uri, needs_pin=True) as card:
            assert len((await card.info()).counters) == 10
            assert (await card.counters(PinKind.AUTH))[0].attempts_left == 3
            await card.verify(PinKind.TEXT, bytearray(b"1234"))
            assert (await card.attributes()).name == "番号　花子"
            der = await card.certificate("auth")
            answer = await card.respond(challenge, bytearray(b"1234"), now=AT)
            assert len(await card.authenticate(b"more")) == 256
        validator = options.validator(trust)
        assert (await aio.validate(validator, der)).outcome is Outcome.VALID
        verdict = await aio.verify_response(answer, challenge, validator, now=AT)
        assert verdict.outcome is Outcome.VALID
        pins = {PinKind.TEXT: lambda counter: bytearray(b"1234")}
        async with aio.open_card(desk.uri, needs_pin=True) as card:
            report = await card.check(trust, options, pins)
        assert report.verdict.outcome is Outcome.VALID

    run(work())


def test_a_new_pin(desk: Desk) -> None:
    async def work() -> None:
        old, new = bytearray(b"1234"), bytearray(b"4321")
        async with aio.open_card(desk.uri, needs_pin=True) as card:
            await card.change(PinKind.TEXT, old, new)
            assert bytes(old + new) == bytes(8)
            with pytest.raises(PinIncorrectError) as refused:
                await card.verify(PinKind.TEXT, bytearray(b"1234"))
            assert refused.value.attempts_left == 2

    run(work())


def test_presentations_do_not_mix(desk: Desk) -> None:
    """Twenty tasks at one reader: each presents, reads and leaves before the next begins."""

    async def one() -> None:
        async with aio.open_card(desk.uri, needs_pin=True) as card:
            await card.verify(PinKind.TEXT, bytearray(b"1234"))
            await asyncio.sleep(0)
            await card.attributes()

    async def work() -> None:
        await asyncio.gather(*(one() for _ in range(20)))

    run(work())
    alone = len(desk.seen) // 20
    steps = [(trace.header, trace.sw) for trace in desk.seen]
    assert steps == steps[:alone] * 20
    assert desk.count(VERIFY) == 20


def test_a_job_is_not_interrupted_by_another(desk: Desk) -> None:
    """Two tasks share one card: what ``run`` was given goes through in one piece."""

    async def work() -> None:
        async with aio.open_card(desk.uri) as card:
            await card.info()
            desk.seen.clear()
            await asyncio.gather(*(card.run(lambda it: it.info()) for _ in range(4)))

    run(work())
    headers = [trace.header for trace in desk.seen]
    first = next(n for n in range(1, len(headers)) if headers[n:] == headers[:n] * 3)
    assert first == len(headers) // 4


def test_a_verify_that_was_cancelled_is_unknown_and_never_sent_again(desk: Desk) -> None:
    async def work() -> None:
        async with cancelled_in(desk, VERIFY) as (card, pin):
            with pytest.raises(PinOutcomeUnknownError) as unknown:
                await card.verify(PinKind.TEXT, again := bytearray(b"1234"))
            assert unknown.value.kind is PinKind.TEXT
            assert again == bytes(4)
            with pytest.raises(PinOutcomeUnknownError):
                await card.attributes()
        assert pin == bytes(4)

    run(work())
    assert desk.count(VERIFY) == 1
    assert desk.count(READ_BINARY) == 1  # the token, when the card was opened


def test_cancelled_in_a_check_it_is_the_pin_that_was_asked_for(desk: Desk) -> None:
    async def work() -> None:
        desk.held = VERIFY
        pins = {kind: lambda _: bytearray(b"1234") for kind in (PinKind.TEXT, PinKind.AUTH)}
        async with aio.open_card(desk.uri, needs_pin=True) as card:
            check = card.check(load_trust("test", at=AT), ValidationOptions(at=AT), pins)
            task = asyncio.create_task(check)
            await desk.until_under_way()
            first = PinKind.TEXT if desk.seen[-1].header[3] & 0x1F == 0x11 else PinKind.AUTH
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            desk.gate.set()
            with pytest.raises(PinOutcomeUnknownError) as unknown:
                await card.info()
            assert unknown.value.kind is first

    run(work())


def test_what_was_not_begun_is_not_sent_and_the_card_stays_of_use(desk: Desk) -> None:
    async def work() -> None:
        async with aio.open_card(desk.uri, needs_pin=True) as card:
            desk.held = READ_BINARY
            before = asyncio.create_task(card.certificate("auth"))
            await desk.until_under_way()
            pin = bytearray(b"1234")
            queued = asyncio.create_task(card.verify(PinKind.AUTH, pin))
            await asyncio.sleep(0)
            queued.cancel()
            with pytest.raises(asyncio.CancelledError):
                await queued
            assert pin == bytes(4)
            desk.gate.set()
            assert (await before)[:1] == b"\x30"
            assert (await card.counters(PinKind.AUTH))[0].attempts_left == 3

    run(work())
    assert desk.count(VERIFY) == 0


def test_a_reading_that_was_cancelled_ends_the_card_and_what_waits_behind_it(desk: Desk) -> None:
    async def work() -> None:
        async with aio.open_card(desk.uri, needs_pin=True) as card:
            desk.held = READ_BINARY
            reading = asyncio.create_task(card.certificate("auth"))
            await desk.until_under_way()
            pin = bytearray(b"1234")
            behind = asyncio.create_task(card.verify(PinKind.AUTH, pin))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            desk.gate.set()
            with pytest.raises(StaleSessionError) as stale:
                await behind
            assert stale.value.values["reason"] == "cancelled"
            assert pin == bytes(4)

    run(work())
    assert desk.count(VERIFY) == 0


def test_the_next_one_gets_the_card_when_it_has_been_powered_off(desk: Desk) -> None:
    """A task cancelled in a VERIFY: the reader is free only behind it, and nothing is verified."""

    async def work() -> None:
        desk.held = VERIFY

        async def presenting() -> None:
            async with aio.open_card(desk.uri, needs_pin=True) as card:
                await card.verify(PinKind.TEXT, bytearray(b"1234"))

        task = asyncio.create_task(presenting())
        await desk.until_under_way()
        task.cancel()
        nobody = asyncio.create_task(_refused(desk.uri))
        await asyncio.sleep(0)
        sent = len(desk.seen)
        await asyncio.sleep(0.05)
        assert len(desk.seen) == sent  # the next one waits
        desk.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await nobody == "file_needs_pin"

    run(work())


async def _refused(uri: str) -> str:
    async with aio.open_card(uri) as card:
        try:
            await card.attributes()
        except SecurityStatusError as error:
            return error.code
    return "read"


def test_a_card_that_was_let_go_is_of_no_use(desk: Desk) -> None:
    async def work() -> None:
        async with aio.open_card(desk.uri) as card:
            assert card.reader
        with pytest.raises(StaleSessionError):
            await card.info()

    run(work())


def test_no_card_is_told_at_once_and_the_reader_is_free(desk: Desk) -> None:
    async def work() -> None:
        unplug(desk.uri)
        for _ in range(2):
            with pytest.raises(NoCardError):
                async with aio.open_card(desk.uri):
                    pass

    run(work())


@pytest.mark.parametrize("wait", [0.0, 0.2])
def test_waiting_for_a_card_ends(monkeypatch: pytest.MonkeyPatch, wait: float) -> None:
    asked: list[float] = []
    monkeypatch.setattr(aio, "_open_card", _empty(asked))

    async def work() -> None:
        with pytest.raises(TransportTimeoutError) as late:
            async with aio.open_card("pcsc:", wait=wait):
                pass
        assert late.value.values["seconds"] == wait

    run(work())
    assert asked
    assert max(asked) <= wait


def test_waiting_for_ever_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio, "_open_card", _empty([]))

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), aio.open_card("pcsc:", wait=float("inf")):
                pass

    run(work())


def _empty(asked: list[float]) -> Callable[..., object]:
    """An empty reader: no card within the time it is given."""

    def opened(uri: str, *, wait: float, **others: object) -> object:
        asked.append(wait)
        threading.Event().wait(min(wait, 0.05))
        raise TransportTimeoutError("no_card_in_time", seconds=wait)

    return opened


def test_a_map_in_threads(tmp_path: Path) -> None:
    """Ten people enrol at once and are found again, each as who they are."""
    url, keys, clock = f"sqlite:///{tmp_path / 'map.db'}", tmp_path / "map.keys", Clock()
    create_map(url, keys, two_services(), Environment.TEST, now=NOW)
    people = [holder() for _ in range(10)]

    async def ask(table: Map, who: Holder, operation: Operation) -> Resolution:
        challenge = table.issue_challenge(operation, origin=ORIGIN, service="library")
        presentation = await aio.verify_evidence(table, who.answer(challenge))
        deed = aio.enrol if operation is Operation.ENROL else aio.resolve
        return await deed(table, presentation, Asker(actor="terminal-1", service="library"))

    async def work() -> None:
        with open_map(
            url, keys, two_services(), validator(clock), clock=clock, grouped=True
        ) as table:
            first = await asyncio.gather(*(ask(table, who, Operation.ENROL) for who in people))
            again = await asyncio.gather(*(ask(table, who, Operation.RESOLVE) for who in people))
            assert table.verify_ledger().intact
        names = [found.pseudonym for found in first]
        assert names == [found.pseudonym for found in again]
        assert len(set(names)) == len(people)

    run(work())
