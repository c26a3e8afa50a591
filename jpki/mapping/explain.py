# SPDX-License-Identifier: Apache-2.0
"""A decision explained before it is made, and any decision as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jpki.certificate.kinds import Environment, Medium
from jpki.errors import ConfigurationError
from jpki.mapping.decision import Decision, decide
from jpki.mapping.permissions import WITHOUT_CERTIFICATE
from jpki.mapping.policy import (
    HOLDER_OPERATIONS,
    ActorKind,
    LinkEvidence,
    LinkKind,
    Operation,
    Policy,
    Proof,
    Purpose,
    Role,
)
from jpki.mapping.request import Deed, Request, Step


def request_from(facts: Mapping[str, object], at: datetime) -> Request:
    """A request from plain facts, as a proposal or a command line states them.

    Keys are the names of :class:`Request`; a fact of another name, or a value that is none,
    raises ConfigurationError (``place``: the fact). ``at`` is the time to decide for.
    """
    found: dict[str, object] = {"at": at}
    for name, value in facts.items():
        make = _FACTS.get(name)
        if make is None:
            raise ConfigurationError(
                "policy_request", path="request", place=name, reason="unknown_key"
            )
        try:
            found[name] = make(value)
        except (ValueError, TypeError) as exc:
            raise ConfigurationError(
                "policy_request", path="request", place=name, reason="bad_value"
            ) from exc
    for name in ("operation", "actor"):
        if name not in found:
            raise ConfigurationError("policy_request", path="request", place=name, reason="missing")
    return Request(**found)  # type: ignore[arg-type]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _deeds(value: object) -> frozenset[Deed]:
    return frozenset(Deed(one) for one in _texts(value))


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return frozenset(_text(one) for one in value)


_FACTS: Mapping[str, Callable[[Any], object]] = {
    "operation": Operation, "actor": _text, "service": _text, "purpose": _text, "role": Role,
    "proof": Proof, "medium": Medium, "items": _texts, "consent": _flag, "link": LinkKind,
    "link_evidence": LinkEvidence, "document": _text, "receiver": _text,
    "channel": ActorKind, "environment": Environment, "map_environment": Environment,
    "confirmed_before": _flag, "minor": _flag, "guardian": _flag, "deeds": _deeds,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explanation:
    """``request`` as decided; ``assumed``: facts that were not given and are the policy's own."""

    request: Request
    assumed: tuple[str, ...]
    decision: Decision


def explain(policy: Policy, request: Request) -> Explanation:
    """The decision that ``request`` would get, with the proof that the policy asks for.

    Only what the policy itself says is assumed (lowest proof, a medium it takes, how a link is
    shown, a document where one is needed); consent and other facts of the person never are.
    The decision is :func:`decide`'s, the same that the map makes.
    """
    _, purpose = policy.find(request.service, request.purpose, request.operation)
    changes = {} if purpose is None else _assumptions(purpose, request)
    request = dataclasses.replace(request, **changes)  # type: ignore[arg-type]
    return Explanation(request, tuple(sorted(changes)), decide(policy, request))


def _assumptions(purpose: Purpose, request: Request) -> dict[str, object]:
    found: dict[str, object] = {}
    operation = request.operation
    lowest = purpose.lowest(operation)
    if request.proof is None and operation in HOLDER_OPERATIONS and lowest is not Proof.NONE:
        found["proof"] = lowest
    media = purpose.certificate.media
    if request.medium is None and media and operation not in WITHOUT_CERTIFICATE:
        found["medium"] = Medium.CARD if Medium.CARD in media else Medium.PHONE
    linked = operation is Operation.LINK and request.link is not None
    if linked and request.link_evidence is None:
        found["link_evidence"] = LinkEvidence.SAME_SITTING
    return found


def step_json(step: Step) -> dict[str, object]:
    """One step: rule, article, outcome, code, values; ``prohibition`` if it is one."""
    found: dict[str, object] = {
        "rule": step.rule,
        "article": step.article,
        "outcome": step.outcome.value,
        "code": step.code,
        "values": {k: list(v) if isinstance(v, tuple) else v for k, v in step.values.items()},
    }
    if step.prohibition:
        found["prohibition"] = step.prohibition
    return found


def decision_json(decision: Decision) -> dict[str, object]:
    """The object ``decision`` in every JSON answer of the map. No personal data."""
    return {
        "outcome": decision.outcome.value,
        "allowed": decision.allowed,
        "policy": decision.policy_version,
        "service": decision.service,
        "purpose": decision.purpose,
        "rule": decision.rule,
        "article": decision.article,
        "code": decision.code,
        "steps": [step_json(step) for step in decision.steps],
    }
