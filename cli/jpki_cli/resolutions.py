# SPDX-License-Identifier: Apache-2.0
"""What a map answered: in words or as the object, and as exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jpki_cli import texts
from jpki_cli.errors import Exit
from jpki_cli.policies import step_words
from jpki_cli.screen import Screen
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki_cli.presenting import Answered

_STYLES = {"resolved": "valid", "done": "valid", "refused": "invalid"}


def finish(session: Session, answered: Answered) -> Exit:
    """Show the answer. Resolved and done end with 0, everything else with 1."""
    if session.json:
        session.emit(answered.resolution.to_object())
        return exit_of(answered.resolution)
    screen = session.screen()
    show_test(screen, answered)
    show(screen, answered.resolution)
    return exit_of(answered.resolution)


def exit_of(resolution: Resolution) -> Exit:
    return Exit.DONE if resolution.done else Exit.INVALID


def show_test(screen: Screen, answered: Answered) -> None:
    """The card, where there was one; else that the map is for tests, where it is."""
    if answered.head is not None:
        answered.head.show(screen)
    elif answered.test:
        screen.line((t("cli.test_data"), "test"), f"  {t('map.test')}")
        screen.line()


def show(screen: Screen, resolution: Resolution) -> None:
    """Outcome, rule and article; why; the pseudonym where there is one."""
    outcome = resolution.outcome.value
    ground = f"  {resolution.rule}  {resolution.article}" if resolution.rule else ""
    screen.line((t(f"map.outcome.{outcome}"), _STYLES.get(outcome, "cannot_tell")), ground)
    screen.paragraph(why(resolution))
    pseudonym = resolution.to_object()["pseudonym"]
    if pseudonym is not None:
        screen.line(t("map.pseudonym"), (f"  {pseudonym}", "strong"))
    decision = resolution.decision
    place = f"{decision.service or '–'}/{decision.purpose or '–'}"
    words = t("map.under", place=place, policy=decision.policy_version)
    screen.line((words, "quiet"))


def why(resolution: Resolution) -> str:
    """The reason in words: the map's own, else the policy's, else what the outcome means."""
    if resolution.outcome.value == "refused" and resolution.reason == resolution.decision.code:
        return step_words(resolution.decision.decisive)
    about = f"reason.{resolution.reason}"
    if resolution.reason and texts.known(about):
        return t(about)
    return t(f"map.meaning.{resolution.outcome.value}")
