# SPDX-License-Identifier: Apache-2.0
"""The toolkit for servers on asyncio: the same calls, awaited, and made in threads.

A card is talked to by one thread of its own, one operation after the other, and a reader holds
one presentation at a time: whoever opens it next waits until the card was let go.

What is cancelled before it was begun is never sent. What is under way cannot be called back: it
goes on to its end in its thread, and because nobody heard how it ended the card is of no more
use. Each later operation raises PinOutcomeUnknownError if a PIN was on its way (it may have cost
a try, and is not sent again), else StaleSessionError. Leaving the block waits for the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from jpki.card.pin_format import wipe
from jpki.card_map import PinKind
from jpki.certificate.kinds import Environment, Family
from jpki.errors import PinOutcomeUnknownError
from jpki.open import ANSWER_LIMIT, OpenedCard
from jpki.open import open_card as _open_card
from jpki.verifying import login
from jpki.verifying.card_check import check_card
from jpki_apdu.errors import StaleSessionError, TransportTimeoutError

if TYPE_CHECKING:
    from jpki.card import Card, PinCounter
    from jpki.card.card import CardInfo
    from jpki.card.jpki_ap import CertificateName, KeyKind
    from jpki.card.text_records import TextAttributes
    from jpki.mapping.answers import Resolution
    from jpki.mapping.presentation import Evidence, Presentation, Rejected
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker
    from jpki.validation.validator import Validator
    from jpki.verdict import Verdict
    from jpki.verifying.card_check import CardReport, PinSource
    from jpki.verifying.challenge import Challenge, Response
    from jpki.verifying.material import TrustMaterial, ValidationOptions

_T = TypeVar("_T")
_LOOK: Final = 0.5  # seconds of waiting for a card at a time, so that it can be cancelled

_Queue = WeakValueDictionary[str, asyncio.Lock]
_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()


class AsyncCard:
    """A card open for one presentation; made by :func:`open_card`.

    Each method is that of ``Card`` or its applications and raises what that raises, and
    PinOutcomeUnknownError or StaleSessionError after a cancelled operation.
    """

    def __init__(self, opened: OpenedCard, thread: ThreadPoolExecutor) -> None:
        self._opened = opened
        self._thread = thread
        self._presenting: PinKind | None = None
        self._gone: Callable[[], Exception] | None = None

    @property
    def reader(self) -> str:
        """The reader the card lies in."""
        return self._opened.reader

    async def run(self, job: Callable[[Card], _T]) -> _T:
        """``job`` with the card, in its thread: several steps, and nobody's between them."""
        return await self._made(job)

    async def info(self) -> CardInfo:
        """Kind, applications, certificates and counters; presents no PIN."""
        return await self._made(lambda card: card.info())

    async def counters(self, *kinds: PinKind) -> tuple[PinCounter, ...]:
        """Tries left; costs none."""
        return await self._made(lambda card: card.pins.counters(*kinds))

    async def verify(
        self, kind: PinKind, value: bytearray, *, last_try: bool = False
    ) -> PinCounter:
        """Present a PIN once. Wipes ``value``, also where nothing was sent."""
        return await self._made(
            lambda card: card.pins.verify(kind, value, last_try=last_try), kind, value
        )

    async def change(
        self, kind: PinKind, old: bytearray, new: bytearray, *, last_try: bool = False
    ) -> PinCounter:
        """Set a new PIN; ``old`` is verified once. Wipes both."""
        return await self._made(
            lambda card: card.pins.change(kind, old, new, last_try=last_try), kind, old, new
        )

    async def attributes(self) -> TextAttributes:
        """Name, address, birth, sex (text PIN or 照合番号B)."""
        return await self._made(lambda card: card.text.attributes())

    async def certificate(self, which: CertificateName) -> bytes:
        """DER of a certificate."""
        return await self._made(lambda card: card.jpki.certificate(which))

    async def authenticate(self, data: bytes, kind: KeyKind = PinKind.AUTH) -> bytes:
        """Sign ``data`` for a login; the PIN comes first."""
        return await self._made(lambda card: card.jpki.authenticate(data, kind))

    async def respond(
        self, challenge: Challenge, pin: bytearray, *, now: datetime, last_try: bool = False
    ) -> Response:
        """Answer a login challenge; ``pin`` is presented once and wiped."""
        return await self._made(
            lambda card: login.respond(card, challenge, pin, now=now, last_try=last_try),
            PinKind.AUTH,
            pin,
        )

    async def check(
        self,
        trust: TrustMaterial,
        options: ValidationOptions,
        pins: Mapping[PinKind, PinSource],
        *,
        last_try: bool = False,
    ) -> CardReport:
        """Read and verify the card. ``pins`` are asked in the card's thread."""
        noted = {kind: self._noted(kind, source) for kind, source in pins.items()}
        return await self._made(
            lambda card: check_card(card, trust, options, noted, last_try=last_try)
        )

    def _noted(self, kind: PinKind, source: PinSource) -> PinSource:
        def give(counter: PinCounter) -> bytearray:
            self._presenting = kind
            return source(counter)

        return give

    async def _made(
        self, job: Callable[[Card], _T], kind: PinKind | None = None, *values: bytearray
    ) -> _T:
        """One operation; ``kind``: the PIN it presents, ``values``: what is wiped in any case."""
        if self._gone is not None:
            _wipe(values)
            raise self._gone()
        future = self._thread.submit(self._begin, job, kind, values)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if future.cancel():
                _wipe(values)  # it was not begun
            elif self._gone is None:
                self._gone = self._unheard
            raise

    def _begin(
        self, job: Callable[[Card], _T], kind: PinKind | None, values: tuple[bytearray, ...]
    ) -> _T:
        if self._gone is not None:  # what went before was cancelled
            _wipe(values)
            raise self._gone()
        self._presenting = kind
        return job(self._opened.card)

    def _unheard(self) -> Exception:
        if self._presenting is not None:
            return PinOutcomeUnknownError(self._presenting, None)
        return StaleSessionError(reason="cancelled")

    def _closed(self) -> Exception:
        return StaleSessionError(reason="closed")

    async def _close(self) -> None:
        """Power the card off behind what is under way, and wait for that."""
        self._gone = self._gone or self._closed
        await _to_the_end(self._thread.submit(self._opened.card.close))


@asynccontextmanager
async def open_card(
    uri: str,
    *,
    wait: float | None = None,
    at: datetime | None = None,
    needs_pin: bool = False,
    trust: str = Environment.PRODUCTION,
    timeout: float | None = ANSWER_LIMIT,
) -> AsyncIterator[AsyncCard]:
    """The card of ours behind ``uri``, as :func:`jpki.open.open_card` has it, for this block.

    Waits while another task has the same ``uri`` open. On leaving, also when cancelled, the
    card is powered off before the next one gets it. Raises as the function named above.
    """

    def opening(seconds: float | None) -> OpenedCard:
        return _open_card(
            uri, wait=seconds, at=at, needs_pin=needs_pin, trust=trust, timeout=timeout
        )

    thread = ThreadPoolExecutor(1, "jpki-card")
    try:
        async with _queue(uri):
            card = AsyncCard(await _opened(thread, opening, uri, wait), thread)
            try:
                yield card
            finally:
                await card._close()
    finally:
        thread.shutdown(wait=False)


def _queue(uri: str) -> asyncio.Lock:
    """Who has the reader behind ``uri``; one of each for an event loop."""
    queue = _queues.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    return queue.setdefault(uri, asyncio.Lock())


async def _opened(
    thread: ThreadPoolExecutor,
    opening: Callable[[float | None], OpenedCard],
    uri: str,
    wait: float | None,
) -> OpenedCard:
    """Wait for a card in short looks, each of which ends; one that came too late is closed."""
    loop = asyncio.get_running_loop()
    until = loop.time() + (wait or 0.0)
    while True:
        left = None if wait is None else until - loop.time()
        step = left if left is None or not uri.startswith("pcsc") else min(_LOOK, max(left, 0.0))
        future = thread.submit(opening, step)
        try:
            return await _to_the_end(future)
        except asyncio.CancelledError:
            if future.exception() is None:
                thread.submit(future.result().card.close)
            raise
        except TransportTimeoutError as error:
            if error.code != "no_card_in_time":
                raise
            if until <= loop.time():
                error.values["seconds"] = wait
                raise


async def _to_the_end(future: Future[_T]) -> _T:
    """What ``future`` brings; a cancellation meanwhile is heeded once it has ended."""
    ending = asyncio.wrap_future(future)
    cancelled: asyncio.CancelledError | None = None
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: S110, it is raised below
            pass
    if cancelled is not None:
        raise cancelled
    return ending.result()


def _wipe(values: tuple[bytearray, ...]) -> None:
    for value in values:
        wipe(value)


async def validate(
    validator: Validator,
    der: bytes,
    *,
    family: Family | None = None,
    at: datetime | None = None,
) -> Verdict:
    """The verdict on one certificate; one validator serves any number of tasks."""
    return await asyncio.to_thread(validator.validate, der, family=family, at=at)


async def verify_response(
    response: Response, challenge: Challenge, validator: Validator, *, now: datetime
) -> Verdict:
    """The verdict on a login."""
    return await asyncio.to_thread(login.verify_response, response, challenge, validator, now=now)


async def verify_evidence(table: Map, evidence: Evidence) -> Presentation | Rejected:
    """A map's own verification of what it was given."""
    return await asyncio.to_thread(table.verify, evidence)


async def resolve(table: Map, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
    """The pseudonym of who presented, in the asker's service.

    Open the map with ``grouped=True``, so that calls share commits. Cancelled, it is done all
    the same or not at all; the presentation may be used up.
    """
    return await asyncio.to_thread(table.resolve, presentation, asker)


async def enrol(table: Map, presentation: Presentation | Rejected, asker: Asker) -> Resolution:
    """Register who presented. Cancelled: as :func:`resolve`."""
    return await asyncio.to_thread(table.enrol, presentation, asker)


__all__ = [
    "AsyncCard",
    "enrol",
    "open_card",
    "resolve",
    "validate",
    "verify_evidence",
    "verify_response",
]
