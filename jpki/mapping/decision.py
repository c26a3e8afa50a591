# SPDX-License-Identifier: Apache-2.0
"""The decision over a request: refusal by default, prohibitions before every permission."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, lru_cache, partial
from typing import Final

from jpki.mapping.number_use import NUMBER_CONDITIONS, uses_number, without_ground
from jpki.mapping.permissions import CONDITIONS, Case, failed
from jpki.mapping.policy import JAPAN, Policy, Purpose, Service
from jpki.mapping.prohibitions import weigh_all
from jpki.mapping.request import Deed, Request, Step, StepOutcome

__all__ = [
    "Decider", "Decision", "DecisionOutcome", "Deed", "Request", "Step", "StepOutcome", "decide",
]  # fmt: skip

REMEMBERED: Final = 1_024  # decisions


class DecisionOutcome(StrEnum):
    """``conditional``: nothing forbids it, something is still missing. It refuses, too."""

    ALLOWED = "allowed"
    CONDITIONAL = "conditional"
    REFUSED = "refused"


@dataclass(frozen=True)
class Decision:
    """Every step that was weighed, prohibitions first, then the conditions in their order.

    ``service`` and ``purpose`` are the ids that were meant (None: unknown or unclear).
    """

    steps: tuple[Step, ...]
    policy_version: str
    service: str | None
    purpose: str | None

    @cached_property
    def outcome(self) -> DecisionOutcome:
        seen = {step.outcome for step in self.steps}
        if StepOutcome.FAILED in seen or StepOutcome.PASSED not in seen:
            return DecisionOutcome.REFUSED
        if StepOutcome.NEEDED in seen:
            return DecisionOutcome.CONDITIONAL
        return DecisionOutcome.ALLOWED

    @property
    def allowed(self) -> bool:
        """Whether it may be done now. Conditional is no."""
        return self.outcome is DecisionOutcome.ALLOWED

    @cached_property
    def decisive(self) -> Step:
        """The first step that refused, else the first that needs something, else the ground."""
        for outcome in (StepOutcome.FAILED, StepOutcome.NEEDED):
            for step in self.steps:
                if step.outcome is outcome:
                    return step
        return self._ground()

    def _ground(self) -> Step:
        grounds = ("link_evidence", "ordinance_in_scope", "number_task_listed", "legal_basis")
        for code in grounds:
            for step in self.steps:
                if step.code == code:
                    return step
        return self.steps[-1]

    @property
    def rule(self) -> str:
        """R1 to R17: the rule of the decisive step."""
        return self.decisive.rule

    @property
    def article(self) -> str:
        """The article of the decisive step."""
        return self.decisive.article

    @property
    def code(self) -> str:
        """The reason code of the decisive step."""
        return self.decisive.code


def decide(policy: Policy, request: Request) -> Decision:
    """Whether ``policy`` allows ``request``. Never raises for a request; the default is no."""
    service, purpose = policy.find(request.service, request.purpose, request.operation)
    steps = list(weigh_all(request, purpose))
    if service is None or purpose is None:
        steps.append(_unknown(policy, request))
    else:
        steps.extend(_conditions(Case(policy, service, purpose, request)))
    return Decision(tuple(steps), policy.version, _id(service), _id(purpose))


class Decider:
    """Decides for one policy, and does not weigh the same request twice on one day.

    Of the time of a request only its day in Japan counts, so the day stands for it. The most
    recent answers are kept; each is what :func:`decide` says.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._of_day = lru_cache(REMEMBERED)(partial(decide, policy))

    def __call__(self, request: Request) -> Decision:
        day = request.at.astimezone(JAPAN)
        return self._of_day(
            replace(request, at=day.replace(hour=0, minute=0, second=0, microsecond=0))
        )


def _conditions(case: Case) -> list[Step]:
    weighed = [condition(case) for condition in (*CONDITIONS, *NUMBER_CONDITIONS)]
    return [step for step in weighed if step is not None]


def _unknown(policy: Policy, request: Request) -> Step:
    """No such service or purpose on the white list."""
    if uses_number(request):
        return without_ground(policy, None)
    return failed("R5", "公的個人認証法52条1項", "purpose_unknown")


def _id(named: Service | Purpose | None) -> str | None:
    return None if named is None else named.id
