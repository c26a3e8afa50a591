# SPDX-License-Identifier: Apache-2.0
"""4情報提供: the latest name, address, birth date and sex of somebody who consented.

The map decides and writes down, the platform operator gives, and nothing of it is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection

from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.consent import GIVEN, consents
from jpki.mapping.platform import PlatformAdapter
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence, Presentation
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker, Here, Result, closed, nobody

SCHEMA: Final = "jpki.map.latest_info/1"


@dataclass(frozen=True, slots=True)
class LatestInfo:
    """The map's answer, and what the platform gave: only items that were consented to."""

    resolution: Resolution
    items: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.latest_info/1``. Personal data."""
        return {
            "schema": SCHEMA,
            "outcome": self.resolution.outcome.value,
            "resolution": self.resolution.to_object(),
            "items": dict(sorted(self.items.items())),
        }


def latest_info(
    table: Map, evidence: Evidence, asker: Asker, platform: PlatformAdapter
) -> LatestInfo:
    """The latest ``asker.items`` of who presented, under a consent of this purpose.

    The platform is asked after the ledger entry stands: what it does not answer was asked all
    the same. Raises MapError, PlatformError.
    """
    presentation = table.verify(evidence)
    request = table.request(Operation.LATEST_INFO, asker, presentation=presentation)

    def deed(here: Here) -> Result:
        return _covered(here, asker.items)

    def work(connection: Connection) -> Resolution:
        return table.sitting().presented(connection, presentation, asker, request, deed)

    resolution = table.change(work)
    if not resolution.done or not isinstance(presentation, Presentation):
        return LatestInfo(resolution)
    given = platform.latest_info(presentation.ref, asker.items)
    return LatestInfo(resolution, {name: given[name] for name in asker.items & given.keys()})


def _covered(here: Here, items: frozenset[str]) -> Result:
    """Done where a consent that is in force covers every item."""
    if here.found.handle is None:
        return nobody(here.found)
    if (shut := closed(here.found)) is not None:
        return shut
    covered = {
        item
        for one in consents(here.connection, here.found.handle)
        if one.purpose == here.purpose.id and one.state == GIVEN
        if one.starts_at <= here.now <= one.ends_at
        for item in one.items
    }
    if not items or not items <= covered:
        return Result(Outcome.REFUSED, "no_consent", about=here.found.handle)
    return Result(Outcome.DONE, about=here.found.handle)
