# SPDX-License-Identifier: Apache-2.0
"""From a card check to its HTML page: what is shown of the holder, and what is masked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from jpki_cli.html_report import Figure, Report, page
from jpki_cli.render import MASK, attribute_lines, birth_text, rfc3339, sex_text
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.verifying.card_check import CardReport
    from jpki_cli.cards import Head

_IMAGES = ("photo", "name", "address")


def card_page(
    head: Head, report: CardReport, *, test: bool, person: bool, number: bool, made: datetime
) -> bytes:
    """The page. ``person``: with name, dates, address and images; ``number``: with the number.

    Raises CardDataError, MissingExtraError (for the photo).
    """
    holder = [(label, text if person else MASK) for label, text in _holder(report)]
    if report.number is not None:
        holder.append((t("record.number"), report.number.reveal() if number else MASK))
    return page(
        Report(
            verdict=report.verdict,
            test=test,
            card=(
                (t("cli.card_report_reader"), head.reader),
                (t("cli.card_report_token"), report.info.token.info.label),
                (t("cli.card_report_files"), str(report.files)),
                (t("cli.card_report_commands"), str(report.apdus)),
            ),
            holder=holder,
            figures=_figures(report) if person else (),
            redacted=not person,
            made=rfc3339(made),
        )
    )


def _holder(report: CardReport) -> list[tuple[str, str]]:
    if report.attributes is not None:
        lines = attribute_lines(report.attributes)
        return [(t(f"record.{name}"), lines[name]) for name in ("name", "birth", "sex", "address")]
    if report.face is not None:
        face = report.face
        return [
            (t("record.birth"), birth_text(face.birth)),
            (t("record.sex"), sex_text(face.sex_code)),
        ]
    if report.age is not None:
        return [(t("record.birth"), birth_text(report.age.birth))]
    return []


def _figures(report: CardReport) -> Sequence[Figure]:
    from jpki_cli.faces import picture

    face = report.face
    if face is None:
        return ()
    held = {"photo": face.photo, "name": face.name_image, "address": face.address_image}
    return [
        Figure(t(f"record.face.image.{name}"), picture(name, held[name]).png()) for name in _IMAGES
    ]
