# SPDX-License-Identifier: Apache-2.0
"""Many who present themselves at once: resolved with the statements of one.

Each is decided, looked up, done and written down as by itself, and in its order; only what the
database is asked and told of them goes there together. For a server whose map shares commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from sqlalchemy import Connection

from jpki.mapping import challenges, deeds, records
from jpki.mapping.answers import Resolution
from jpki.mapping.challenge_stock import More
from jpki.mapping.decision import Decision
from jpki.mapping.index import Index, index_of
from jpki.mapping.keys import is_token
from jpki.mapping.ledger import Entry
from jpki.mapping.lifecycle import CertificateState
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Evidence, Presentation, Rejected
from jpki.mapping.records import Found
from jpki.mapping.request import Request
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker, Opened, Result, Sitting, ended_so, refusal_of
from jpki.mapping.store.grouped import GroupedStore, Turn, by_themselves


@dataclass(frozen=True, slots=True)
class Asked:
    """One who is to be resolved: what was presented, for whom, and what the policy decides on."""

    presentation: Presentation | Rejected
    asker: Asker
    request: Request


def begins_at_once(table: Map) -> bool:
    """Whether :func:`begin_resolve` can be used, and never waits: no server is asked about a
    certificate, and another thread writes."""
    return table.validator.at_once and isinstance(table.store, GroupedStore)


def writing_more(table: Map, turn: Turn) -> More | None:
    """How challenges are written ahead while a server goes on, if this map can do that."""
    if not isinstance(table.store, GroupedStore):
        return None
    return partial(table.store.begin, together=by_themselves, turn=_here(table, turn))


def _here(table: Map, turn: Turn) -> Turn | None:
    """The turn, where neither database nor keys are behind a connection or in a token."""
    local = table.store.engine.dialect.name == "sqlite"
    return turn if local and not is_token(table.sitting().keys.location) else None


def begin_resolve(table: Map, evidence: Evidence, asker: Asker, turn: Turn) -> Future[Resolution]:
    """Begin what ``Map.verify`` and ``Map.resolve`` do, for a server that goes on meanwhile.

    ``turn``: where they are done if that waits for no other machine. The future has a
    ConflictError or KeyFileError where ``Map.resolve`` would try once more.
    """
    assert isinstance(table.store, GroupedStore)
    return table.store.begin((evidence, asker), _Resolving(table), _here(table, turn))


@dataclass(frozen=True, slots=True)
class _Resolving:
    """What makes the changes of one map: equal to another one of it."""

    table: Map

    def __call__(
        self, connection: Connection, crowd: Sequence[tuple[Evidence, Asker]]
    ) -> list[Resolution]:
        return resolve_all(self.table.sitting(), connection, self._verified(crowd))

    def _verified(self, crowd: Sequence[tuple[Evidence, Asker]]) -> list[Asked]:
        """One after the other, before the database is asked of any."""
        asked = []
        for evidence, asker in crowd:
            presentation = self.table.verify(evidence)
            request = self.table.request(Operation.RESOLVE, asker, presentation=presentation)
            asked.append(Asked(presentation, asker, request))
        return asked


def resolve_all(
    sitting: Sitting, connection: Connection, crowd: Sequence[Asked]
) -> list[Resolution]:
    """What ``Map.resolve`` would answer to each, in this order."""
    answers: list[Resolution] = []
    for rejected, some in groupby(crowd, lambda each: isinstance(each.presentation, Rejected)):
        if rejected:
            answers += (
                sitting.presented(
                    connection, each.presentation, each.asker, each.request, deeds.resolve
                )
                for each in some
            )
        else:
            answers += _resolve_all(sitting, connection, list(some))
    return answers


def _resolve_all(
    sitting: Sitting, connection: Connection, crowd: Sequence[Asked]
) -> list[Resolution]:
    """The same of presentations that were verified."""
    opened = [sitting.open(each.presentation, each.asker, each.request) for each in crowd]
    presented = [(each.presentation.challenge, each.aim) for each in opened]
    used_up = challenges.consume_all(connection, presented, sitting.now)
    reasons = [_reason(sitting, *each) for each in zip(opened, used_up, strict=True)]
    refs = [each.presentation.ref for each in crowd]
    indexes = [
        None if reason or ref is None else index_of(sitting.keys.service(each.service), ref)
        for each, ref, reason in zip(opened, refs, reasons, strict=True)
    ]
    people = _find(sitting, connection, opened, indexes)
    ended = [
        refusal_of(each.entry, each.decision, reason) if index is None
        else _resolve(sitting, connection, each, index, people)
        for each, index, reason in zip(opened, indexes, reasons, strict=True)
    ]  # fmt: skip
    entries = [(ended_so(entry, result), result.about) for entry, _, result in ended]
    sitting.ledger.append_all(connection, entries, now=sitting.now)
    return [
        Resolution(result.outcome, decision, result.pseudonym, result.reason)
        for _, decision, result in ended
    ]


def _reason(sitting: Sitting, opened: Opened, used_up: str) -> str:
    """Why one is refused before anybody is looked up, or nothing."""
    reason = used_up or sitting.standing_in_the_way(opened.presentation)
    if reason or (opened.decision.allowed and opened.purpose is not None):
        return reason
    return opened.decision.code


_Where = tuple[str, str]
_People = dict[tuple[_Where, bytes], Found]


def _find(
    sitting: Sitting,
    connection: Connection,
    opened: Sequence[Opened],
    indexes: Sequence[Index | None],
) -> _People:
    """Whom the certificates belong to, by service, purpose and index."""
    wanted: dict[_Where, dict[bytes, Index]] = {}
    for each, index in zip(opened, indexes, strict=True):
        if index is not None:
            wanted.setdefault(each.where, {})[index.current] = index
    people: _People = {}
    for where, asked in wanted.items():
        keys = sitting.keys.service(where[0])
        found = records.find_all(connection, keys, list(asked.values()), where, sitting.now)
        people.update(zip(((where, current) for current in asked), found, strict=True))
    return people


def _resolve(
    sitting: Sitting, connection: Connection, opened: Opened, index: Index, people: _People
) -> tuple[Entry, Decision, Result]:
    place = (opened.where, index.current)
    found = people[place]
    entry, decision, result = sitting.done(connection, opened, index, found, deeds.resolve)
    if result.true_reason == "hold_lifted":  # the next one of this certificate finds it so
        people[place] = replace(found, certificate=CertificateState.ACTIVE)
    return entry, decision, result
