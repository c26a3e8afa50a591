# SPDX-License-Identifier: Apache-2.0
"""Lists in memory and lists in a store, asked as one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from jpki.validation.crl_facts import NumberMemory, Standing
from jpki.validation.findings import Finding
from jpki.validation.named import AskedAbout
from jpki.validation.times import Moment
from jpki.validation.trust import Anchor


class Lists(Protocol):
    """What can be asked whether a certificate is listed."""

    def check(self, certificate: AskedAbout, anchor: Anchor, moment: Moment) -> list[Finding]: ...
    def standing(
        self, certificate: AskedAbout, anchor: Anchor, max_age: timedelta | None
    ) -> Standing | None: ...


def joined(crls: Iterable[bytes], memory: NumberMemory | None, store: Lists | None) -> Lists:
    """The lists that are given (DER), those of the store, or both. ``memory``: of the first."""
    given = tuple(crls)
    if store is not None and not given:
        return store
    # Not above: a store alone needs nobody who reads lists.
    from jpki.validation.crl_store import CrlStore

    read = CrlStore(given, memory)
    return read if store is None else _Both(read, store)


class _Both:
    """Any of them says revoked; otherwise the best of what they say counts."""

    def __init__(self, memory: Lists, store: Lists) -> None:
        self._memory = memory
        self._store = store

    def check(self, certificate: AskedAbout, anchor: Anchor, moment: Moment) -> list[Finding]:
        """The findings of both."""
        first = self._memory.check(certificate, anchor, moment)
        return [*first, *self._store.check(certificate, anchor, moment)]

    def standing(
        self, certificate: AskedAbout, anchor: Anchor, max_age: timedelta | None
    ) -> Standing | None:
        """None: two lists would have to be asked, so each certificate is asked about."""
        return None
