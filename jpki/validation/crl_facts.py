# SPDX-License-Identifier: Apache-2.0
"""What is told of a list and by it, whether it was read whole or is looked up in an index.

Apart from ``crl``, so that who asks an index need not wait for the reader of lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from jpki.validation.findings import Finding

# Issuer, key id and points of a list: the lists that replace one another.
ListKey = tuple[bytes, bytes, frozenset[object] | None]


class IssuingPoint(NamedTuple):
    """``names``: DER GeneralNames of fullName; None when the list is not limited to a point.

    ``fault``: why the list does not cover a holder's certificate (a code), or None.
    """

    names: tuple[bytes, ...] | None
    fault: str | None = None


class ListFacts(Protocol):
    """What has to be known of a list to name it."""

    @property
    def this_update(self) -> datetime: ...
    @property
    def next_update(self) -> datetime | None: ...
    @property
    def point(self) -> IssuingPoint: ...


class NumberMemory(Protocol):
    """Remembers the highest cRLNumber seen, so that an older list cannot come back."""

    def highest(self, key: ListKey) -> int | None: ...
    def remember(self, key: ListKey, number: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What the lists of a point say of every certificate that ``listed`` (content octets of
    its serial) does not find: ``good``.

    It holds when now is not before ``since``, the time asked about is not after ``until``, and
    the certificate does not end before ``since``; else ``CrlStore.check`` has to be asked.
    """

    since: datetime
    until: datetime
    listed: Callable[[bytes], bool] = field(repr=False)
    good: Finding
