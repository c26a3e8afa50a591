# SPDX-License-Identifier: Apache-2.0
"""The verdict on a signed document, on the screen and as JSON: each signature by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jpki_cli.errors import Exit, exit_of
from jpki_cli.render import check_json, clean, rfc3339, value_json, verdict_json
from jpki_cli.session import Session
from jpki_cli.texts import t, words
from jpki_cli.verdicts import advice, check_rows, environment_line, is_test, show_summary

if TYPE_CHECKING:
    from jpki.verifying.document import DocumentVerdict, SignatureVerdict
    from jpki.verifying.issued import Statement
    from jpki_cli.screen import Screen


def show_document(session: Session, found: DocumentVerdict, *, reveal: bool = False) -> Exit:
    """Show it, and turn it into the exit code. ``reveal``: what an issued document says of a
    person, too."""
    if session.json:
        session.emit(document_json(found, reveal=reveal))
        return exit_of(found.outcome)
    screen = session.screen()
    write_document(screen, found, reveal=reveal)
    if again := advice(session, found.verdict):
        screen.line()
        screen.paragraph(t("cli.advice_not_permitted"))
        screen.line(f"  {again}")
    return exit_of(found.outcome)


def write_document(screen: Screen, found: DocumentVerdict, *, reveal: bool = False) -> None:
    """The verdict in words, line by line."""
    if not found.legal:
        screen.line((t("cli.not_legal"), "cannot_tell"))
        screen.line()
    environment_line(screen, found.verdict)
    if found.statement is not None:
        _statement(screen, found.statement, reveal=reveal)
    if found.checks:
        screen.table(check_rows(found.checks))
        screen.line()
    for one in found.signatures:
        _signature(screen, one, len(found.signatures))
    show_summary(screen, found.verdict)


def _statement(screen: Screen, stated: Statement, *, reveal: bool) -> None:
    rows = [
        (t("cli.issued_kind"), words(f"document.kind.{stated.kind}", clean(stated.kind))),
        (t("cli.issued_issuer"), clean(stated.issuer)),
        (t("cli.issued_at"), rfc3339(stated.issued_at)),
        (t("cli.issued_number"), clean(stated.number)),
    ]
    if reveal:
        rows += [
            (words(f"document.field.{name}", clean(name)), clean(text))
            for name, text in stated.fields
        ]
    screen.table(rows)
    if not reveal:
        screen.line()
        screen.paragraph(t("cli.issued_hidden"))
    screen.line()


def _signature(screen: Screen, one: SignatureVerdict, count: int) -> None:
    from jpki.certificate import parse_certificate
    from jpki.errors import CertificateError
    from jpki_cli.certificates import holder_rows

    outcome = one.outcome.value
    screen.line(
        (t("cli.signature_number", n=one.number, all=count), "strong"),
        "  ",
        (t(f"value.outcome.{outcome}"), outcome),
    )
    try:
        holder = parse_certificate(one.certificate).holder if one.certificate else None
    except CertificateError:
        holder = None
    if holder is not None:
        screen.table(holder_rows(holder))
    screen.table(check_rows(one.checks))
    screen.line()


def document_json(found: DocumentVerdict, *, reveal: bool = False) -> dict[str, object]:
    """``jpki.verdict/1`` with each signature by itself, or with what an issuer stated."""
    result = verdict_json(found.verdict, test=is_test(found.verdict))
    document: dict[str, object] = {
        "format": found.format.value,
        "legal": found.legal,
        "note": None if found.legal else t("cli.not_legal"),
        "signatures": [
            {
                "number": one.number,
                "outcome": one.outcome.value,
                "checks": [check_json(check) for check in one.checks],
                "subject": value_json(dict(one.subject)),
            }
            for one in found.signatures
        ],
    }
    if found.statement is not None:
        document["statement"] = _statement_json(found.statement, reveal=reveal)
    result["document"] = document
    return result


def _statement_json(stated: Statement, *, reveal: bool) -> dict[str, object]:
    return {
        "kind": stated.kind,
        "issuer": stated.issuer,
        "issued_at": rfc3339(stated.issued_at),
        "number": stated.number,
        "fields": dict(stated.fields) if reveal else None,
    }
