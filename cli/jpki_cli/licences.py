# SPDX-License-Identifier: Apache-2.0
"""The マイナ免許証 for people and programs. Of the card nothing but licence items is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from jpki.card_map import PinKind
from jpki_cli.faces import LICENCE_PHOTO, Picture
from jpki_cli.pin_desk import PinDesk, present
from jpki_cli.render import b64, birth_text, clean, reason
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card import Card
    from jpki.card.jis import JisText
    from jpki.card.licence_check import LicenceEvidence
    from jpki.card.licence_records import LicenceDate, LicenceRecord

FILES = ["licence.json", f"{LICENCE_PHOTO}.png"]
"""What ``--out`` may write."""


def read(card: Card, desk: PinDesk, last_try: bool, asterisks: bool) -> LicenceEvidence:
    """Licence and signature. The PIN is presented only if the card says that one is set."""
    if not card.licence.pin_set():
        return card.licence.evidence_without_pin(default_pin=asterisks, last_try=last_try)
    present(card, desk, PinKind.LICENCE, last_try=last_try)
    return card.licence.evidence()


def photo(evidence: LicenceEvidence | None) -> tuple[Picture, ...]:
    """The photo, checked and not decoded; none if there is none. Raises CardDataError."""
    if evidence is None or evidence.record.photo is None:
        return ()
    from jpki.card.images import inspect
    from jpki.card.records import Place

    data = evidence.record.photo
    return (Picture(LICENCE_PHOTO, data, inspect(data, Place("licence", 0x001B))),)


def _dates(record: LicenceRecord) -> dict[str, LicenceDate | None]:
    return {"small": record.small, "others": record.others, "second": record.second}


def rows(
    evidence: LicenceEvidence, images: tuple[Picture, ...], *, unicode: bool
) -> list[tuple[str, str]]:
    """What the licence says, field by field; empty fields are left out."""
    record = evidence.record
    held = ", ".join(t(f"value.licence_class.{one.value}") for one in record.held)
    told: list[tuple[str, str]] = [
        ("number", clean(record.number)),
        ("expires", _day(record.expires)),
        ("colour", clean(str(record.colour))),
        ("held", held),
        *((f"obtained.{name}", _day(day)) for name, day in _dates(record).items()),
        *(("condition", clean(str(one))) for one in record.conditions),
        *(("remark", clean(str(one))) for one in (*record.remarks, *record.spare)),
        ("recorded", _day(record.recorded)),
        ("history_number", clean(record.history_number)),
    ]
    for picture in images:
        if picture.name == LICENCE_PHOTO:
            size = {"width": picture.info.width, "height": picture.info.height}
            told.append(("photo", t("cli.image" if unicode else "cli.image_ascii", **size)))
    if tail := record.tiling.tail:
        told.append(("unread", t("cli.licence_unread", n=len(tail))))
    told.append(("signature", _signature(evidence)))
    return [(t(f"record.licence.{name}"), value) for name, value in told if value]


def _day(day: LicenceDate | None) -> str:
    return birth_text(day) if day is not None else ""


def _signature(evidence: LicenceEvidence) -> str:
    from jpki.card.licence_check import check_licence

    (check,) = check_licence(evidence)
    return f"{t(f'value.outcome.{check.outcome.value}')}: {reason(check)}"


def member(
    evidence: LicenceEvidence, images: tuple[Picture, ...], written: Mapping[str, str]
) -> dict[str, object]:
    """The ``licence`` member. ``written``: file names by image."""
    record = evidence.record
    return {
        "number": record.number or None,
        "history_number": record.history_number or None,
        "recorded": _iso(record.recorded),
        "expires": _iso(record.expires),
        "colour": _text(record.colour) if record.colour else None,
        "category": record.category,
        "held": [one.value for one in record.held],
        "class_codes": {one.value: code for one, code in record.classes.items()},
        "obtained": {name: _iso(day) for name, day in _dates(record).items()},
        "conditions": [_text(one) for one in record.conditions],
        "remarks": [_text(one) for one in (*record.remarks, *record.spare)],
        "gaiji": {str(number): b64(image) for number, image in record.gaiji.items()},
        "photo": _photo(images, written),
        "unknown": {one.name: b64(one.value) for one in (*record.reserved, *record.unknown)},
        "long_tags": record.tiling.long_tags.value if record.tiling.long_tags else None,
        "unread": b64(record.tiling.tail) if record.tiling.tail else None,
        "signature": _signature_member(evidence),
    }


def _iso(day: LicenceDate | None) -> str | None:
    if day is None:
        return None
    return day.isoformat() if isinstance(day, date) else day.iso()


def _text(text: JisText) -> dict[str, object]:
    return {"text": str(text), "complete": text.complete}


def _photo(images: tuple[Picture, ...], written: Mapping[str, str]) -> dict[str, object] | None:
    for picture in images:
        if picture.name == LICENCE_PHOTO:
            return {
                "format": picture.info.format,
                "width": picture.info.width,
                "height": picture.info.height,
                "file": written.get(picture.name),
            }
    return None


def _signature_member(evidence: LicenceEvidence) -> dict[str, object]:
    from jpki.card.licence_check import check_licence

    (check,) = check_licence(evidence)
    signed = evidence.signature
    return {
        "outcome": check.outcome.value,
        "code": check.code,
        "reason": reason(check),
        "issuer": signed.issuer if signed else None,
        "subject": signed.subject if signed else None,
    }
