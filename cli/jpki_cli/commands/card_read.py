# SPDX-License-Identifier: Apache-2.0
"""``jpki card read``: decoded records."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from click import IntRange

from jpki.card_map import PinKind
from jpki.dates import is_at_least, japan_day, years_old
from jpki_cli import certificates, files, licences
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import Listed, OneOf, UsageFault, argument, command, option
from jpki_cli.commands.cert import pem
from jpki_cli.errors import Exit
from jpki_cli.faces import PHOTOS, Picture, draw_photo, face_json, face_rows, file_names, pictures
from jpki_cli.options import PATH, card_options, pin_options, with_option
from jpki_cli.pin_desk import PinDesk, kinds, present
from jpki_cli.read_plan import (
    OPENS_ATTRIBUTES,
    OPENS_FACE,
    OPENS_NUMBER,
    WHAT,
    Plan,
    plan_for,
    secured,
)
from jpki_cli.render import attribute_lines, attributes_json, birth_text, mask
from jpki_cli.screen import Screen
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card import AgeRecord, Card, CertificateName, FaceRecord, MyNumber
    from jpki.card.licence_check import LicenceEvidence
    from jpki.card.surface_records import NumberImageRecord
    from jpki.card.text_records import TextAttributes

_CERTIFICATES = ("auth", "sign", "auth-ca", "sign-ca")
_ANSWERS = {
    True: ("yes", Exit.DONE),
    False: ("no", Exit.INVALID),
    None: ("unknown", Exit.CANNOT_TELL),
}


@dataclass(slots=True)
class Found:
    """What came of it. A certificate is its DER, or why it was not read.

    ``images``: of the face, as they are on the card. ``written``: file names by image.
    """

    attributes: TextAttributes | None = field(default=None, repr=False)
    number: MyNumber | None = field(default=None, repr=False)
    face: FaceRecord | None = field(default=None, repr=False)
    number_image: NumberImageRecord | None = field(default=None, repr=False)
    age: AgeRecord | None = field(default=None, repr=False)
    licence: LicenceEvidence | None = field(default=None, repr=False)
    certificates: dict[str, bytes | str] = field(default_factory=dict, repr=False)
    images: tuple[Picture, ...] = ()
    written: dict[str, str] = field(default_factory=dict)


@command("read")
@argument("what", metavar="WHAT", required=False, default="attributes", type=Listed(*WHAT))
@with_option
@option("--at-least", metavar="N", type=IntRange(0, 150))
@option("--number", is_flag=True)
@option("--reveal", metavar="WHAT", type=OneOf("number"))
@option("--secure-messaging", is_flag=True)
@option("--out", metavar="DIR", type=PATH)
@option("--force", is_flag=True)
@option("--asterisks", is_flag=True)
@pin_options
@card_options
def read(
    session: Session,
    what: tuple[str, ...],
    with_: tuple[str, ...],
    at_least: int | None,
    number: bool,
    reveal: str | None,
    secure_messaging: bool,
    out: Path | None,
    force: bool,
    asterisks: bool,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> Exit:
    plan = plan_for(what, kinds(with_), number=number, at_least=at_least)
    plan = replace(plan, asterisks=asterisks)
    if secure_messaging:
        plan = secured(plan)
    _check(out, plan, force, reveal=bool(reveal))
    with (
        PinDesk(session, plan.pins, pin_fd) as desk,
        session.card(wait=wait, at=at, needs_pin=bool(plan.pins), begins=plan.begins) as opened,
    ):
        head = head_of(opened)
        found = _read(opened.card, plan, desk, last_try=last_try)
    today = japan_day(at or session.app.clock())
    if plan.at_least is not None and found.age is not None:
        return _answer(session, head, found.age, plan.at_least, today)
    found.images = _pictures(plan, found, reveal=bool(reveal))
    if out is not None:
        _write(session, out, plan, found, head, force=force)
    if session.json:
        session.emit(_json(head, plan, found, today, reveal=bool(reveal)))
    else:
        _tell(session, head, plan, found, today, out, reveal=bool(reveal))
    return Exit.DONE


def _tell(
    session: Session,
    head: Head,
    plan: Plan,
    found: Found,
    today: date,
    out: Path | None,
    *,
    reveal: bool,
) -> None:
    screen = session.screen()
    _show(screen, head, plan, found, today, reveal=reveal)
    names = [found.written[name] for name in PHOTOS if name in found.written]
    photo = out / names[0] if out and names else None
    draw_photo(session, screen, found.images, photo)
    if plan.everything and not plan.pins:
        session.note("all_without_pin")


def _read(card: Card, plan: Plan, desk: PinDesk, *, last_try: bool) -> Found:
    """PIN after PIN, and after each what it opens: selecting another application forgets it."""
    found = Found()
    for kind in plan.pins:
        if plan.licence and kind is PinKind.LICENCE:
            found.licence = licences.read(card, desk, last_try, plan.asterisks)
            continue
        present(card, desk, kind, last_try=last_try, application=plan.home(kind))
        if plan.secure and kind is PinKind.TEXT:
            card.text.begin_secure_messaging()
        _read_text(card, plan, kind, found)
        _read_surface(card, plan, kind, found)
        if plan.certificates and kind is PinKind.SIGN:
            found.certificates["sign"] = card.jpki.certificate("sign")
    if plan.certificates:
        for which in _CERTIFICATES:
            if which not in found.certificates:
                found.certificates[which] = _certificate(card, which)
    return found


def _read_text(card: Card, plan: Plan, kind: PinKind, found: Found) -> None:
    if plan.face and kind is not PinKind.TEXT:
        return  # it was presented to the surface application
    if plan.fields and found.attributes is None and kind in OPENS_ATTRIBUTES:
        found.attributes = card.text.attributes()
    if plan.number and found.number is None and kind in OPENS_NUMBER:
        found.number = _number(card)


def _read_surface(card: Card, plan: Plan, kind: PinKind, found: Found) -> None:
    from jpki.card import NumberPurpose

    if plan.face and found.face is None and kind in OPENS_FACE:
        found.face = card.surface.face()
    if plan.number_image and kind is PinKind.NUMBER_A:
        found.number_image = card.surface.number_image(NumberPurpose.own_card())
    if plan.age and kind is PinKind.BIRTH:
        found.age = card.surface.age()


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


def _pictures(plan: Plan, found: Found, *, reveal: bool) -> tuple[Picture, ...]:
    """Images of the card face and of the licence. Raises CardDataError."""
    face = pictures(plan, found.face, found.number_image, reveal=reveal)
    return face + licences.photo(found.licence)


def _check(out: Path | None, plan: Plan, force: bool, *, reveal: bool) -> None:
    """Refuse, before the card is opened, what could not be shown or written in the end."""
    if reveal and not (plan.number or plan.number_image):
        raise UsageFault("usage_reveal_number")
    if plan.asterisks and not plan.licence:
        raise UsageFault("usage_asterisks")
    if out is None:
        return
    if plan.at_least is not None:
        raise UsageFault("usage_at_least_alone")
    if not out.is_dir():
        raise UsageFault("usage_out_folder", path=str(out))
    if plan.face or plan.licence:
        from jpki.card.images import demand_extra

        demand_extra()
    names = file_names(plan, reveal=reveal)
    names += ["attributes.json"] if plan.fields else []
    names += licences.FILES if plan.licence else []
    names += [f"{which}.pem" for which in _CERTIFICATES] if plan.certificates else []
    for name in names:
        files.check_target(out / name, force=force)


def _write(
    session: Session, out: Path, plan: Plan, found: Found, head: Head, *, force: bool
) -> None:
    """Records, images, certificates. The number is in none, but for its picture if revealed."""
    made: dict[str, tuple[bytes, bool]] = {}
    shown = [picture for picture in found.images if not picture.hidden]
    for picture in shown:
        made[picture.file_name] = (picture.png(), True)
        found.written[picture.name] = picture.file_name
    if found.face is not None and plan.details:
        members = face_json(plan, found.face, tuple(shown), found.written)
        made["face.json"] = (_text(head, members), True)
    if found.attributes is not None:
        made["attributes.json"] = (_text(head, _fields_json(found.attributes, plan)), True)
    if found.licence is not None:
        members = licences.member(found.licence, found.images, found.written)
        made["licence.json"] = (_text(head, members), True)
    for which, der in found.certificates.items():
        if isinstance(der, bytes):
            made[f"{which}.pem"] = (pem(der), not which.endswith("-ca"))
    # Everything is made before the first file is written: what cannot be decoded leaves none.
    files.write_all({out / name: content for name, content in made.items()}, force=force)
    for name in made:
        session.say(t("cli.written", path=str(out / name)))


def _text(head: Head, members: dict[str, object]) -> bytes:
    text = json.dumps({**head.mark, **members}, ensure_ascii=False, indent=2)
    return f"{text}\n".encode()


def _answer(session: Session, head: Head, age: AgeRecord, years: int, today: date) -> Exit:
    """Yes or no, and nothing else of the record."""
    answer = is_at_least(age.birth, years, today)
    word, code = _ANSWERS[answer]
    if session.json:
        told = {"schema": "jpki.age/1", **head.mark, "at_least": years, "answer": answer}
        session.emit(told)
        return code
    screen = session.screen()
    head.show(screen)
    screen.table([(t("record.age.at_least", years=years), t(f"value.answer.{word}"))])
    return code


def _fields_json(attributes: TextAttributes, plan: Plan) -> dict[str, object]:
    members = attributes_json(attributes)
    wanted = {*plan.fields, *(["sex_code"] if "sex" in plan.fields else [])}
    return {name: value for name, value in members.items() if name in wanted}


def _json(head: Head, plan: Plan, found: Found, today: date, *, reveal: bool) -> dict[str, object]:
    result: dict[str, Any] = {
        "schema": "jpki.card_read/1",
        **head.mark,
        "attributes": None,
        "number": None,
        "face": None,
        "age": None,
        "licence": None,
        "certificates": None,
    }
    if found.attributes is not None:
        result["attributes"] = _fields_json(found.attributes, plan)
    if found.number is not None:
        result["number"] = {
            "value": found.number.reveal() if reveal else None,
            "check_digit_ok": found.number.check_digit_ok,
        }
    if found.face is not None:
        result["face"] = face_json(plan, found.face, found.images, found.written)
    if found.age is not None:
        birth = found.age.birth
        years = years_old(birth, today) if isinstance(birth, date) else None
        result["age"] = {"birth": str(birth), "years": years}
    if found.licence is not None:
        result["licence"] = licences.member(found.licence, found.images, found.written)
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


def _show(
    screen: Screen, head: Head, plan: Plan, found: Found, today: date, *, reveal: bool
) -> None:
    head.show(screen)
    rows: list[tuple[str, str]] = []
    if found.attributes is not None:
        lines = attribute_lines(found.attributes)
        rows += [(t(f"record.{name}"), lines[name]) for name in plan.fields]
    if found.number is not None:
        number = found.number.reveal() if reveal else mask(screen.unicode)
        told = number if reveal else f"{number}  ({t('cli.number_masked')})"
        rows.append((t("record.number"), told))
    if found.face is not None:
        rows += face_rows(plan, found.face, found.images, unicode=screen.unicode)
    if found.age is not None:
        rows += _age_rows(found.age, today)
    if found.licence is not None:
        rows += licences.rows(found.licence, found.images, unicode=screen.unicode)
    screen.table(rows)
    for which, der in found.certificates.items():
        screen.line()
        _show_certificate(screen, which, der)


def _age_rows(age: AgeRecord, today: date) -> list[tuple[str, str]]:
    rows = [(t("record.age.birth"), birth_text(age.birth))]
    if isinstance(age.birth, date):
        years = t("cli.age_years", years=years_old(age.birth, today))
        rows.append((t("record.age.years"), years))
    return rows


def _show_certificate(screen: Screen, which: str, der: bytes | str) -> None:
    from jpki.certificate.certificate import parse_certificate

    if isinstance(der, str):
        screen.line((which, "strong"), f"  {t(f'cli.{der}')}")
        return
    screen.line((which, "strong"))
    certificate = parse_certificate(der)
    open_all = which.endswith("-ca")  # a CA's serial is nobody's
    screen.table(certificates.rows(certificate, reveal=open_all, unicode=screen.unicode))
