# SPDX-License-Identifier: Apache-2.0
"""What changed between two policies, and whether it allows more or less."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from jpki.mapping.policy import Policy, Proof


class Effect(StrEnum):
    """``wider`` allows more than before; ``other``: neither can be said of it alone."""

    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Change:
    """One value at one place. ``before`` or ``after`` is empty where there was, or is, none."""

    place: str
    before: str
    after: str
    effect: Effect


# Lists in which an entry more allows more.
_WIDENING = frozenset(
    {
        "roles", "operations", "kinds", "media", "actors", "staff", "online", "accept",
        "data_items", "receivers",
    }
)  # fmt: skip
_WIDENING_FLAGS = frozenset({"children", "stores_serial", "operator_names", "sub_contracting"})


def diff(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Every difference, sorted by place: ``konbini/issue-….operations: resolve``."""
    before, after = _flat(old), _flat(new)
    whole = {place for place in before.keys() ^ after.keys() if _is_purpose(place)}
    changes = []
    for place in sorted(before.keys() | after.keys()):
        was, now = before.get(place, ""), after.get(place, "")
        inside = not _is_purpose(place) and place.partition(".")[0] in whole
        if was != now and not inside:  # a whole purpose is one change
            changes.append(Change(place, was, now, _effect(place, was, now)))
    return tuple(changes)


def _flat(policy: Policy) -> dict[str, str]:
    found: dict[str, str] = {}
    _spread(policy.organisation, "organisation", found)
    _spread(policy.switches, "switches", found)
    for service in policy.services:
        _spread(service.title, f"{service.id}.title", found)
        for purpose in service.purposes:
            place = f"{service.id}/{purpose.id}"
            found[place] = "listed"
            for field in dataclasses.fields(purpose):
                if field.name != "id":
                    _spread(getattr(purpose, field.name), f"{place}.{field.name}", found)
    return found


def _is_purpose(place: str) -> bool:
    return "/" in place and "." not in place


def _spread(value: object, place: str, found: dict[str, str]) -> None:
    """Leaves by place; an entry of a list is a place of its own, so that order does not count."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            _spread(getattr(value, field.name), f"{place}.{field.name}", found)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            _spread(one, f"{place}.{key}", found)
    elif isinstance(value, frozenset | tuple):
        for one in value:
            found[f"{place}: {one}"] = "listed"
    elif value is not None and value is not False and value != "":
        found[place] = str(value)


def _effect(place: str, was: str, now: str) -> Effect:
    head, _, entry = place.partition(": ")
    name = head.rpartition(".")[2]
    if ".contractor." in place:
        return Effect.OTHER
    if (entry and name in _WIDENING) or _is_purpose(head) or ".ordinance_scope." in place:
        return Effect.WIDER if now else Effect.NARROWER
    if place.startswith("switches.") or name in _WIDENING_FLAGS:
        return Effect.WIDER if now == "True" else Effect.NARROWER
    if name == "consent":
        return Effect.NARROWER if now == "True" else Effect.WIDER
    if ".assurance." in place:
        return _assurance(was, now)
    if name == "valid_until":
        return Effect.WIDER if not now or (was and now > was) else Effect.NARROWER
    if name == "valid_from" and was and now:
        return Effect.WIDER if now < was else Effect.NARROWER
    return Effect.OTHER


def _assurance(was: str, now: str) -> Effect:
    """What is not written is auth."""
    before, after = (Proof(text or "auth").order for text in (was, now))
    if before == after:
        return Effect.OTHER
    return Effect.WIDER if after < before else Effect.NARROWER
