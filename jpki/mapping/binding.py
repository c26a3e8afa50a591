# SPDX-License-Identifier: Apache-2.0
"""A card bound to a person's entry, so that it is known again without a PIN.

It is bound in a sitting in which its auth certificate was presented, and unbound when that
certificate is renewed. Found by an index over the 製造番号, if the purpose takes taps.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, delete, insert, select

from jpki.card.authenticity import CvKeys
from jpki.card.records import RsaNumbers
from jpki.certificate.kinds import Medium
from jpki.mapping import consent as consents
from jpki.mapping import deeds, records
from jpki.mapping.answers import Outcome
from jpki.mapping.card_answer import BindingEvidence, bound_key
from jpki.mapping.index import card_index_of, open_card_key, seal_card_key
from jpki.mapping.keys import ServiceKeys
from jpki.mapping.policy import LinkEvidence, Proof, Purpose
from jpki.mapping.sitting import Here, Result, closed
from jpki.mapping.store import schema
from jpki.mapping.times import micros

KIND = "card"  # in the index, where a certificate has its family
DETAIL = "card=bound"  # what the holder signs
_I, _C = schema.CERTIFICATE_INDEX, schema.CARD_KEY
_WEAK = frozenset({Proof.TAP, Proof.RECHECK})


def enrolment_detail(purpose: Purpose, *, binds_card: bool) -> str:
    """What else the holder signs at an enrolment: the consent, and that the card is bound."""
    consent = consents.detail(purpose.data_items, purpose.notice) if purpose.consent else ""
    return "; ".join(part for part in (consent, DETAIL if binds_card else "") if part)


def enrol_with_card(here: Here, evidence: BindingEvidence, cv_keys: CvKeys) -> Result:
    """Register who presented, unless they are, and bind the card that lies there.

    Refused ``binding_not_accepted`` where the purpose takes neither tap nor re-read,
    ``card_not_proven`` where the card's key is not proven or another challenge was answered;
    duplicate ``other_person`` where the card is bound to somebody else.
    """
    if not here.purpose.accept & _WEAK:
        return Result(Outcome.REFUSED, "binding_not_accepted", about=here.found.about)
    presented = here.presentation
    key = bound_key(evidence, cv_keys)
    one_sitting = presented.challenge == evidence.tap.challenge
    by_card = presented.proof is Proof.AUTH and presented.medium is Medium.CARD
    if key is None or not (one_sitting and by_card):
        return Result(Outcome.REFUSED, "card_not_proven", about=here.found.about)
    keys = here.keys.service(here.service)
    index = card_index_of(keys, evidence.tap.number, presented.environment)
    other = records.find(here.connection, keys, index, here.where, here.now)
    if other.handle is not None and other.handle != here.found.handle:
        return Result(Outcome.DUPLICATE, "other_person", about=other.handle)
    result = _entry(here)
    if result.outcome is Outcome.RESOLVED and result.about is not None:
        unbind(here.connection, result.about)
        if Proof.TAP in here.purpose.accept:
            kind = (KIND, Medium.CARD)
            records.add_certificate(
                here.connection, here.service, result.about, index, kind, here.now
            )
        _keep(here, result.about, seal_card_key(keys, key, result.about), keys.epoch)
    return result


def unbind(connection: Connection, handle: bytes) -> None:
    """Forget the card: taps and re-reads with it open nothing any more."""
    connection.execute(delete(_I).where(_I.c.handle == handle, _I.c.family == KIND))
    connection.execute(delete(_C).where(_C.c.handle == handle))
    connection.execute(
        delete(schema.LINK).where(schema.LINK.c.handle == handle, schema.LINK.c.kind == KIND)
    )


def key_of(connection: Connection, keys: ServiceKeys, handle: bytes | None) -> RsaNumbers | None:
    """The key of the card bound to ``handle``: one statement, for nobody as for somebody."""
    wanted = handle or secrets.token_bytes(records.CODE_SIZE)
    row = connection.execute(
        select(_C.c.sealed, _C.c.epoch).where(_C.c.handle == wanted)
    ).one_or_none()
    if row is None or handle is None:
        return None
    return open_card_key(keys, bytes(row.sealed), handle, row.epoch)


def _entry(here: Here) -> Result:
    """The entry to bind to: a new one, or the open one of who is registered."""
    if here.found.handle is None:
        return deeds.enrol(here)
    if (shut := closed(here.found)) is not None:
        return shut
    return Result(
        Outcome.RESOLVED,
        pseudonym=here.found.pseudonym,
        about=here.found.handle,
        true_reason="card_bound",
    )


def _keep(here: Here, handle: bytes, sealed: bytes, epoch: int) -> None:
    here.connection.execute(
        insert(_C).values(handle=handle, service=here.service, epoch=epoch, sealed=sealed)
    )
    here.connection.execute(
        insert(schema.LINK).values(
            id=secrets.token_hex(16), handle=handle, kind=KIND,
            evidence=LinkEvidence.SAME_SITTING.value, article=str(here.purpose.legal_basis or ""),
            at=micros(here.now),
        )
    )  # fmt: skip
