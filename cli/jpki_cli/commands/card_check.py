# SPDX-License-Identifier: Apache-2.0
"""``jpki card check``: the main job."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki.card_map import PIN_HOME, PinKind
from jpki_cli import files
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import Listed, UsageFault, command, option
from jpki_cli.commands.pin import counter_json, tries
from jpki_cli.errors import Exit, exit_of
from jpki_cli.options import PATH, card_options, pin_options, validation_options, with_option
from jpki_cli.pin_desk import PinDesk, kinds
from jpki_cli.progress import Progress
from jpki_cli.render import (
    attribute_lines,
    attributes_json,
    birth_text,
    face_facts_json,
    holder_json,
    mask,
    sex_text,
    verdict_json,
)
from jpki_cli.screen import Part, Screen
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked, material
from jpki_cli.verdicts import advice, check_rows, show_summary

if TYPE_CHECKING:
    from jpki.card import Card, PinCounter
    from jpki.verifying.card_check import CardReport
    from jpki.verifying.material import TrustMaterial, ValidationOptions

_BAR = 23
_SHOWN = (PinKind.AUTH, PinKind.SIGN, PinKind.TEXT, PinKind.NUMBER_A, PinKind.NUMBER_B)


@dataclass(frozen=True, slots=True)
class Done:
    """A finished check and what the screen says about the run. ``elapsed``: seconds."""

    head: Head
    report: CardReport
    elapsed: float
    extended: bool
    reveal: bool
    with_pins: bool


@command("check")
@with_option
@option("--number", is_flag=True)
@option("--reveal", metavar="LIST", type=Listed("number", "person"), default=())
@option("--report", "out", metavar="F", type=PATH)
@option("--force", is_flag=True)
@validation_options
@pin_options
@card_options
def check(
    session: Session,
    with_: tuple[str, ...],
    number: bool,
    reveal: tuple[str, ...],
    out: Path | None,
    force: bool,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    **given: Any,
) -> Exit:
    asked = Asked.from_options(given)
    wanted = kinds(with_)
    _refuse(wanted, number, reveal)
    if "person" in reveal and out is None:
        raise UsageFault("usage_reveal_person")
    if out is not None:
        files.check_target(out, force=force)
    with PinDesk(session, wanted, pin_fd) as desk:
        trust, options = material(session, asked)
        with session.card(wait=wait, at=asked.at, needs_pin=bool(wanted)) as opened:
            head = head_of(opened)
            begin = time.perf_counter()
            report = _run(
                opened.card, trust, options, desk, wanted, number, session.progress, last_try
            )
            elapsed = time.perf_counter() - begin
            extended = opened.card.connection.limits.extended > 0
    done = Done(head, report, elapsed, extended, "number" in reveal, bool(wanted))
    if out is not None:
        _write(session, done, out, person="person" in reveal, force=force)
    if session.json:
        session.emit(_json(session, done))
    else:
        _show(session, session.screen(), done)
    return exit_of(report.verdict.outcome)


def _write(session: Session, done: Done, out: Path, *, person: bool, force: bool) -> None:
    """The page that ``--report`` asks for; with ``person`` for nobody else's eyes."""
    from jpki_cli.card_reports import card_page

    test = done.head.test or done.report.verdict.environment == "test"
    html = card_page(
        done.head, done.report, test=test, person=person, number=done.reveal,
        made=session.app.clock(),
    )  # fmt: skip
    files.write_whole(out, html, private=True, force=force)
    session.note("card_report_written", path=str(out))


def _run(
    card: Card,
    trust: TrustMaterial,
    options: ValidationOptions,
    desk: PinDesk,
    wanted: list[PinKind],
    number: bool,
    progress: Progress,
    last_try: bool,
) -> CardReport:
    from jpki.card import NumberPurpose
    from jpki.verifying.card_check import check_card

    try:
        return check_card(
            card,
            trust,
            options,
            dict.fromkeys(wanted, _source(desk, progress, last_try=last_try)),
            number_purpose=NumberPurpose.own_card() if number else None,
            last_try=last_try,
            progress=progress,
        )
    finally:
        progress.clear()


def _refuse(wanted: list[PinKind], number: bool, reveal: tuple[str, ...]) -> None:
    shown = "number" in reveal
    if shown and not number:
        raise UsageFault("usage_reveal_number")
    if number and not {PinKind.TEXT, PinKind.NUMBER_A} & set(wanted):
        raise UsageFault("usage_with_opens", record="number", needed="number-a, text")
    if shown and PinKind.TEXT not in wanted:  # number-a opens its picture, not its digits
        raise UsageFault("usage_with_opens", record="number", needed="text")


def _source(
    desk: PinDesk, progress: Progress, *, last_try: bool
) -> Callable[[PinCounter], bytearray]:
    """Asks when the check gets there, and not if the PIN could not be presented anyway."""

    def give(counter: PinCounter) -> bytearray:
        counter.demand_try(last_try=last_try)
        progress.clear()
        return desk.take(counter)

    return give


def _next(session: Session, done: Done) -> str | None:
    """What to try after a check without PINs: the same command with those that can be used."""
    if done.with_pins:
        return None
    codes = {check.code for check in done.report.verdict.checks}
    usable = {
        counter.kind
        for counter in done.report.info.counters
        if counter.state.value in ("ok", "unlimited")
    }
    more = [
        kind.value
        for kind, code in ((PinKind.TEXT, "text_needs_pin"), (PinKind.AUTH, "login_needs_pin"))
        if code in codes and kind in usable
    ]
    return session.again("--with", ",".join(more)) if more else None


def _for_test_card(session: Session, done: Done) -> str | None:
    """A test card under production trust is never genuine: the command that says more."""
    if not done.head.test or done.report.verdict.environment != "production":
        return None
    return session.again("--trust", "test")


def _json(session: Session, done: Done) -> dict[str, object]:
    report = done.report
    result = verdict_json(
        report.verdict, test=done.head.test or report.verdict.environment == "test"
    )
    result["card"] = {
        "reader": done.head.reader,
        "token": report.info.token.info.label,
        "interface": done.head.interface,
        "pins": [counter_json(counter) for counter in report.info.counters],
        "files": report.files,
        "apdus": report.apdus,
        "elapsed_ms": round(done.elapsed * 1000),
        "attributes": attributes_json(report.attributes) if report.attributes else None,
        "face": face_facts_json(report.face) if report.face else None,
        "age": {"birth": str(report.age.birth)} if report.age else None,
        "sign_holder": holder_json(report.sign_holder) if report.sign_holder else None,
        "number": {
            "value": report.number.reveal() if done.reveal else None,
            "check_digit_ok": report.number.check_digit_ok,
        }
        if report.number
        else None,
        "next": _for_test_card(session, done)
        or advice(session, report.verdict)
        or _next(session, done),
    }
    return result


def _show(session: Session, screen: Screen, done: Done) -> None:
    report = done.report
    done.head.show(screen)
    screen.table(
        [(t("cli.pins"), _pins(report, screen.unicode)), (t("cli.reading"), _reading(screen, done))]
    )
    screen.line()
    _holder(screen, done)
    screen.table(check_rows(report.verdict.checks))
    screen.line()
    show_summary(screen, report.verdict, done.elapsed)
    if test := _for_test_card(session, done):
        screen.line()
        screen.paragraph(t("cli.advice_test_card"))
        screen.line(f"  {test}")
    elif again := advice(session, report.verdict):
        screen.line()
        screen.paragraph(t("cli.advice_not_permitted"))
        screen.line(f"  {again}")
    elif more := _next(session, done):
        screen.line()
        screen.line(t("cli.next"))
        screen.line(f"  {more}")


def _pins(report: CardReport, unicode: bool) -> str:
    """The counters of the PINs at home: ``auth 3/3   sign 5/5``."""
    at_home = {
        counter.kind: counter
        for counter in report.info.counters
        if counter.application_name == PIN_HOME[counter.kind].name
    }
    return "   ".join(
        f"{t(f'cli.pin.{kind.value}') if unicode else kind.value} {tries(at_home[kind])}"
        for kind in _SHOWN
        if kind in at_home and at_home[kind].state.value != "absent"
    )


def _reading(screen: Screen, done: Done) -> Part:
    bar = ("█" if screen.unicode else "#") * _BAR
    told = t("cli.read_counts", files=done.report.files, apdus=done.report.apdus)
    return f"{bar} {told}{t('cli.extended') if done.extended else ''}"


def _holder(screen: Screen, done: Done) -> None:
    report = done.report
    if report.attributes is not None:
        lines = attribute_lines(report.attributes)
        screen.line("  " + "   ".join(lines[name] for name in ("name", "birth", "sex", "address")))
    elif report.face is not None:
        face = report.face
        screen.line(f"  {birth_text(face.birth)}   {sex_text(face.sex_code)}")
    elif report.age is not None:
        screen.line(f"  {birth_text(report.age.birth)}")
    screen.line(f"  {t('record.number')}  {_number(screen, done)}")
    screen.line()


def _number(screen: Screen, done: Done) -> str:
    number = done.report.number
    if number is not None:
        masked = f"{mask(screen.unicode)}  ({t('cli.number_masked')})"
        return number.reveal() if done.reveal else masked
    image = done.report.verdict.check("surface_number")
    checked = image is not None and image.outcome.value != "not_run"
    return t("cli.image_checked") if checked else t("cli.number_hidden")
