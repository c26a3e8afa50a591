# SPDX-License-Identifier: Apache-2.0
"""``jpki card info``: what a card says of itself without a PIN."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import command
from jpki_cli.commands.pin import counter_json, rows
from jpki_cli.options import card_options
from jpki_cli.session import Session
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.card import CardInfo


@command("info")
@card_options
def info(session: Session, wait: float | None, at: datetime | None) -> None:
    with session.card(wait=wait, at=at) as opened:
        head = head_of(opened)
        found = opened.card.info()
    if session.json:
        session.emit(_json(head, found))
        return
    screen = session.screen()
    head.show(screen)
    certificates = found.certificates
    screen.table(
        [
            (
                t("cli.token"),
                f"{found.token.info.label}, {t(f'value.medium.{found.token.medium}')}",
            ),
            (
                t("cli.applications"),
                ", ".join(t(f"value.application.{name}") for name in found.applications),
            ),
            (t("cli.certificate_auth"), t(f"value.presence.{certificates.auth.value}")),
            (t("cli.certificate_sign"), t(f"value.presence.{certificates.sign.value}")),
        ]
    )
    screen.line()
    screen.line(t("cli.tries_left"))
    screen.table(rows(found.counters))


def _json(head: Head, found: CardInfo) -> dict[str, object]:
    return {
        "schema": "jpki.card_info/1",
        **head.mark,
        "reader": head.reader,
        "token": found.token.info.label,
        "medium": found.token.medium,
        "interface": found.interface,
        "applications": list(found.applications),
        "certificates": {
            "auth": found.certificates.auth.value,
            "sign": found.certificates.sign.value,
        },
        "pins": [counter_json(counter) for counter in found.counters],
    }
