# SPDX-License-Identifier: Apache-2.0
"""``jpki cert``: show and export the four certificates of a card."""

from __future__ import annotations

import base64
import textwrap
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jpki.card_map import PinKind
from jpki_cli import certificates, files
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import OneOf, argument, command, option
from jpki_cli.options import card_options, out_options, pin_options
from jpki_cli.pin_desk import PinDesk, present
from jpki_cli.render import b64
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card import CertificateName
    from jpki.open import OpenedCard

_WHICH = argument("which", metavar="WHICH", type=OneOf("auth", "sign", "auth-ca", "sign-ca"))


@command("show")
@_WHICH
@option("--format", "format_", metavar="FORM", type=OneOf("text", "pem", "der"), default="text")
@option("--reveal", metavar="WHAT", type=OneOf("serial"))
@out_options
@pin_options
@card_options
def show(
    session: Session,
    which: str,
    format_: str,
    reveal: str | None,
    out: Path | None,
    force: bool,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> None:
    if format_ != "text" or out is not None:
        form = "pem" if format_ == "text" else format_
        _export(session, which, form, out, force, pin_fd, last_try, wait, at)
        return
    from jpki.certificate.certificate import parse_certificate

    head, der = _read(session, which, pin_fd, last_try, wait, at)
    certificate = parse_certificate(der)
    open_all = reveal == "serial" or which.endswith("-ca")  # a CA's serial is nobody's
    if session.json:
        members = certificates.certificate_json(certificate, reveal=open_all)
        session.emit({"schema": "jpki.certificate/1", **head.mark, "which": which, **members})
        return
    screen = session.screen()
    head.show(screen)
    screen.table(certificates.rows(certificate, reveal=open_all, unicode=screen.unicode))
    if not open_all:
        screen.line()
        screen.line((t("cli.masked_serial"), "quiet"))


@command("export")
@_WHICH
@option("--format", "format_", metavar="FORM", type=OneOf("pem", "der"), default="pem")
@out_options
@pin_options
@card_options
def export(
    session: Session,
    which: str,
    format_: str,
    out: Path | None,
    force: bool,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> None:
    _export(session, which, format_, out, force, pin_fd, last_try, wait, at)


def _export(
    session: Session,
    which: str,
    form: str,
    out: Path | None,
    force: bool,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> None:
    if out is not None:
        files.check_target(out, force=force)
    head, der = _read(session, which, pin_fd, last_try, wait, at)
    data = der if form == "der" else pem(der)
    if out is not None:
        # The sign certificate holds name and address, both hold a serial number.
        files.write_whole(out, data, private=not which.endswith("-ca"), force=force)
    if session.json:
        session.emit(
            {
                "schema": "jpki.certificate_export/1",
                **head.mark,
                "which": which,
                "format": form,
                "file": str(out) if out else None,
                "certificate": None if out else b64(der),
            }
        )
    elif out is None:
        session.app.write_bytes(data)
    if head.test:
        session.say(t("cli.test_data"))
    if not which.endswith("-ca"):
        session.note("export_readable")


def _read(
    session: Session,
    which: str,
    pin_fd: int | None,
    last_try: bool,
    wait: float | None,
    at: datetime | None,
) -> tuple[Head, bytes]:
    """The DER, after the PIN it needs."""
    from jpki_apdu.errors import SecurityStatusError

    kinds = [PinKind.SIGN] if which == "sign" else []
    if which == "auth" and pin_fd is not None:
        kinds = [PinKind.AUTH]  # phones keep it behind the PIN; a card does not mind
    with (
        PinDesk(session, kinds, pin_fd) as desk,
        session.card(wait=wait, at=at, needs_pin=bool(kinds)) as opened,
    ):
        head = head_of(opened)
        if which == "sign":
            _demand_sign(opened)
        for kind in kinds:
            present(opened.card, desk, kind, last_try=last_try)
        try:
            return head, _certificate(opened, which)
        except SecurityStatusError:
            if kinds or which != "auth" or not session.app.has_terminal():
                raise
        with PinDesk(session, [PinKind.AUTH], None) as asked:
            present(opened.card, asked, PinKind.AUTH, last_try=last_try)
        return head, _certificate(opened, which)


def _demand_sign(opened: OpenedCard) -> None:
    """No password is asked for a certificate that is not there (under 15, or by choice)."""
    from jpki.card import Presence
    from jpki.errors import NoCertificateError

    if opened.card.jpki.availability().sign is Presence.ABSENT:
        raise NoCertificateError(which="sign")


def _certificate(opened: OpenedCard, which: str) -> bytes:
    return opened.card.jpki.certificate(cast("CertificateName", which))


def pem(der: bytes) -> bytes:
    """RFC 7468 armour."""
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()
