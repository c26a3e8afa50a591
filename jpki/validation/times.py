# SPDX-License-Identifier: Apache-2.0
"""Times: RFC 3339 text, whole seconds, and how fresh revocation data have to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple


def rfc3339(moment: datetime) -> str:
    """``2030-02-17T14:59:59Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def require_zone(moment: datetime | None) -> None:
    """Raises ValueError for a time that is not aware."""
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a time needs its zone")


def to_second(moment: datetime) -> datetime:
    """``moment`` without its fraction: certificates count whole seconds."""
    return moment.replace(microsecond=0)


class Moment(NamedTuple):
    """``at``: the time asked about. ``now``: the time nothing can be newer than.

    ``max_age``: how old revocation data may be at ``at``, whatever they say themselves.
    """

    at: datetime
    now: datetime
    max_age: timedelta | None = None

    def fault(self, this_update: datetime, next_update: datetime | None) -> str | None:
        """Why data of these times cannot tell the status at ``at``: future, expired, too_old,
        no_next_update; None if they can.

        Data newer than ``at`` can always tell: revocation is never taken back in JPKI [PS].
        """
        if this_update > self.now:
            return "future"
        if this_update > self.at:
            return None
        if next_update is not None and (self.at > next_update or next_update < this_update):
            return "expired"
        if self.max_age is not None and self.at - this_update > self.max_age:
            return "too_old"
        if next_update is None and self.max_age is None:
            return "no_next_update"
        return None
