# SPDX-License-Identifier: Apache-2.0
"""Values as text and as JSON: times, dates, attributes, certificates, verdicts."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jpki.dates import japanese_date
from jpki_cli import texts

if TYPE_CHECKING:
    from jpki.card.surface_records import FaceRecord
    from jpki.card.text_records import TextAttributes
    from jpki.certificate import HolderAttributes
    from jpki.dates import PartialDate
    from jpki.verdict import Check, Verdict

MASK = "●" * 12
ASCII_MASK = "*" * 12


def rfc3339(moment: datetime) -> str:
    """UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def b64(data: bytes) -> str:
    """Bytes for JSON."""
    return base64.b64encode(data).decode("ascii")


def clean(text: str) -> str:
    """Text of foreign origin, harmless to a terminal: controls and bidi marks become U+FFFD."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c
        for c in text
    )


def mask(unicode: bool) -> str:
    """What stands where something is not shown."""
    return MASK if unicode else ASCII_MASK


def birth_text(birth: date | PartialDate) -> str:
    """``昭和55年2月17日 (1980-02-17)``; an unknown part is only in the second form."""
    if not isinstance(birth, date):
        return str(birth)
    try:
        return f"{japanese_date(birth)} ({birth.isoformat()})"
    except ValueError:
        return birth.isoformat()


def sex_text(code: str) -> str:
    """性別 in words."""
    return texts.words(f"value.sex.{code}", code)


def attribute_lines(attributes: TextAttributes) -> dict[str, str]:
    """The four attributes in words, by name."""
    return {
        "name": clean(attributes.name),
        "birth": birth_text(attributes.birth),
        "sex": sex_text(attributes.sex_code),
        "address": clean(attributes.address),
    }


def attributes_json(attributes: TextAttributes) -> dict[str, object]:
    """The four attributes as members."""
    return {
        "name": attributes.name,
        "birth": str(attributes.birth),
        "sex": attributes.sex.name.lower() if attributes.sex else None,
        "sex_code": attributes.sex_code,
        "address": attributes.address,
    }


def holder_json(holder: HolderAttributes) -> dict[str, object]:
    """The four attributes of a sign certificate as members."""
    born = holder.birth.date if holder.birth else None
    return {
        "name": holder.name,
        "birth": born.iso() if born else None,
        "sex": holder.sex.value if holder.sex else None,
        "address": holder.address,
    }


def face_facts_json(face: FaceRecord) -> dict[str, object]:
    """The dates and the sex of the card face as members."""
    return {
        "birth": str(face.birth),
        "sex": face.sex.name.lower() if face.sex else None,
        "sex_code": face.sex_code,
        "expires": str(face.expiry),
    }


def check_label(check: Check) -> str:
    """What a check is called."""
    return texts.words(f"check.{check.name}", check.name)


def reason(check: Check) -> str:
    """Why a check came out so."""
    return texts.words(f"reason.{check.code}", check.code, **check.values)


def value_json(value: object) -> object:
    """A value of a verdict's subject for JSON."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64(value)
    if isinstance(value, Mapping):
        return {str(key): value_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [value_json(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def check_json(check: Check) -> dict[str, object]:
    """One check of a verdict."""
    return {
        "name": check.name,
        "outcome": check.outcome.value,
        "code": check.code,
        "reason": reason(check),
    }


def verdict_json(verdict: Verdict, *, test: bool) -> dict[str, object]:
    """``jpki.verdict/1``."""
    return {
        "schema": "jpki.verdict/1",
        "outcome": verdict.outcome.value,
        "environment": verdict.environment,
        "test": test,
        "genuine": verdict.genuine.value if verdict.genuine else None,
        "in_force": verdict.in_force.value if verdict.in_force else None,
        "checks": [check_json(check) for check in verdict.checks],
        "subject": value_json(dict(verdict.subject)),
    }
