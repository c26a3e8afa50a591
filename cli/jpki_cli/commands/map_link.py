# SPDX-License-Identifier: Apache-2.0
"""``jpki map link``: a second certificate comes to an entry.

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
    from jpki.mapping.policy import LinkKind
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
    from jpki.mapping.policy import LinkKind

    which = LinkKind(kind.replace("-", "_"))
    if platform is not None:
        if known is not None or known_reader is not None:
            raise UsageFault("usage_map_platform")
        return _by_platform(session, which, platform, given)
    return _in_one_sitting(session, which, known, known_reader, given)


def _by_platform(session: Session, which: LinkKind, platform: Path, given: dict[str, Any]) -> Exit:
    """Only the new certificate is presented; the operator names the other."""
    from jpki.mapping.policy import Operation

    operator = platform_in(platform)

    def work(table: Map, proof: Presentation | Rejected, asker: Asker) -> Resolution:
        return table.link(proof, asker, which, platform=operator)

    answered = present(
        session, given, Operation.LINK, work, detail=lambda *_: which.value, link=which
    )
    return resolutions.finish(session, answered)


def _in_one_sitting(
    session: Session,
    which: LinkKind,
    known: Path | None,
    known_reader: str | None,
    given: dict[str, Any],
) -> Exit:
    from jpki.mapping.foresight import foresee
    from jpki.mapping.policy import LinkKind, Operation, Proof

    hand = Hand.from_options(given)
    if (hand.file is None) != (known is None):
        raise UsageFault("usage_missing", option="--known" if known is None else "--presentation")
    if hand.file is None and which is not LinkKind.SIGN_AUTH and known_reader is None:
        raise UsageFault("usage_missing", option="--known-reader")
    with opened_map(session, given, Asked.from_options(given)) as table:
        asker, test = asker_of(given), is_test(table)
        new = hand.key or ("sign" if which is LinkKind.SIGN_AUTH else "auth")
        if refused := foresee(table, Operation.LINK, asker, Proof(new), link=which):
            return resolutions.finish(session, Answered(refused, test))
        if hand.file is not None and known is not None:
            pair: tuple[Evidence, Evidence] | Answered
            pair = evidence_in(known), evidence_in(hand.file)
        else:
            pair = _Sitting(session, table, asker, hand, which).ask(new, known_reader)
        if isinstance(pair, Answered):
            return resolutions.finish(session, pair)
        first, second = (table.verify(evidence) for evidence in pair)
        answered = Answered(table.link(second, asker, which, known=first), test)
    return resolutions.finish(session, answered)


@dataclass(frozen=True, slots=True)
class _Sitting:
    """Two certificates answer one challenge: the known one first, then the new one."""

    session: Session
    table: Map
    asker: Asker
    hand: Hand
    kind: LinkKind

    def ask(self, new: str, known_reader: str | None) -> tuple[Evidence, Evidence] | Answered:
        """Both answers, or the refusal of a test card by a production map."""
        from jpki.mapping.policy import LinkKind

        session, fd = self.session, self.hand.pin_fd
        known = _OTHER[new] if self.kind is LinkKind.SIGN_AUTH else new
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
        from jpki.mapping.policy import Operation

        session, table, hand, link = self.session, self.table, self.hand, Operation.LINK
        with session.card(wait=hand.wait, at=hand.at, needs_pin=True, reader=reader) as opened:
            head = head_of(opened)
            refused = of_other_environment(table, link, self.asker, key, head, link=self.kind)
            if refused is not None:
                return Answered(refused, is_test(table), head)
            if challenge is None:
                challenge = challenged(session, table, link, self.asker, detail=self.kind.value)
            session.say(t("map.link_step", reader=opened.reader))
            now = session.app.clock() if hand.at is None else hand.at
            return answer(opened.card, challenge, desk, now, key=key, last_try=hand.last_try)
