# SPDX-License-Identifier: Apache-2.0
"""Times as the store has them: whole microseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(value: datetime) -> int:
    """Microseconds since 1970. Raises ValueError for a time without its zone."""
    if value.tzinfo is None:
        raise ValueError("a time needs its zone")
    return (value - EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """The time, UTC."""
    return EPOCH + timedelta(microseconds=value)


def instant(moment: datetime) -> str:
    """A moment as JSON has it: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
