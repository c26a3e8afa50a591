# SPDX-License-Identifier: Apache-2.0
"""``jpki map enrol|resolve|erase|disclose``: what a holder opens with the own card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions, tapping
from jpki_cli.clicks import OneOf, command, option
from jpki_cli.errors import Exit
from jpki_cli.presenting import present, presenting_options
from jpki_cli.render import clean, rfc3339
from jpki_cli.session import Session
from jpki_cli.texts import t, words

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.disclosure import View
    from jpki.mapping.presentation import Presentation, Rejected
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker
    from jpki_cli.screen import Screen


@command("enrol")
@option("--bind-card", is_flag=True)
@presenting_options
def enrol(session: Session, bind_card: bool, **given: Any) -> Exit:
    from jpki.mapping.policy import Operation

    if bind_card:
        return resolutions.finish(session, tapping.enrol_with_card(session, given))
    answered = present(
        session, given, Operation.ENROL, lambda table, proof, asker: table.enrol(proof, asker)
    )
    return resolutions.finish(session, answered)


@command("resolve")
@option("--proof", metavar="PROOF", type=OneOf(*tapping.PROOFS))
@presenting_options
def resolve(session: Session, proof: str | None, **given: Any) -> Exit:
    from jpki.mapping.policy import Operation

    if proof is not None:
        return resolutions.finish(session, tapping.resolve_without_pin(session, given, proof))
    answered = present(
        session, given, Operation.RESOLVE, lambda table, proof, asker: table.resolve(proof, asker)
    )
    return resolutions.finish(session, answered)


@command("erase")
@presenting_options
def erase(session: Session, **given: Any) -> Exit:
    from jpki.mapping.policy import Operation

    answered = present(
        session, given, Operation.ERASE, lambda table, proof, asker: table.erase(proof, asker)
    )
    return resolutions.finish(session, answered)


@command("disclose")
@presenting_options
def disclose(session: Session, **given: Any) -> Exit:
    from jpki.mapping.disclosure import Disclosure, View
    from jpki.mapping.policy import Operation

    view = View()

    def work(table: Map, proof: Presentation | Rejected, asker: Asker) -> Resolution:
        nonlocal view
        disclosed = table.disclose(proof, asker)
        view = disclosed.view
        return disclosed.resolution

    answered = present(session, given, Operation.DISCLOSE, work)
    if session.json:
        session.emit(Disclosure(answered.resolution, view).to_object())
        return resolutions.exit_of(answered.resolution)
    screen = session.screen()
    resolutions.show_test(screen, answered)
    resolutions.show(screen, answered.resolution)
    if answered.resolution.done:
        _show(screen, view)
    return resolutions.exit_of(answered.resolution)


def _show(screen: Screen, view: View) -> None:
    """The three lists, newest access first; nothing is left out because it is empty."""
    accesses = [
        (
            rfc3339(a.at), words(f"map.operation.{a.operation}", a.operation),
            clean(a.purpose) or "–", a.article or "–",
            words(f"map.outcome.{a.outcome}", a.outcome), _who(a.who), clean(a.receiver),
        )
        for a in view.accesses
    ]  # fmt: skip
    consents = [
        (rfc3339(c.starts_at), rfc3339(c.ends_at), c.purpose, ", ".join(map(clean, c.items)),
         clean(c.notice), t(f"map.consent.{c.state}"))
        for c in view.consents
    ]  # fmt: skip
    links = [
        (rfc3339(one.at), t(f"map.link.{one.kind}"), t(f"map.evidence.{one.evidence}"), one.article)
        for one in view.links
    ]
    for title, rows in (
        (t("map.accesses", n=len(accesses)), accesses),
        (t("map.consents", n=len(consents)), consents),
        (t("map.links", n=len(links)), links),
    ):
        screen.line()
        screen.line((title, "strong"))
        screen.table(rows)


def _who(who: str) -> str:
    """Roles in words; an actor, where the policy names them, as written."""
    return ", ".join(words(f"map.role.{one}", clean(one)) for one in who.split(","))
