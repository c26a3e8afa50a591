# SPDX-License-Identifier: Apache-2.0
"""A verdict on the screen: each check with its outcome and reason, then the short answers."""

from __future__ import annotations

from collections.abc import Sequence

from jpki.verdict import Check, Outcome, Verdict
from jpki_cli.errors import Exit, exit_of
from jpki_cli.render import check_label, reason, verdict_json
from jpki_cli.screen import Part, Screen
from jpki_cli.session import Session
from jpki_cli.texts import t


def check_rows(checks: Sequence[Check]) -> list[tuple[Part, ...]]:
    """``valid     text data        signed by municipality key …``."""
    return [
        (
            (t(f"value.outcome.{check.outcome.value}"), check.outcome.value),
            check_label(check),
            reason(check),
        )
        for check in checks
    ]


def show_summary(screen: Screen, verdict: Verdict, elapsed: float | None = None) -> None:
    """The headlines, and the outcome with the number of checks."""
    if verdict.genuine is not None and verdict.in_force is not None:
        genuine, force = verdict.genuine.value, verdict.in_force.value
        screen.line(
            f"{t('cli.genuine')}   ",
            (t(f"value.headline.{genuine}"), genuine),
            f"      {t('cli.in_force')}   ",
            (t(f"value.headline.{force}"), force),
        )
    skipped = sum(check.outcome is Outcome.NOT_RUN for check in verdict.checks)
    ran = len(verdict.checks) - skipped
    told = t("cli.checks", n=ran)
    if skipped:
        told += t("cli.checks_not_run", skipped=skipped)
    outcome = verdict.outcome.value
    time = f"   {elapsed:.2f} s" if elapsed is not None else ""
    screen.line((t(f"value.outcome.{outcome}"), outcome), f" ({told}){time}")


def environment_line(screen: Screen, verdict: Verdict) -> None:
    """Everything under another trust than production, or about a test certificate, says so."""
    if is_test(verdict) or verdict.environment != "production":
        screen.line(
            (t("cli.test_data"), "test"), f"  {t(f'value.environment.{verdict.environment}')}"
        )
        screen.line()


def is_test(verdict: Verdict) -> bool:
    """Judged by a test PKI, or issued by one."""
    return verdict.environment == "test" or any(c.code == "test_root" for c in verdict.checks)


def advice(session: Session, verdict: Verdict) -> str | None:
    """The same command without revocation, if revocation was not permitted."""
    if not any(check.code == "not_permitted" for check in verdict.checks):
        return None
    return session.again("--revocation", "none")


def finish(session: Session, verdict: Verdict, *, advise: bool = True) -> Exit:
    """Show a verdict that has no card, and turn it into the exit code.

    ``advise``: the command can also be given without revocation, and says so where it helps.
    """
    if session.json:
        session.emit(verdict_json(verdict, test=is_test(verdict)))
        return exit_of(verdict.outcome)
    screen = session.screen()
    environment_line(screen, verdict)
    screen.table(check_rows(verdict.checks))
    screen.line()
    show_summary(screen, verdict)
    if advise and (again := advice(session, verdict)):
        screen.line()
        screen.paragraph(t("cli.advice_not_permitted"))
        screen.line(f"  {again}")
    return exit_of(verdict.outcome)
