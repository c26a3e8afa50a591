# SPDX-License-Identifier: Apache-2.0
"""``jpki card info``: what a card says of itself without a PIN."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jpki_cli import registries
from jpki_cli.cards import Head, head_of
from jpki_cli.clicks import command, option
from jpki_cli.commands.pin import counter_json, rows
from jpki_cli.options import PATH, card_options
from jpki_cli.render import b64
from jpki_cli.session import Session
from jpki_cli.texts import language, t

if TYPE_CHECKING:
    from jpki.card.municipalities import MunicipalityNames
    from jpki.card.overview import CardOverview


@command("info")
@option("--applications", metavar="F", type=PATH)
@card_options
def info(
    session: Session, applications: Path | None, wait: float | None, at: datetime | None
) -> None:
    from jpki.card.overview import overview

    listed = registries.applications(session, applications)
    names = registries.municipalities(session)
    with session.card(wait=wait, at=at) as opened:
        head = head_of(opened)
        found = overview(opened.card, listed)
    if session.json:
        session.emit(_json(head, found, names))
    else:
        _show(session, head, found, names)


def _show(session: Session, head: Head, found: CardOverview, names: MunicipalityNames) -> None:
    screen = session.screen()
    head.show(screen)
    told = found.info
    certificates = told.certificates
    lines = [
        ("cli.token", f"{told.token.info.label}, {t(f'value.medium.{told.token.medium}')}"),
        (
            "cli.applications",
            ", ".join(t(f"value.application.{name}") for name in told.applications),
        ),
    ]
    if found.free_area:
        own = ", ".join(one.name(language()) for one in found.free_area)
        lines.append(("cli.free_area", own))
    lines += [
        ("cli.certificate_auth", t(f"value.presence.{certificates.auth.value}")),
        ("cli.certificate_sign", t(f"value.presence.{certificates.sign.value}")),
    ]
    if found.municipality is not None:
        place = names.find(found.municipality)
        name = f"  {place.name(language())}" if place else ""
        lines.append(("cli.municipality", f"{found.municipality}{name}"))
    if found.expiry is not None:
        lines.append(("cli.card_expiry", found.expiry.isoformat()))
    if found.contact_atr is not None:
        lines.append(("cli.contact_atr", found.contact_atr.hex(" ").upper()))
    screen.table([(t(key), value) for key, value in lines])
    screen.line()
    screen.line(t("cli.tries_left"))
    screen.table(rows(told.counters))
    screen.line()
    screen.line(t("cli.pins_explained"))
    kinds = dict.fromkeys(c.kind.value for c in told.counters if c.state.value != "absent")
    screen.table([(kind, t(f"cli.pin_explained.{kind}")) for kind in kinds])


def _json(head: Head, found: CardOverview, names: MunicipalityNames) -> dict[str, object]:
    told = found.info
    return {
        "schema": "jpki.card_info/1",
        **head.mark,
        "reader": head.reader,
        "token": told.token.info.label,
        "medium": told.token.medium,
        "interface": told.interface,
        "applications": list(told.applications),
        "free_area": [
            {"id": one.id, "name": {"ja": one.ja, "en": one.en}} for one in found.free_area
        ],
        "certificates": {
            "auth": told.certificates.auth.value,
            "sign": told.certificates.sign.value,
        },
        "municipality": _place_json(found.municipality, names),
        "expiry": found.expiry.isoformat() if found.expiry else None,
        "contact_atr": b64(found.contact_atr) if found.contact_atr else None,
        "pins": [counter_json(counter) for counter in told.counters],
    }


def _place_json(code: str | None, names: MunicipalityNames) -> dict[str, object] | None:
    if code is None:
        return None
    place = names.find(code)
    name = {"ja": place.japanese, "en": place.english or None} if place else None
    return {"code": code, "name": name}
