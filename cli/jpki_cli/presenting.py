# SPDX-License-Identifier: Apache-2.0
"""The holder's proof for one operation of a map: from the card in the reader, or from a file.

The order is always: what the policy refuses anyhow is refused; origin and purpose are shown;
the map issues a challenge; the PIN goes to one VERIFY; the map verifies the answer itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli import files
from jpki_cli.answering import KEYS, answer, pin_of
from jpki_cli.cards import head_of
from jpki_cli.clicks import OneOf, option
from jpki_cli.maps import actor_options, asker_of, map_options, opened_map, purpose_options
from jpki_cli.options import PATH, card_options, together, validation_options
from jpki_cli.pin_desk import PinDesk
from jpki_cli.policies import in_language
from jpki_cli.render import clean
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.policy import LinkKind, Operation, Policy, Purpose, Service
    from jpki.mapping.presentation import Evidence, Presentation, Rejected
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker
    from jpki.verifying.challenge import Challenge
    from jpki_cli.cards import Head

_LIMIT = 1 << 17  # bytes of a presentation file

presenting_options = together(
    map_options,
    purpose_options,
    actor_options,
    option("--presentation", metavar="FILE", type=PATH),
    option("--key", metavar="KEY", type=OneOf(*KEYS)),
    option("--child", is_flag=True),
    option("--guardian", metavar="yes|no", type=OneOf("yes", "no")),
    option("--last-try", is_flag=True),
    card_options,
    validation_options,
)
"""Of every command that a holder opens with a presentation."""

Work = Callable[["Map", "Presentation | Rejected", "Asker"], "Resolution"]
WorkWithEvidence = Callable[["Map", "Evidence", "Asker"], "Resolution"]


@dataclass(frozen=True, slots=True)
class Hand:
    """How the holder's answer is got: from ``file``, or with ``key`` of the card in the reader."""

    file: Path | None
    key: str | None
    pin_fd: int | None
    last_try: bool
    wait: float | None
    at: datetime | None

    @classmethod
    def from_options(cls, given: dict[str, Any]) -> Hand:
        """Take the options of card and presentation out of ``given``; what the map wants stays."""
        return cls(
            file=given.pop("presentation"),
            key=given.pop("key"),
            pin_fd=given["pin_fd"],
            last_try=given.pop("last_try"),
            wait=given.pop("wait"),
            at=given["at"],
        )

    def key_for(self, purpose: Purpose | None, operation: Operation) -> str:
        """The key named, else the one whose proof the policy asks for at the least."""
        from jpki.certificate.kinds import Family

        if self.key is not None:
            return self.key
        if purpose is None:
            return "auth"
        kinds, lowest = purpose.certificate.kinds, purpose.lowest(operation).family
        signs = lowest is Family.SIGN or kinds == {Family.SIGN}
        return "sign" if signs else "auth"


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one command, and the card it was asked with. ``test``: the map's."""

    resolution: Resolution
    test: bool
    head: Head | None = None


def present(
    session: Session,
    given: dict[str, Any],
    operation: Operation,
    work: Work,
    *,
    detail: Callable[[Purpose | None, Asker], str] | None = None,
    link: LinkKind | None = None,
) -> Answered:
    """Open the map, get the holder's answer, let the map verify it, and do ``work`` with it.

    ``detail``: what else stands in the challenge. ``link``: of which kind. Raises
    all that map, card and files raise.
    """

    def verified(table: Map, evidence: Evidence, asker: Asker) -> Resolution:
        return work(table, table.verify(evidence), asker)

    return present_evidence(session, given, operation, verified, detail=detail, link=link)


def present_evidence(
    session: Session,
    given: dict[str, Any],
    operation: Operation,
    work: WorkWithEvidence,
    *,
    detail: Callable[[Purpose | None, Asker], str] | None = None,
    link: LinkKind | None = None,
) -> Answered:
    """The same for work that verifies the holder's answer by itself, since it also keeps it."""
    from jpki.mapping.foresight import foresee
    from jpki.mapping.policy import Proof

    hand = Hand.from_options(given)
    with opened_map(session, given, Asked.from_options(given)) as table:
        asker = asker_of(given)
        test = is_test(table)
        _, purpose = table.policy.find(asker.service, asker.purpose, operation)
        key = hand.key_for(purpose, operation)
        with PinDesk(session, [] if hand.file else [pin_of(key)], hand.pin_fd) as desk:
            if refused := foresee(table, operation, asker, Proof(key), link=link):
                return Answered(refused, test)
            if hand.file is not None:
                return Answered(work(table, evidence_in(hand.file), asker), test)
            more = "" if detail is None else detail(purpose, asker)
            with session.card(wait=hand.wait, at=hand.at, needs_pin=True) as opened:
                head = head_of(opened)
                if refused := of_other_environment(table, operation, asker, key, head, link=link):
                    return Answered(refused, test, head)
                challenge = challenged(session, table, operation, asker, detail=more)
                now = session.app.clock() if hand.at is None else hand.at
                response = answer(
                    opened.card, challenge, desk, now, key=key, last_try=hand.last_try
                )
        return Answered(work(table, as_evidence(response), asker), test, head)


def is_test(table: Map) -> bool:
    """Whether it is a map for tests."""
    return table.environment.value == "test"


def evidence_in(path: Path) -> Evidence:
    """A presentation file, read and not yet believed. Raises ChallengeError, InputFileError."""
    from jpki.mapping.presentation import parse_evidence

    return parse_evidence(files.read_input(path, limit=_LIMIT))


def as_evidence(response: Any) -> Evidence:
    """An answer that was just made, taken like one that arrived."""
    from jpki.mapping.presentation import Evidence

    return Evidence(response)


def of_other_environment(
    table: Map,
    operation: Operation,
    asker: Asker,
    key: str,
    head: Head,
    *,
    link: LinkKind | None = None,
) -> Resolution | None:
    """The refusal of a test card by a production map: before any PIN."""
    from jpki.certificate.kinds import Environment
    from jpki.mapping.foresight import foresee
    from jpki.mapping.policy import Proof

    if not head.test or table.environment is Environment.TEST:
        return None
    return foresee(table, operation, asker, Proof(key), link=link, environment=Environment.TEST)


def challenged(
    session: Session,
    table: Map,
    operation: Operation,
    asker: Asker,
    *,
    detail: str = "",
    binds_card: bool = False,
) -> Challenge:
    """A challenge of the map, and on stderr what the holder is about to sign."""
    challenge = table.issue_challenge(
        operation,
        origin=origin_of(table.policy),
        service=asker.service,
        purpose=asker.purpose,
        detail=detail,
        binds_card=binds_card,
    )
    service, purpose = table.policy.find(asker.service, asker.purpose, operation)
    show_request(session, service, purpose)
    session.say(t("map.to_sign", origin=challenge.origin, purpose=challenge.purpose))
    return challenge


def origin_of(policy: Policy) -> str:
    """Who asks, as the holder sees it and signs it: the organisation of the policy."""
    return clean(policy.organisation.name)


def show_request(session: Session, service: Service | None, purpose: Purpose | None) -> None:
    """The first screen: for what, on which article, and the other way for who has no card."""
    if service is None or purpose is None:
        return
    title = f"{in_language(service.title)} – {in_language(purpose.title) or purpose.id}"
    session.say(t("map.asks", title=title, article=str(purpose.legal_basis or "–")))
    if other := in_language(purpose.alternative_path):
        session.say(t("policy.alternative", words=other))
