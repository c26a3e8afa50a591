# SPDX-License-Identifier: Apache-2.0
"""``jpki map challenge``: a challenge of this map, to be answered elsewhere and brought back."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jpki_cli import files
from jpki_cli.answering import json_file, show_made
from jpki_cli.clicks import Moment, OneOf, Seconds, UsageFault, command, option
from jpki_cli.consents import terms
from jpki_cli.maps import LINKS, map_options, opened_map, purpose_options
from jpki_cli.options import PATH
from jpki_cli.presenting import origin_of, show_request
from jpki_cli.session import Session
from jpki_cli.validation import Asked

# What a holder opens with a presentation.
OPERATIONS = (
    "enrol", "resolve", "link", "refresh", "consent", "withdraw", "latest-info", "disclose",
    "erase",
)  # fmt: skip


@command("challenge")
@map_options
@purpose_options
@option("--operation", metavar="NAME", required=True, type=OneOf(*OPERATIONS))
@option("--origin", metavar="O")
@option("--ttl", metavar="S", type=Seconds(), default=300)
@option("--link", metavar="KIND", type=OneOf(*LINKS))
@option("--item", metavar="ITEM", multiple=True)
@option("--notice", metavar="VERSION")
@option("--at", metavar="TIME", type=Moment())
@option("--out", metavar="F", type=PATH, required=True)
@option("--force", is_flag=True)
def challenge(
    session: Session,
    service: str | None,
    purpose: str | None,
    operation: str,
    origin: str | None,
    ttl: float,
    at: datetime | None,
    out: Path,
    force: bool,
    **given: Any,
) -> None:
    from jpki.mapping.policy import Operation
    from jpki.verifying.challenge import MAX_TTL

    files.check_target(out, force=force)
    wanted = Operation(operation.replace("-", "_"))
    with opened_map(session, given, Asked(at=at)) as table:
        found = table.policy.find(service, purpose, wanted)
        made = table.issue_challenge(
            wanted,
            origin=origin or origin_of(table.policy),
            service=service,
            purpose=purpose,
            detail=_detail(wanted, found[1], given),
            ttl=timedelta(seconds=min(ttl, 2 * MAX_TTL.total_seconds())),
        )
    show_request(session, *found)
    files.write_whole(out, json_file(made.to_object()), private=False, force=force)
    show_made(session, made, out)


def _detail(operation: Any, purpose: Any, given: dict[str, Any]) -> str:
    """What else the holder signs; the command that uses the answer asks for it again."""
    from jpki.mapping.consent import detail
    from jpki.mapping.policy import LinkKind, Operation

    if operation is Operation.LINK:
        if given["link"] is None:
            raise UsageFault("usage_missing", option="--link")
        return LinkKind(given["link"].replace("-", "_")).value
    if operation is Operation.CONSENT and purpose is not None:
        return detail(*terms(purpose, given["item"], given["notice"]))
    return ""
