# SPDX-License-Identifier: Apache-2.0
"""``jpki card read``: decoded records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jpki.card_map import TEXT_AP, Application, PinKind
from jpki_cli import certificates, files
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import Listed, OneOf, UsageFault, argument, command, option
from jpki_cli.commands.cert import pem
from jpki_cli.options import PATH, card_options, pin_options, with_option
from jpki_cli.pin_desk import PinDesk, kinds, present
from jpki_cli.render import attribute_lines, attributes_json, mask
from jpki_cli.screen import Screen
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card import Card, CertificateName, MyNumber
    from jpki.card.text_records import TextAttributes

_FIELDS = ("name", "birth", "sex", "address")
_LATER = ("face", "photo", "age", "licence")
_WHAT = ("attributes", *_FIELDS, "number", "certificates", "all", *_LATER)
_CERTIFICATES = ("auth", "sign", "auth-ca", "sign-ca")

# Which PINs open what in the text application. Source: the card map.
_OPENS_ATTRIBUTES = frozenset({PinKind.TEXT, PinKind.NUMBER_B})
_OPENS_NUMBER = frozenset({PinKind.TEXT, PinKind.NUMBER_A})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read, and with which PINs, in order. ``fields`` empty: no attributes."""

    fields: tuple[str, ...]
    number: bool
    certificates: bool
    everything: bool
    pins: tuple[PinKind, ...]


@dataclass(slots=True)
class Found:
    """What came of it. A certificate is its DER, or why it was not read."""

    attributes: TextAttributes | None = field(default=None, repr=False)
    number: MyNumber | None = field(default=None, repr=False)
    certificates: dict[str, bytes | str] = field(default_factory=dict, repr=False)


@command("read")
@argument("what", metavar="WHAT", required=False, default="attributes", type=Listed(*_WHAT))
@with_option
@option("--number", is_flag=True)
@option("--reveal", metavar="WHAT", type=OneOf("number"))
@option("--out", metavar="DIR", type=PATH)
@option("--force", is_flag=True)
@pin_options
@card_options
def read(
    session: Session,
    what: tuple[str, ...],
    with_: tuple[str, ...],
    number: bool,
    reveal: str | None,
    out: Path | None,
    force: bool,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> None:
    plan = plan_for(what, kinds(with_), number=number)
    if reveal and not plan.number:
        raise UsageFault("usage_reveal_number")
    if out is not None:
        _check_folder(out, plan, force)
    with (
        PinDesk(session, plan.pins, pin_fd) as desk,
        session.card(wait=wait, at=at, needs_pin=bool(plan.pins)) as opened,
    ):
        head = head_of(opened)
        found = _read(opened.card, plan, desk, last_try=last_try)
    if out is not None:
        _write(session, out, plan, found, head, force=force)
    if session.json:
        session.emit(_json(head, plan, found, reveal=bool(reveal)))
        return
    _show(session.screen(), head, plan, found, reveal=bool(reveal))
    if plan.everything and not plan.pins:
        session.note("all_without_pin")


def plan_for(what: Sequence[str], given: list[PinKind], *, number: bool) -> Plan:
    """What the words ask for. Raises UsageFault for what does not fit together."""
    for word in what:
        if word in _LATER:
            raise UsageFault("usage_not_yet", feature=f"card read {word}")
    if "all" in what:
        if len(what) > 1:
            raise UsageFault("usage_all_alone")
        fields: tuple[str, ...] = _FIELDS if _OPENS_ATTRIBUTES & set(given) else ()
        if number:
            _needs(given, _OPENS_NUMBER, "number")
        return Plan(fields, number, True, True, tuple(given))
    fields = _FIELDS if "attributes" in what else tuple(f for f in _FIELDS if f in what)
    number = number or "number" in what
    pins = given or ([PinKind.TEXT] if fields or number else [])
    if fields:
        _needs(pins, _OPENS_ATTRIBUTES, "attributes")
    if number:
        _needs(pins, _OPENS_NUMBER, "number")
    return Plan(fields, number, "certificates" in what, False, tuple(pins))


def _needs(given: list[PinKind], opens: frozenset[PinKind], record: str) -> None:
    if not opens & set(given):
        needed = ", ".join(sorted(kind.value for kind in opens))
        raise UsageFault("usage_with_opens", record=record, needed=needed)


def _home(kind: PinKind, plan: Plan) -> Application | None:
    """照合番号 exist twice; for text records they are presented to the text application."""
    text = kind in (PinKind.NUMBER_A, PinKind.NUMBER_B) and (plan.fields or plan.number)
    return TEXT_AP if text else None


def _read(card: Card, plan: Plan, desk: PinDesk, *, last_try: bool) -> Found:
    """PIN after PIN, and after each what it opens: selecting another application forgets it."""
    found = Found()
    for kind in plan.pins:
        present(card, desk, kind, last_try=last_try, application=_home(kind, plan))
        if plan.fields and found.attributes is None and kind in _OPENS_ATTRIBUTES:
            found.attributes = card.text.attributes()
        if plan.number and found.number is None and kind in _OPENS_NUMBER:
            found.number = _number(card)
        if plan.certificates and kind is PinKind.SIGN:
            found.certificates["sign"] = card.jpki.certificate("sign")
    if plan.certificates:
        for which in _CERTIFICATES:
            if which not in found.certificates:
                found.certificates[which] = _certificate(card, which)
    return found


def _number(card: Card) -> MyNumber:
    from jpki.card import NumberPurpose

    return card.text.number(NumberPurpose.own_card()).number


def _certificate(card: Card, which: str) -> bytes | str:
    """The DER, or the key of the words that say why not."""
    from jpki.errors import NoCertificateError
    from jpki_apdu.errors import SecurityStatusError

    try:
        return card.jpki.certificate(cast("CertificateName", which))
    except NoCertificateError:
        return "not_there"
    except SecurityStatusError:
        return "needs_sign" if which == "sign" else "needs_auth"


def _check_folder(out: Path, plan: Plan, force: bool) -> None:
    if not out.is_dir():
        raise UsageFault("usage_out_folder", path=str(out))
    if plan.fields:
        files.check_target(out / "attributes.json", force=force)
    for which in _CERTIFICATES if plan.certificates else ():
        files.check_target(out / f"{which}.pem", force=force)


def _write(
    session: Session, out: Path, plan: Plan, found: Found, head: Head, *, force: bool
) -> None:
    """Attributes and certificates; the number never goes into a file."""
    written: list[Path] = []
    if found.attributes is not None:
        members = _fields_json(found.attributes, plan)
        text = json.dumps({**head.mark, **members}, ensure_ascii=False, indent=2) + "\n"
        path = out / "attributes.json"
        files.write_whole(path, text.encode(), private=True, force=force)
        written.append(path)
    for which, der in found.certificates.items():
        if isinstance(der, bytes):
            path = out / f"{which}.pem"
            files.write_whole(path, pem(der), private=not which.endswith("-ca"), force=force)
            written.append(path)
    for path in written:
        session.say(t("cli.written", path=str(path)))


def _fields_json(attributes: TextAttributes, plan: Plan) -> dict[str, object]:
    members = attributes_json(attributes)
    wanted = {*plan.fields, *(["sex_code"] if "sex" in plan.fields else [])}
    return {name: value for name, value in members.items() if name in wanted}


def _json(head: Head, plan: Plan, found: Found, *, reveal: bool) -> dict[str, object]:
    result: dict[str, Any] = {
        "schema": "jpki.card_read/1",
        **head.mark,
        "attributes": None,
        "number": None,
        "certificates": None,
    }
    if found.attributes is not None:
        result["attributes"] = _fields_json(found.attributes, plan)
    if found.number is not None:
        result["number"] = {
            "value": found.number.reveal() if reveal else None,
            "check_digit_ok": found.number.check_digit_ok,
        }
    if plan.certificates:
        result["certificates"] = {
            which: _certificate_json(which, der) for which, der in found.certificates.items()
        }
    return result


def _certificate_json(which: str, der: bytes | str) -> dict[str, object]:
    from jpki.certificate.certificate import parse_certificate

    if isinstance(der, str):
        return {"read": False, "reason": der}
    told = certificates.certificate_json(parse_certificate(der), reveal=which.endswith("-ca"))
    return {"read": True, **told}


def _show(screen: Screen, head: Head, plan: Plan, found: Found, *, reveal: bool) -> None:
    head.show(screen)
    rows: list[tuple[str, str]] = []
    if found.attributes is not None:
        lines = attribute_lines(found.attributes)
        rows += [(t(f"record.{name}"), lines[name]) for name in plan.fields]
    if found.number is not None:
        number = found.number.reveal() if reveal else mask(screen.unicode)
        told = number if reveal else f"{number}  ({t('cli.number_masked')})"
        rows.append((t("record.number"), told))
    screen.table(rows)
    for which, der in found.certificates.items():
        screen.line()
        _show_certificate(screen, which, der)


def _show_certificate(screen: Screen, which: str, der: bytes | str) -> None:
    from jpki.certificate.certificate import parse_certificate

    if isinstance(der, str):
        screen.line((which, "strong"), f"  {t(f'cli.{der}')}")
        return
    screen.line((which, "strong"))
    certificate = parse_certificate(der)
    open_all = which.endswith("-ca")  # a CA's serial is nobody's
    screen.table(certificates.rows(certificate, reveal=open_all, unicode=screen.unicode))
