# SPDX-License-Identifier: Apache-2.0
"""What a card gives without a PIN, as the map takes it: for a tap, a re-read, a binding.

The signature is made with the internal key of the 券面事項入力補助AP: it answers anybody, without
a PIN. So it says that this card is here now. It says nothing about who holds the card, and
nothing ties 製造番号, this key and the auth certificate to one another but the terminal that
read all three in one sitting. Source: card-present challenge [MC], grade B.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from jpki.card import Card
from jpki.card.authenticity import CvKeys, check_cv_certificate
from jpki.card.cv_certificate import CvCertificate, signature_fits
from jpki.card.jpki_ap import sha256_digest_info
from jpki.card.records import RsaNumbers
from jpki.card.selection import select_application
from jpki.card.text_records import ApKeyRecord
from jpki.card_map import TEXT_AP
from jpki.certificate.serial import SerialRef
from jpki.errors import ChallengeError
from jpki.mapping.index import card_number
from jpki.verifying.challenge import Challenge


@dataclass(frozen=True, slots=True)
class TapEvidence:
    """A card's 製造番号 and its answer to a challenge of the map. Nothing is believed yet."""

    challenge: Challenge
    number: SerialRef
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RereadEvidence:
    """The auth certificate as it lies on the card (DER), and the card's answer (38条の4)."""

    challenge: Challenge
    certificate: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BindingEvidence:
    """A tap, and where its key comes from: the records that a municipality signed."""

    tap: TapEvidence
    cv_certificate: CvCertificate
    key: ApKeyRecord


def read_tap(card: Card, challenge: Challenge, *, now: datetime) -> TapEvidence:
    """Read the 製造番号 and have ``challenge`` answered. No PIN.

    Raises ChallengeError (``expired``), CardDataError, StatusWordError, TransportError.
    """
    _in_time(challenge, now)
    number = card_number(card.common.card_record().serial)
    return TapEvidence(challenge, number, _answer(card, challenge))


def read_again(card: Card, challenge: Challenge, *, now: datetime) -> RereadEvidence:
    """Read the auth certificate and have ``challenge`` answered. No PIN; raises as above."""
    _in_time(challenge, now)
    certificate = card.jpki.certificate("auth")
    return RereadEvidence(challenge, certificate, _answer(card, challenge))


def read_binding(card: Card, challenge: Challenge, *, now: datetime) -> BindingEvidence:
    """The same as a tap, with the records that show the key to be a card's.

    The text PIN (or 照合番号B) has been presented before; no attribute and no number is
    read. Raises as above.
    """
    _in_time(challenge, now)
    # First, as a card forgets the PIN of an application when another is selected.
    key, issuer = card.text.ap_key(), card.text.cv_certificate()
    return BindingEvidence(read_tap(card, challenge, now=now), issuer, key)


def bound_key(evidence: BindingEvidence, cv_keys: CvKeys) -> RsaNumbers | None:
    """The key, if it is signed up to one of ``cv_keys`` and answered the challenge.

    ``cv_keys`` are those of the map's environment: a test card's key is none in production.
    """
    issuer, record = evidence.cv_certificate, evidence.key
    genuine = (
        issuer.chain == "text"
        and check_cv_certificate(issuer, cv_keys, "card_present") is None
        and signature_fits(issuer.key, record.signature, record.signed)
        and answered(record.key, evidence.tap)
    )
    return record.key if genuine else None


def answered(key: RsaNumbers, evidence: TapEvidence | RereadEvidence) -> bool:
    """Whether ``key`` signed the challenge."""
    return signature_fits(key, evidence.signature, evidence.challenge.signed_text())


def _answer(card: Card, challenge: Challenge) -> bytes:
    select_application(card.channel, TEXT_AP)
    return card.channel.compute_signature(
        TEXT_AP.aid, None, sha256_digest_info(challenge.signed_text())
    )


def _in_time(challenge: Challenge, now: datetime) -> None:
    if challenge.is_expired(now):
        raise ChallengeError(reason="expired")
