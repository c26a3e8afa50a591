# SPDX-License-Identifier: Apache-2.0
"""``jpki map policy``: check a policy, explain a decision before it is made, compare two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jpki_cli import texts
from jpki_cli.clicks import Moment, OneOf, argument, command, option
from jpki_cli.errors import Exit
from jpki_cli.maps import CHANNELS, LINKS, ROLES
from jpki_cli.policies import in_language, step_words
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.mapping.check import Finding
    from jpki.mapping.explain import Explanation
    from jpki.mapping.policy import Policy
    from jpki.mapping.request import Step
    from jpki_cli.screen import Screen

# Spelled with hyphens on the command line. A test compares them with the library's.
OPERATIONS = (
    "enrol", "resolve", "link", "recheck", "refresh", "consent", "withdraw", "disclose", "erase",
    "suspend", "suppress", "close", "keep-evidence", "read-evidence", "review-consents",
    "latest-info", "read-items", "check-age", "use-number", "hand-number", "export",
)  # fmt: skip
PROOFS = ("none", "tap", "recheck", "face", "auth", "sign")
DEEDS = (
    "serial-as-user-id", "serial-given", "lookup-by-serial", "services-joined",
    "derived-code-given", "number-in-map", "number-derived", "number-joins", "bulk-export",
    "revocation-copied", "key-other-use", "certificate-kept", "direct-to-jlis",
    "revocation-undone", "hold-lifted", "environments-mixed", "profile-unknown", "pin-left-out",
    "body-as-key", "wearable", "second-card", "photo-register", "face-matched",
    "other-credential", "licence-beyond", "card-changed",
)  # fmt: skip
_STYLES = {"passed": "valid", "failed": "invalid", "needed": "cannot_tell"}
_LEVELS = {"error": "invalid", "warning": "cannot_tell", "note": "quiet"}


@command("check")
@option("--policy", metavar="PRESET|FILE", required=True)
def check(session: Session, policy: str) -> Exit:
    from jpki.mapping.check import Level
    from jpki.mapping.check import check as examine
    from jpki.mapping.policy_file import load_policy

    read = load_policy(policy)
    findings = examine(read)
    errors = sum(finding.level is Level.ERROR for finding in findings)
    if session.json:
        session.emit(_check_json(read, findings, errors))
    else:
        _show_check(session.screen(), read, findings, errors)
    return Exit.INVALID if errors else Exit.DONE


@command("explain")
@option("--policy", metavar="PRESET|FILE", required=True)
@option("--service", metavar="ID")
@option("--purpose", metavar="ID")
@option("--operation", metavar="NAME", required=True, type=OneOf(*OPERATIONS))
@option("--actor", metavar="NAME", required=True)
@option("--role", metavar="ROLE", type=OneOf(*ROLES))
@option("--proof", metavar="PROOF", type=OneOf(*PROOFS))
@option("--medium", metavar="MEDIUM", type=OneOf("card", "phone"))
@option("--channel", metavar="KIND", type=OneOf(*CHANNELS))
@option("--item", metavar="ITEM", multiple=True)
@option("--receiver", metavar="NAME")
@option("--consent", metavar="yes|no", type=OneOf("yes", "no"))
@option("--link", metavar="KIND", type=OneOf(*LINKS))
@option("--confirmed-before", metavar="yes|no", type=OneOf("yes", "no"))
@option("--child", is_flag=True)
@option("--guardian", metavar="yes|no", type=OneOf("yes", "no"))
@option("--document", metavar="TEXT")
@option("--deed", metavar="DEED", multiple=True, type=OneOf(*DEEDS))
@option("--at", metavar="TIME", type=Moment())
def explain(session: Session, policy: str, at: datetime | None, **given: Any) -> Exit:
    from jpki.mapping.explain import explain as explained
    from jpki.mapping.explain import request_from
    from jpki.mapping.policy_file import load_policy

    read = load_policy(policy)
    result = explained(read, request_from(_facts(given), at or datetime.now(UTC)))
    if session.json:
        session.emit(_explain_json(read, result))
    else:
        _show_explanation(session.screen(), read, result)
    outcome = result.decision.outcome.value
    return {"allowed": Exit.DONE, "conditional": Exit.CANNOT_TELL}.get(outcome, Exit.INVALID)


@command("diff")
@argument("old", metavar="OLD")
@argument("new", metavar="NEW")
def diff(session: Session, old: str, new: str) -> Exit:
    from jpki.mapping.diff import diff as compare
    from jpki.mapping.policy_file import load_policy

    before, after = load_policy(old), load_policy(new)
    changes = compare(before, after)
    if session.json:
        rows = [
            {"place": c.place, "before": c.before, "after": c.after, "effect": c.effect.value}
            for c in changes
        ]
        session.emit(
            {
                "schema": "jpki.map.policy_diff/1",
                "old": _named(before),
                "new": _named(after),
                "changes": rows,
            }
        )
        return Exit.DONE
    screen = session.screen()
    screen.line((f"{before.name} {before.version}  →  {after.name} {after.version}", "strong"))
    styles = {"wider": "cannot_tell", "narrower": "valid", "other": "quiet"}
    screen.table(
        [
            ((t(f"policy.effect.{c.effect.value}"), styles[c.effect.value]), c.place, _value(c))
            for c in changes
        ]
    )
    screen.paragraph(t("policy.changes", n=len(changes)))
    return Exit.DONE


def _value(change: Any) -> str:
    if "listed" in (change.before, change.after):
        return t("policy.added") if change.after else t("policy.removed")
    return f"{change.before or '–'}  →  {change.after or '–'}"


def _facts(given: dict[str, Any]) -> dict[str, object]:
    """The options as facts of a request; what was not given is not known."""
    named = {"item": "items", "deed": "deeds", "child": "minor"}
    coded = ("operation", "role", "link")
    facts: dict[str, object] = {}
    for option_name, value in given.items():
        if value is None or value == () or value is False:
            continue
        if option_name in ("consent", "guardian", "confirmed_before"):
            value = value == "yes"
        elif option_name in coded:
            value = value.replace("-", "_")
        elif option_name == "deed":
            value = [one.replace("-", "_") for one in value]
        facts[named.get(option_name, option_name)] = value
    return facts


def _named(policy: Policy) -> dict[str, object]:
    return {"name": policy.name, "version": policy.version, "digest": policy.digest}


# check ----------------------------------------------------------------------------------


def _check_json(policy: Policy, findings: Sequence[Finding], errors: int) -> dict[str, object]:
    return {
        "schema": "jpki.map.policy_check/1",
        "policy": _named(policy),
        "errors": errors,
        "findings": [
            {
                "level": f.level.value,
                "code": f.code,
                "place": f.place,
                "rule": f.rule,
                "article": f.article,
                "text": _finding(f),
            }
            for f in findings
        ],
    }


def _finding(finding: Finding) -> str:
    return t(f"policy.finding.{finding.code}", **finding.values)


def _show_check(screen: Screen, policy: Policy, findings: Sequence[Finding], errors: int) -> None:
    screen.line((f"{policy.name}  {policy.version}", "strong"))
    for service in policy.services:
        screen.line(f"  {service.id}  {in_language(service.title)}")
        for purpose in service.purposes:
            screen.line(f"    {purpose.id}  {purpose.legal_basis or '–'}")
            if other := in_language(purpose.alternative_path):
                screen.line((f"      {t('policy.alternative', words=other)}", "quiet"))
    for f in findings:
        head = (t(f"policy.level.{f.level.value}"), _LEVELS[f.level.value])
        _indented(screen, head, f"{f.place}  {f.rule}  {f.article}".rstrip(), _finding(f))
    screen.paragraph(t("policy.findings", n=errors, others=len(findings) - errors))


# explain --------------------------------------------------------------------------------


def _explain_json(policy: Policy, result: Explanation) -> dict[str, object]:
    from jpki.mapping.explain import decision_json

    _, purpose = policy.find(
        result.request.service, result.request.purpose, result.request.operation
    )
    return {
        "schema": "jpki.map.policy_explain/1",
        "policy": _named(policy),
        "operation": result.request.operation.value,
        "assumed": {name: str(getattr(result.request, name)) for name in result.assumed},
        "alternative_path": dict(purpose.alternative_path) if purpose else {},
        "decision": decision_json(result.decision),
        "text": step_words(result.decision.decisive),
    }


def _show_explanation(screen: Screen, policy: Policy, result: Explanation) -> None:
    decision = result.decision
    style = {"allowed": "valid", "conditional": "cannot_tell"}.get(decision.outcome, "invalid")
    head = (t(f"policy.outcome.{decision.outcome.value}"), style)
    screen.line(head, f"  {decision.rule}  {decision.article}")
    screen.paragraph(step_words(decision.decisive))
    for name in result.assumed:
        value = str(getattr(result.request, name))
        screen.line((t("policy.assumed", name=t(f"policy.fact.{name}"), value=value), "quiet"))
    screen.line()
    screen.line((t("policy.rules"), "strong"))
    for step in decision.steps:
        if not step.prohibition:
            _step(screen, step, t(f"policy.result.{step.outcome.value}"))
    screen.line()
    screen.line((t("policy.prohibitions"), "strong"))
    for step in decision.steps:
        if step.prohibition:
            clear = step.outcome.value == "passed"
            _step(screen, step, t("policy.result.clear" if clear else "policy.result.hit"))
    _close(screen, policy, result)


def _step(screen: Screen, step: Step, outcome: str) -> None:
    head = (outcome, _STYLES.get(step.outcome.value, "quiet"))
    place = f"{step.prohibition} {step.rule}".strip()
    _indented(screen, head, f"{place}  {step.article}".rstrip(), step_words(step))


def _indented(screen: Screen, head: tuple[str, str], place: str, words: str) -> None:
    """Outcome and place on one line, the words folded below it."""
    screen.line("  ", (texts.pad(head[0], 13), head[1]), place)
    for line in texts.wrap(words, max(30, screen.columns - 15)):
        screen.line(" " * 15, line)


def _close(screen: Screen, policy: Policy, result: Explanation) -> None:
    """The other way for who has no card, and which policy it was."""
    _, purpose = policy.find(
        result.request.service, result.request.purpose, result.request.operation
    )
    screen.line()
    if purpose is not None and purpose.alternative_path:
        words = in_language(purpose.alternative_path)
        screen.paragraph(t("policy.alternative", words=words))
    screen.paragraph(t("policy.which", name=policy.name, version=policy.version))
    screen.paragraph(t("policy.not_advice"))
