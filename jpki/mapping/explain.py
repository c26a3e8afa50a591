# SPDX-License-Identifier: Apache-2.0
"""A decision explained before it is made, and any decision as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from jpki.certificate.kinds import Medium
from jpki.mapping.decision import Decision, decide
from jpki.mapping.permissions import WITHOUT_CERTIFICATE
from jpki.mapping.policy import HOLDER_OPERATIONS, LinkEvidence, Operation, Policy, Proof, Purpose
from jpki.mapping.request import Request, Step


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
