# SPDX-License-Identifier: Apache-2.0
"""``jpki map consent``: give and withdraw; ``jpki map disclose`` shows what stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions
from jpki_cli.clicks import command, option
from jpki_cli.consents import terms
from jpki_cli.errors import Exit
from jpki_cli.presenting import present, presenting_options
from jpki_cli.session import Session

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.policy import Purpose
    from jpki.mapping.presentation import Presentation, Rejected
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker


@command("give")
@option("--item", metavar="ITEM", multiple=True)
@option("--notice", metavar="VERSION")
@presenting_options
def give(session: Session, notice: str | None, **given: Any) -> Exit:
    from jpki.mapping.consent import detail
    from jpki.mapping.policy import Operation

    def signed(purpose: Purpose | None, asker: Asker) -> str:
        return "" if purpose is None else detail(*terms(purpose, asker.items, notice))

    def work(table: Map, proof: Presentation | Rejected, asker: Asker) -> Resolution:
        _, purpose = table.policy.find(asker.service, asker.purpose, Operation.CONSENT)
        assert purpose is not None  # or it would have been refused
        items, version = terms(purpose, asker.items, notice)
        return table.consent(proof, replace(asker, items=items), notice=version)

    answered = present(session, given, Operation.CONSENT, work, detail=signed)
    return resolutions.finish(session, answered)


@command("withdraw")
@presenting_options
def withdraw(session: Session, **given: Any) -> Exit:
    from jpki.mapping.policy import Operation

    answered = present(
        session, given, Operation.WITHDRAW, lambda table, proof, asker: table.withdraw(proof, asker)
    )
    return resolutions.finish(session, answered)
