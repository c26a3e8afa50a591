# SPDX-License-Identifier: Apache-2.0
"""``jpki crl``: lists into a store, what is in it, and a certificate looked up there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli.clicks import Moment, Seconds, argument, command, option
from jpki_cli.crl_stores import may_use, opened_store, store_option
from jpki_cli.errors import Exit
from jpki_cli.options import PATH
from jpki_cli.render import clean, rfc3339
from jpki_cli.screen import Part
from jpki_cli.session import Session
from jpki_cli.texts import t, words
from jpki_cli.validation import Asked, material
from jpki_cli.verdicts import finish

if TYPE_CHECKING:
    from jpki.errors import RevocationDataError
    from jpki.validation.crl_index import Partition
    from jpki.validation.crl_index.layout import Facts
    from jpki.validation.crl_index.offers import Offered

_DAY = 86_400.0
_STYLES = {"added": "valid", "same": "quiet", "refused": "invalid"}


@command("index")
@argument("sources", metavar="SRC", nargs=-1, required=True)
@store_option
@option("--chain", metavar="F", multiple=True, type=PATH)
@option("--grace", metavar="S", type=Seconds(), default=_DAY)
@option("--keep", metavar="PURPOSE")
@option("--at", metavar="TIME", type=Moment())
def index(
    session: Session,
    sources: tuple[str, ...],
    store: Path,
    chain: tuple[Path, ...],
    grace: float,
    keep: str | None,
    at: datetime | None,
) -> Exit:
    from jpki.open import load_trust
    from jpki.validation.crl_index.offers import put_in
    from jpki.validation.crl_index.writer import StoreWriter
    from jpki.verifying.sources import read_certificates

    may_use(session, session.trust, keep)
    now = at or session.app.clock()
    folder = [session.config.ca] if session.config.ca else []
    trust = load_trust(session.trust, at=now, ca_files=folder).store
    trust = trust.with_candidates(read_certificates(chain))
    # A configured day of the far future would overflow; nothing is kept longer than a century.
    period = timedelta(seconds=min(grace, 36_525 * _DAY))
    with StoreWriter(
        store, trust, now=now, verifier=session.config.verifier, grace=period
    ) as writer:
        offered = list(put_in(writer, sources, step=session.progress))
        purged = 0 if keep else writer.purge()
    if session.json:
        session.emit(_index_json(store, trust.environment.value, offered, purged))
    else:
        _show_index(session, offered, purged)
    return Exit.INVALID if any(one.placed == "refused" for one in offered) else Exit.DONE


@command("check")
@argument("certificate", metavar="CERT", type=PATH)
@store_option
@option("--chain", metavar="F", multiple=True, type=PATH)
@option("--max-age", metavar="S", type=Seconds())
@option("--at", metavar="TIME", type=Moment())
def check(session: Session, certificate: Path, store: Path, **given: Any) -> Exit:
    from jpki.verifying.sources import read_certificates

    leaf, *rest = read_certificates([certificate])
    trust, options = material(session, Asked(crl=(store,), offline=True, **given))
    # Of the lists that come with a trust none is asked: the store is what was named.
    trust = replace(trust, crls=())
    options = replace(options, chain=(*options.chain, *rest), ocsp=(), ocsp_client=None)
    return finish(session, options.validator(trust).validate(leaf), advise=False)


@command("info")
@store_option
@option("--at", metavar="TIME", type=Moment())
def info(session: Session, store: Path, at: datetime | None) -> Exit:
    held = opened_store(session, store)
    now = at or session.app.clock()
    found = [(name, _described(one, now)) for name, one in held.partitions()]
    damaged = any(row["state"] == "damaged" for _, row in found)
    if session.json:
        session.emit(
            {
                "schema": "jpki.crl.info/1",
                "environment": held.environment.value,
                "lists": [{"name": name} | row for name, row in found],
            }
        )
    else:
        _show_info(session, held.environment.value, [row for _, row in found])
    return Exit.INVALID if damaged else Exit.DONE


def _described(one: Partition | RevocationDataError, now: datetime) -> dict[str, object]:
    from jpki.validation.crl_index import Partition

    if not isinstance(one, Partition):
        return {"state": "damaged", "reason": str(one.values["reason"])}
    state = "current" if one.this_update <= now <= one.next_update else "outdated"
    return {"state": state, **_facts_json(one.facts)}


def _facts_json(facts: Facts) -> dict[str, object]:
    from jpki.certificate.names import issuer_facts, parse_name

    family = issuer_facts(parse_name(facts.issuer_der)).family
    return {
        "family": family.value if family else None,
        "point": _point(facts),
        "number": facts.number,
        "this_update": rfc3339(facts.this_update),
        "next_update": rfc3339(facts.next_update),
        "entries": facts.count,
    }


def _point(facts: Facts) -> str:
    from jpki.certificate.names import point_label

    if facts.point is None:
        return "all"
    return next((label for name in facts.point if (label := point_label(name))), "unnamed")


def _index_json(
    store: Path, environment: str, offered: Sequence[Offered], purged: int
) -> dict[str, object]:
    lists = [
        {"source": one.source, "placed": one.placed, "reason": one.reason}
        | ({} if one.facts is None else _facts_json(one.facts))
        for one in offered
    ]
    return {
        "schema": "jpki.crl.index/1",
        "environment": environment,
        "store": str(store),
        "lists": lists,
        "purged": purged,
    }


def _show_index(session: Session, offered: Sequence[Offered], purged: int) -> None:
    screen = session.screen()
    rows: list[tuple[Part, ...]] = []
    for one in offered:
        placed = (t(f"value.placed.{one.placed}"), _STYLES[one.placed])
        if one.facts is None:
            reason = words(f"value.reason.{one.reason}", str(one.reason))
            rows.append((placed, clean(one.source), reason))
        else:
            rows.append((placed, clean(_point(one.facts)), _told(_facts_json(one.facts))))
    screen.table(rows)
    put = sum(one.placed != "refused" for one in offered)
    screen.line()
    screen.paragraph(t("crl.indexed", n=put, refused=len(offered) - put, purged=purged))


def _show_info(session: Session, environment: str, rows: Sequence[dict[str, object]]) -> None:
    screen = session.screen()
    styles = {"current": "valid", "outdated": "cannot_tell", "damaged": "invalid"}
    screen.line((t(f"value.environment.{environment}"), "strong"))
    table: list[tuple[Part, ...]] = []
    for row in rows:
        state = str(row["state"])
        shown = (t(f"value.list_state.{state}"), styles[state])
        if state == "damaged":
            table.append((shown, words(f"value.reason.{row['reason']}", str(row["reason"]))))
        else:
            table.append((shown, clean(str(row["point"])), _told(row)))
    screen.table(table)
    screen.paragraph(t("crl.lists", n=len(rows)))


def _told(row: dict[str, object]) -> str:
    family = row["family"]
    kind = t(f"value.family.{family}") if family else "-"
    return t("crl.list", **(row | {"family": kind}))
