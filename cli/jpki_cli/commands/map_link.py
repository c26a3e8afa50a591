# SPDX-License-Identifier: Apache-2.0
"""``jpki map link|refresh``: a second certificate comes to an entry, or a new sign certificate.

Both are presented in one sitting, or a platform operator says whose the new one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jpki_cli import resolutions
from jpki_cli.answering import answer, pin_of
from jpki_cli.cards import head_of
from jpki_cli.clicks import OneOf, UsageFault, command, option
from jpki_cli.errors import Exit
from jpki_cli.maps import LINKS, asker_of, opened_map
from jpki_cli.options import PATH
from jpki_cli.pin_desk import PinDesk
from jpki_cli.platforms import platform_in, platform_option
from jpki_cli.presenting import (
    Answered,
    Hand,
    as_evidence,
    challenged,
    evidence_in,
    is_test,
    of_other_environment,
    present,
    presenting_options,
)
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from jpki.mapping.answers import Resolution
    from jpki.mapping.policy import LinkKind, Operation
    from jpki.mapping.presentation import Evidence, Presentation, Rejected
    from jpki.mapping.service import Map
    from jpki.mapping.sitting import Asker
    from jpki.verifying.challenge import Challenge, Response

_OTHER = {"auth": "sign", "sign": "auth"}


@command("link")
@option("--kind", metavar="KIND", type=OneOf(*LINKS), required=True)
@option("--known", metavar="FILE", type=PATH)
@option("--known-reader", metavar="URI")
@platform_option
@presenting_options
def link(
    session: Session,
    kind: str,
    known: Path | None,
    known_reader: str | None,
    platform: Path | None,
    **given: Any,
) -> Exit:
    from jpki.mapping.policy import LinkKind, Operation

    wanted = _Wanted(Operation.LINK, LinkKind(kind.replace("-", "_")))
    return _put(session, wanted, known, known_reader, platform, given)


@command("refresh")
@option("--known", metavar="FILE", type=PATH)
@platform_option
@presenting_options
def refresh(session: Session, known: Path | None, platform: Path | None, **given: Any) -> Exit:
    """Of the sign certificate alone; the auth certificate of the same card is the known one."""
    from jpki.mapping.policy import LinkKind, Operation

    given["key"] = given["key"] or "sign"
    kind = LinkKind.SIGN_AUTH if platform is None else LinkKind.OLD_NEW
    return _put(session, _Wanted(Operation.REFRESH, kind), known, None, platform, given)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked of the map, and which kind of link that is."""

    operation: Operation
    kind: LinkKind

    @property
    def detail(self) -> str:
        """What else the holder signs: of a link its kind."""
        from jpki.mapping.policy import Operation

        return self.kind.value if self.operation is Operation.LINK else ""

    def do(
        self, table: Map, proof: Presentation | Rejected, asker: Asker, **other: Any
    ) -> Resolution:
        """``other``: ``known`` or ``platform``."""
        from jpki.mapping.policy import Operation

        if self.operation is Operation.REFRESH:
            return table.refresh(proof, asker, **other)
        return table.link(proof, asker, self.kind, **other)


def _put(
    session: Session,
    wanted: _Wanted,
    known: Path | None,
    known_reader: str | None,
    platform: Path | None,
    given: dict[str, Any],
) -> Exit:
    """In one sitting, or as the operator says."""
    if platform is None:
        return _in_one_sitting(session, wanted, known, known_reader, given)
    if known is not None or known_reader is not None:
        raise UsageFault("usage_map_platform")
    operator = platform_in(platform)

    def work(table: Map, proof: Presentation | Rejected, asker: Asker) -> Resolution:
        return wanted.do(table, proof, asker, platform=operator)

    answered = present(
        session, given, wanted.operation, work, detail=lambda *_: wanted.detail, link=wanted.kind
    )
    return resolutions.finish(session, answered)


def _in_one_sitting(
    session: Session,
    wanted: _Wanted,
    known: Path | None,
    known_reader: str | None,
    given: dict[str, Any],
) -> Exit:
    from jpki.mapping.foresight import foresee
    from jpki.mapping.policy import LinkKind, Proof

    hand = Hand.from_options(given)
    if (hand.file is None) != (known is None):
        raise UsageFault("usage_missing", option="--known" if known is None else "--presentation")
    if hand.file is None and wanted.kind is not LinkKind.SIGN_AUTH and known_reader is None:
        raise UsageFault("usage_missing", option="--known-reader")
    with opened_map(session, given, Asked.from_options(given)) as table:
        asker, test = asker_of(given), is_test(table)
        new = hand.key or ("sign" if wanted.kind is LinkKind.SIGN_AUTH else "auth")
        if refused := foresee(table, wanted.operation, asker, Proof(new), link=wanted.kind):
            return resolutions.finish(session, Answered(refused, test))
        if hand.file is not None and known is not None:
            pair: tuple[Evidence, Evidence] | Answered
            pair = evidence_in(known), evidence_in(hand.file)
        else:
            pair = _Sitting(session, table, asker, hand, wanted).ask(new, known_reader)
        if isinstance(pair, Answered):
            return resolutions.finish(session, pair)
        first, second = (table.verify(evidence) for evidence in pair)
        answered = Answered(wanted.do(table, second, asker, known=first), test)
    return resolutions.finish(session, answered)


@dataclass(frozen=True, slots=True)
class _Sitting:
    """Two certificates answer one challenge: the known one first, then the new one."""

    session: Session
    table: Map
    asker: Asker
    hand: Hand
    wanted: _Wanted

    def ask(self, new: str, known_reader: str | None) -> tuple[Evidence, Evidence] | Answered:
        """Both answers, or the refusal of a test card by a production map."""
        from jpki.mapping.policy import LinkKind

        session, fd = self.session, self.hand.pin_fd
        known = _OTHER[new] if self.wanted.kind is LinkKind.SIGN_AUTH else new
        readers = (known_reader or session.reader, session.reader)
        found: list[Evidence] = []
        challenge: Challenge | None = None
        with (
            PinDesk(session, [pin_of(known)], fd) as first,
            PinDesk(session, [pin_of(new)], fd) as second,
        ):
            for key, reader, desk in zip((known, new), readers, (first, second), strict=True):
                step = self._step(key, reader, desk, challenge)
                if isinstance(step, Answered):
                    return step
                challenge = step.challenge
                found.append(as_evidence(step))
        return found[0], found[1]

    def _step(
        self, key: str, reader: str, desk: PinDesk, challenge: Challenge | None
    ) -> Response | Answered:
        session, table, hand, wanted = self.session, self.table, self.hand, self.wanted
        with session.card(wait=hand.wait, at=hand.at, needs_pin=True, reader=reader) as opened:
            head = head_of(opened)
            refused = of_other_environment(
                table, wanted.operation, self.asker, key, head, link=wanted.kind
            )
            if refused is not None:
                return Answered(refused, is_test(table), head)
            if challenge is None:
                challenge = challenged(
                    session, table, wanted.operation, self.asker, detail=wanted.detail
                )
            session.say(t("map.link_step", reader=opened.reader))
            now = session.app.clock() if hand.at is None else hand.at
            return answer(opened.card, challenge, desk, now, key=key, last_try=hand.last_try)
