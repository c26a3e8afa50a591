# SPDX-License-Identifier: Apache-2.0
"""Which terminals may ask, and how often. A token is kept as its SHA-256 only."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

RATE: Final = 20.0  # requests a second and terminal, over time
BURST: Final = 60.0
TOKEN_SIZE: Final = 32  # characters at least


def token_digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8")).digest()


class Terminals:
    """Terminals by the digest of their token. Safe for several threads.

    ``names``: digest to actor, as policies name it. ``rate``: requests a second.
    """

    def __init__(
        self,
        names: Mapping[bytes, str],
        *,
        rate: float = RATE,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = dict(names)
        self._rate, self._burst = rate, burst
        self._clock = clock
        self._left = {name: (burst, clock()) for name in self._names.values()}
        self._lock = threading.Lock()

    def name(self, token: str) -> str | None:
        """The terminal of a token, or None for a stranger."""
        given = token_digest(token)
        found = None
        for digest, name in self._names.items():  # all of them: the time tells nothing
            if hmac.compare_digest(digest, given):
                found = name
        return found

    def admit(self, name: str) -> bool:
        """Whether this terminal may ask once more now (token bucket)."""
        now = self._clock()
        with self._lock:
            left, since = self._left[name]
            left = min(self._burst, left + (now - since) * self._rate)
            self._left[name] = (left - 1 if left >= 1 else left, now)
        return left >= 1
