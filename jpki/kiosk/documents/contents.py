# SPDX-License-Identifier: Apache-2.0
"""What a document says: its kind and its fields, in Japanese as the paper has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from jpki.dates import japanese_date, japanese_year
from jpki.errors import IssuedDocumentError
from jpki.kiosk.records import ResidentRecord


class DocumentKind(StrEnum):
    """The value names words (``document.kind.VALUE``) and the purpose of a policy."""

    RESIDENCE = "residence"
    SEAL = "seal"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class Content:
    """A document's content. ``fields``: names (``document.field.NAME``) and texts, in order.

    ``seal``: the characters of a registered seal that is drawn beside them.
    """

    kind: DocumentKind
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    seal: str = field(default="", repr=False)


def content_of(kind: DocumentKind, record: ResidentRecord) -> Content:
    """The content from a resident's record.

    Raises IssuedDocumentError (``not_registered``) where there is nothing to certify.
    """
    return _BUILDERS[kind](record)


def missing(kind: DocumentKind, record: ResidentRecord) -> bool:
    """Whether the register has nothing for a document of that kind."""
    return (kind is DocumentKind.SEAL and record.seal is None) or (
        kind is DocumentKind.TAX and record.tax is None
    )


def _residence(record: ResidentRecord) -> Content:
    fields = (
        ("name", record.name),
        ("kana", record.kana),
        ("birth", japanese_date(record.birth)),
        ("sex", record.sex),
        ("address", record.address),
        ("resident_since", japanese_date(record.resident_since)),
        ("head", record.head),
        ("relation", record.relation),
    )
    return Content(DocumentKind.RESIDENCE, _filled(fields))


def _seal(record: ResidentRecord) -> Content:
    if record.seal is None:
        raise IssuedDocumentError(reason="not_registered")
    fields = (
        ("name", record.name),
        ("birth", japanese_date(record.birth)),
        ("address", record.address),
        ("seal_since", japanese_date(record.seal.registered)),
    )
    return Content(DocumentKind.SEAL, _filled(fields), record.seal.face)


def _tax(record: ResidentRecord) -> Content:
    tax = record.tax
    if tax is None:
        raise IssuedDocumentError(reason="not_registered")
    fields = (
        ("name", record.name),
        ("address", record.address),
        ("tax_year", japanese_year(date(tax.year, 4, 1)) + "度"),
        ("income", _yen(tax.income)),
        ("taxable", _yen(tax.taxable)),
        ("tax", _yen(tax.tax)),
    )
    return Content(DocumentKind.TAX, _filled(fields))


def _filled(fields: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in fields if text)


def _yen(amount: int) -> str:
    return f"{amount:,}円"


_BUILDERS: Mapping[DocumentKind, Callable[[ResidentRecord], Content]] = {
    DocumentKind.RESIDENCE: _residence,
    DocumentKind.SEAL: _seal,
    DocumentKind.TAX: _tax,
}
