# SPDX-License-Identifier: Apache-2.0
"""Links: a second certificate comes to a person's entry, and only with evidence.

Either both certificates answered the same challenge in one sitting, or J-LIS said so through
a platform operator. Names, addresses and keys prove no link. Source: 公的個人認証法18条 [inferred].
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert

from jpki.certificate.kinds import Family, Medium
from jpki.mapping import binding, records
from jpki.mapping.answers import Outcome
from jpki.mapping.index import CertificateRef, index_of
from jpki.mapping.lifecycle import Event, State, after, refusal
from jpki.mapping.platform import PlatformAdapter
from jpki.mapping.policy import LinkEvidence, LinkKind
from jpki.mapping.presentation import Presentation, Rejected
from jpki.mapping.sitting import Here, Result, nobody
from jpki.mapping.store.schema import LINK
from jpki.mapping.times import micros

ARTICLES = {
    LinkKind.SIGN_AUTH: "公的個人認証法18条5項",
    LinkKind.CARD_PHONE: "公的個人認証法18条4項",
    LinkKind.OLD_NEW: "公的個人認証法37条",
}


def fits(kind: LinkKind, one: CertificateRef, other: CertificateRef) -> bool:
    """Whether two certificates can be linked in that way at all."""
    if one.environment is not other.environment:
        return False
    same_family, same_medium = one.family is other.family, one.medium is other.medium
    return {
        LinkKind.SIGN_AUTH: not same_family and same_medium,
        LinkKind.CARD_PHONE: same_family and not same_medium,
        LinkKind.OLD_NEW: same_family and same_medium,
    }[kind]


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The other certificate of a link, what it rests on, and the platform's reference."""

    ref: CertificateRef
    evidence: LinkEvidence
    reference: str = ""


def counterpart(
    presentation: Presentation | Rejected,
    kind: LinkKind,
    known: Presentation | Rejected | None,
    platform: PlatformAdapter | None,
    now: datetime,
) -> Counterpart | None:
    """The certificate to link to, or None where nothing proves one.

    ``known`` has answered the same challenge (one sitting); without it ``platform`` is asked.
    Raises PlatformError.
    """
    if not isinstance(presentation, Presentation):
        return None
    if known is not None:
        one_sitting = known.challenge == presentation.challenge
        if not (isinstance(known, Presentation) and one_sitting and known.is_fresh(now)):
            return None
        return Counterpart(known.ref, LinkEvidence.SAME_SITTING)
    answer = None if platform is None else platform.linked(presentation.ref, kind)
    if answer is None or answer.kind is not kind:
        return None
    return Counterpart(answer.other, LinkEvidence.PLATFORM, answer.reference)


def attach(here: Here, found: Counterpart | None, kind: LinkKind) -> Result:
    """Put the presented certificate to the entry of its counterpart.

    Outcomes: done; unregistered when the counterpart is nobody's; duplicate when the presented
    one has an entry already; refused when the two cannot be linked so, or the entry is suspended.
    """
    if found is None or not fits(kind, here.presentation.ref, found.ref):
        return Result(Outcome.REFUSED, "link_not_proven", about=here.found.about)
    keys = here.keys.service(here.service)
    entry = records.find(here.connection, keys, index_of(keys, found.ref), here.where, here.now)
    if entry.handle is None:
        return nobody(entry)
    if here.found.handle is not None:
        reason = "already_linked" if here.found.handle == entry.handle else "other_person"
        return Result(Outcome.DUPLICATE, reason, about=entry.handle)
    # A good new certificate may take the place of one that ended, not of one that is held.
    shut = refusal(entry.state, entry.certificate)
    if shut in ("suspended", "certificate_held"):
        return Result(Outcome.REFUSED, shut, about=entry.handle)
    if shut is not None and kind is not LinkKind.OLD_NEW:
        return Result(Outcome.STALE, shut, about=entry.handle)
    _write(here, entry.handle, kind, found)
    _move(here, entry.handle, entry.state)
    return Result(Outcome.RESOLVED, pseudonym=entry.pseudonym, about=entry.handle)


def refreshed_by(known: Presentation | Rejected | None) -> LinkKind:
    """How a new sign certificate is linked: to the auth certificate shown with it, else to the
    old one."""
    by_auth = isinstance(known, Presentation) and known.family is Family.AUTH
    return LinkKind.SIGN_AUTH if by_auth else LinkKind.OLD_NEW


def refresh(here: Here, found: Counterpart | None, kind: LinkKind) -> Result:
    """As :func:`attach`, for a sign certificate alone: refused ``refresh_not_sign`` otherwise."""
    if here.presentation.family is not Family.SIGN:
        return Result(Outcome.REFUSED, "refresh_not_sign", about=here.found.about)
    return attach(here, found, kind)


def _write(here: Here, handle: bytes, kind: LinkKind, found: Counterpart) -> None:
    ref = here.presentation.ref
    which = (ref.family, ref.medium)
    records.replace_certificates(here.connection, handle, which, here.now)
    if which == (Family.AUTH, Medium.CARD):
        binding.unbind(here.connection, handle)  # it may be another card
    records.add_certificate(here.connection, here.service, handle, here.index, which, here.now)
    if here.purpose.stores_serial:
        keys = here.keys.service(here.service)
        records.keep_serial(here.connection, here.service, handle, keys, here.presentation.stored)
    here.connection.execute(
        insert(LINK).values(
            id=secrets.token_hex(16), handle=handle, kind=kind.value, evidence=found.evidence.value,
            reference=found.reference, article=ARTICLES[kind], at=micros(here.now),
        )
    )  # fmt: skip


def _move(here: Here, handle: bytes, state: State) -> None:
    sign = here.presentation.family is Family.SIGN
    moved = after(state, Event.REFRESHED if sign else Event.RELINKED)
    if moved is not None and moved is not state:
        records.set_state(here.connection, handle, moved, here.now)
