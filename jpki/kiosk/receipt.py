# SPDX-License-Identifier: Apache-2.0
"""What a person keeps of a visit: what was issued, by whom, its number, when. Nothing personal."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Final

from jpki import messages
from jpki.kiosk.visit import Ending
from jpki.verifying.issued import Statement, read_statement

JAPAN: Final = timezone(timedelta(hours=9))


def receipt(ending: Ending, language: str) -> list[dict[str, str]]:
    """Lines of words for a visit that issued a document; none for others."""
    statement = None if ending.document is None else read_statement(ending.document)
    if statement is None:
        return []
    lines = statement_lines(statement, language)
    if "fee" in ending.values:
        lines.append(_line("fee", f"{ending.values['fee']:,}", language))
    return lines


def statement_lines(statement: Statement, language: str) -> list[dict[str, str]]:
    """What of a statement names nobody."""
    kind = f"document.kind.{statement.kind}"
    named = messages.text(kind, language) if messages.has(kind, language) else statement.kind
    time = statement.issued_at.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M")
    return [
        _line("document", named, language),
        _line("issuer", statement.issuer, language),
        _line("number", statement.number, language),
        _line("time", time, language),
    ]


def _line(label: str, value: str, language: str) -> dict[str, str]:
    return {"label": messages.text(f"kiosk.receipt.{label}", language), "value": value}
