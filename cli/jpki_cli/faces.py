# SPDX-License-Identifier: Apache-2.0
"""The card face for people and programs: rows, JSON, PNG files, and the photo on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jpki_cli import texts
from jpki_cli.read_plan import Plan
from jpki_cli.render import birth_text, face_facts_json, sex_text
from jpki_cli.screen import Screen
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card.images import GreyPicture, ImageInfo
    from jpki.card.records import Place
    from jpki.card.surface_records import FaceRecord, NumberImageRecord

NUMBER = "number"
LICENCE_PHOTO = "licence-photo"
PHOTOS = ("photo", LICENCE_PHOTO)
_COLUMNS, _ROWS = 40, 54  # of the drawn photo, at most: columns, and half-lines
_FEWEST_COLUMNS = 12  # with less nobody is recognised
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of the face, checked and not decoded. ``hidden``: read, and not given out."""

    name: str
    data: bytes = field(repr=False)
    info: ImageInfo
    hidden: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.name}.png"

    def png(self) -> bytes:
        """As a PNG file. Raises CardDataError, MissingExtraError."""
        from jpki.card.images import to_png

        return to_png(self.data, _place(self.name))


def _place(name: str) -> Place:
    from jpki.card.records import Place

    if name == LICENCE_PHOTO:
        return Place("licence", 0x001B)
    return Place("surface", 0x0005 if name == NUMBER else 0x0002)


def pictures(
    plan: Plan, face: FaceRecord | None, number: NumberImageRecord | None, *, reveal: bool
) -> tuple[Picture, ...]:
    """What the plan asks for of the images, each looked into. Raises CardDataError."""
    held: dict[str, bytes] = {}
    if face is not None:
        every = {
            "name": face.name_image,
            "address": face.address_image,
            "photo": face.photo,
            "security-code": face.security_code_image,
        }
        held = {name: every[name] for name in plan.images}
    if number is not None:
        held[NUMBER] = number.image
    return tuple(
        picture(name, data, hidden=name == NUMBER and not reveal) for name, data in held.items()
    )


def picture(name: str, data: bytes, *, hidden: bool = False) -> Picture:
    """One image of the face, looked into. Raises CardDataError."""
    from jpki.card.images import inspect

    return Picture(name, data, inspect(data, _place(name)), hidden)


def file_names(plan: Plan, *, reveal: bool) -> list[str]:
    """The files that ``--out`` would write for the plan."""
    names = [f"{name}.png" for name in plan.images]
    if plan.number_image and reveal:
        names.append(f"{NUMBER}.png")
    if plan.details:
        names.append("face.json")
    return names


def face_json(
    plan: Plan, face: FaceRecord, images: tuple[Picture, ...], written: Mapping[str, str]
) -> dict[str, object]:
    """The ``face`` member. ``written``: file names by image."""
    details: dict[str, object] = dict.fromkeys(("birth", "sex", "sex_code", "expires"))
    if plan.details:
        details = face_facts_json(face)
    return {
        **details,
        "images": {
            picture.name: {
                "format": picture.info.format,
                "width": picture.info.width,
                "height": picture.info.height,
                "file": written.get(picture.name),
            }
            for picture in images
        },
    }


def face_rows(
    plan: Plan, face: FaceRecord, images: tuple[Picture, ...], *, unicode: bool
) -> list[tuple[str, str]]:
    """Dates, sex, and what images there are."""
    rows = []
    if plan.details:
        rows = [
            (t("record.face.birth"), birth_text(face.birth)),
            (t("record.face.sex"), sex_text(face.sex_code)),
            (t("record.face.expires"), str(face.expiry)),
        ]
    for picture in images:
        size = {"width": picture.info.width, "height": picture.info.height}
        told = t("cli.image", **size) if unicode else t("cli.image_ascii", **size)
        if picture.hidden:
            told = t("cli.image_masked")
        rows.append((t(f"record.face.image.{picture.name}"), told))
    if plan.details and not plan.number_image:
        rows.append((t("record.face.image.number"), t("cli.image_not_read")))
    return rows


def draw_photo(
    session: Session, screen: Screen, images: tuple[Picture, ...], written: Path | None
) -> None:
    """The photo in half-blocks, on a terminal that can show it; else where to find it."""
    photo = next((one for one in images if one.name in PHOTOS), None)
    if photo is None:
        return
    columns = min(_COLUMNS, texts.terminal_columns() - _INDENT - 1)
    if screen.draws and columns >= _FEWEST_COLUMNS:
        from jpki.card.images import grey
        from jpki.errors import MissingExtraError

        try:
            picture = grey(photo.data, _place(photo.name), columns, _ROWS)
        except MissingExtraError as exc:
            session.note("photo_needs_extra", extra=exc.values["extra"])
        else:
            screen.line()
            half_blocks(screen, picture)
            return
    if written is None:
        session.note("photo_not_drawn")
    else:
        session.note("photo_written", path=str(written))


def half_blocks(screen: Screen, picture: GreyPicture) -> None:
    """Two lines of pixels in one line of text: ▀ in the upper grey on the lower one."""
    width = picture.width
    lines = [picture.pixels[i : i + width] for i in range(0, len(picture.pixels), width)]
    for index in range(0, len(lines), 2):
        upper = lines[index]
        lower = lines[index + 1] if index + 1 < len(lines) else bytes(width)
        screen.line(
            " " * _INDENT,
            *(
                ("▀", f"rgb({a},{a},{a}) on rgb({b},{b},{b})")
                for a, b in zip(upper, lower, strict=True)
            ),
        )
