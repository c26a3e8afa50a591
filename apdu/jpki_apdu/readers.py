# SPDX-License-Identifier: Apache-2.0
"""Readers by URI: ``pcsc:``, ``pcsc:PART-OF-NAME``, ``vpcd:HOST:PORT``, ``replay:FILE``.

Others register themselves. Whoever wants to see what is opened uses ``watch``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import ReaderUriError

Opener = Callable[[str, float | None, float | None], CardConnection]
"""Opens what follows the scheme's colon; then come ``wait`` and ``timeout`` (seconds)."""

Watcher = Callable[[Callable[[], CardConnection]], CardConnection]
"""Gets what would open a connection; opens it, and returns it or what stands before it."""

_watcher: ContextVar[Watcher | None] = ContextVar("jpki_apdu_watcher", default=None)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ReaderState:
    """One PC/SC reader. ``busy``: a program holds it for itself alone. ``atr`` may be empty.

    ``events``: cards put in and taken out so far, modulo 65536; 0 where PC/SC does not count.
    Two looks that differ in nothing else saw two cards, or one that was out in between.
    """

    name: str
    card_present: bool
    busy: bool = False
    atr: bytes = b""
    events: int = 0


def register_scheme(scheme: str, opener: Opener) -> None:
    """Let ``open_reader`` open ``scheme:…``. The last one registered counts."""
    if ":" in scheme or not _SCHEME.fullmatch(f"{scheme}:"):
        raise ValueError("a scheme is a letter, then letters, digits and + . -")
    _openers[scheme.lower()] = opener


def known_schemes() -> list[str]:
    """The schemes that can be opened, sorted."""
    return sorted(_openers)


def open_reader(
    uri: str, *, wait: float | None = None, timeout: float | None = None
) -> CardConnection:
    """Open the card in the reader ``uri`` names.

    ``wait``: seconds to wait for reader and card; None = do not wait, ``math.inf`` = for
    ever. ``timeout``: seconds that opening it, and later each answer, may take; None = as
    the scheme has it, which for ``pcsc:`` is no limit. Raises ReaderUriError (nothing was
    opened), NoReaderError, NoCardError, ReaderBusyError, CardUnresponsiveError,
    PcscMissingError, NoServiceError, TransportTimeoutError.
    """
    found = _SCHEME.fullmatch(uri)
    if not found:
        raise ReaderUriError("reader_uri_bare", uri=uri, hint=f"pcsc:{uri}")
    scheme = found[1].lower()
    opener = _openers.get(scheme)
    rest = found[2]
    if opener is None:
        known = " ".join(f"{s}:" for s in known_schemes())
        if near := difflib.get_close_matches(scheme, known_schemes(), 1):
            hint = f"{near[0]}:{rest}"
            raise ReaderUriError("reader_uri_scheme_near", scheme=scheme, known=known, hint=hint)
        raise ReaderUriError("reader_uri_scheme", scheme=scheme, known=known)
    return watched(lambda: opener(rest, wait, timeout))


def watched(opener: Callable[[], CardConnection]) -> CardConnection:
    """Open a connection past the watcher of the moment; ``open_reader`` does so by itself."""
    watcher = _watcher.get()
    return opener() if watcher is None else watcher(opener)


@contextmanager
def watch(watcher: Watcher) -> Iterator[None]:
    """Inside this block every connection that this thread or task opens goes by ``watcher``.

    Blocks may be nested; what opens a connection for the inner one goes by the outer one.
    """
    outer = _watcher.get()
    chained: Watcher = watcher if outer is None else lambda op: watcher(lambda: outer(op))
    before = _watcher.set(chained)
    try:
        yield
    finally:
        _watcher.reset(before)


def list_readers() -> list[ReaderState]:
    """The PC/SC readers, none of them opened. Raises PcscMissingError, NoServiceError."""
    from jpki_apdu import pcsc

    return pcsc.list_states()


def wait_for_change(
    known: Sequence[ReaderState], timeout: float | None = None
) -> list[ReaderState]:
    """The PC/SC readers as soon as they differ from ``known``, or when time is up.

    ``timeout``: seconds; None or ``math.inf`` = for ever. Returns readers equal to
    ``known`` if nothing changed. Also waits while there is no reader at all.
    """
    from jpki_apdu import pcsc

    return pcsc.wait_for_change(known, timeout)


def _open_pcsc(rest: str, wait: float | None, timeout: float | None) -> CardConnection:
    from jpki_apdu import pcsc

    return pcsc.open_pcsc(rest, wait, timeout)


def _open_vpcd(rest: str, wait: float | None, timeout: float | None) -> CardConnection:
    from jpki_apdu import vpcd

    return vpcd.open_vpcd(rest, wait, timeout)


def _open_replay(rest: str, wait: float | None, timeout: float | None) -> CardConnection:
    from jpki_apdu import replay

    return replay.open_replay(rest)


_openers: dict[str, Opener] = {"pcsc": _open_pcsc, "vpcd": _open_vpcd, "replay": _open_replay}
