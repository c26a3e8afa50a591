# SPDX-License-Identifier: Apache-2.0
"""Whether 券面 data was signed by a municipality, and whether the card is here.

Signed records can be copied: they are worth no more than the card-present challenge that
goes with them. And in the 券面事項入力補助AP the signature over the data (EF 0003) and the
one over the application's key (EF 0007) are separate: nothing signed ties that key to
that person, only to the same municipality key. Data and key are under one signature in
the 券面事項確認AP only. Recipes: [MC] [PM], card-present grade B.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

from jpki.card.cv_certificate import CvCertificate, key_name, signature_fits
from jpki.card.jpki_ap import sha256_digest_info
from jpki.card.records import RsaNumbers
from jpki.card.selection import select_application
from jpki.card.text_records import ApKeyRecord, DigestRecord, NumberRecord, TextAttributes
from jpki.card_map import Application
from jpki.verdict import Check, Outcome
from jpki_apdu.channel import Channel
from jpki_apdu.errors import MalformedResponseError, StatusWordError

_log = logging.getLogger(__name__)

CvKeys = Mapping[bytes, tuple[int, int]]
"""CA keys to trust: key id (16 bytes) to modulus and exponent."""

CHALLENGE_SIZE = 32  # bytes of our own randomness; the card signs its SHA-256


@dataclass(frozen=True, slots=True)
class TextEvidence:
    """What was read from the 券面事項入力補助AP. None = not read."""

    cv_certificate: CvCertificate
    digests: DigestRecord
    attributes: TextAttributes | None = None
    number: NumberRecord | None = None
    ap_key: ApKeyRecord | None = None


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """A public key of the application, taken from a record whose signature was verified."""

    key: RsaNumbers
    application: str


@dataclass(frozen=True, slots=True)
class TextResult:
    """``checks``: ``text_data``, ``text_number``. ``key``: for the challenge, or None, and why."""

    checks: tuple[Check, ...]
    key: VerifiedKey | None
    key_problem: Check | None = None


def check_cv_certificate(certificate: CvCertificate, ca_keys: CvKeys, name: str) -> Check | None:
    """None if the CV certificate is signed by one of ``ca_keys``, else the check that says why not.

    An issuer that is not in ``ca_keys``, or a CA key of another application, proves
    nothing: cannot_tell. A signature that does not fit is invalid.
    """
    values = {"ca": key_name(certificate.issuer), "municipality": key_name(certificate.subject)}
    numbers = ca_keys.get(certificate.issuer)
    if numbers is None:
        return Check(name, Outcome.CANNOT_TELL, "cv_unknown_key", values)
    if not certificate.issuer_fits_chain:
        return Check(name, Outcome.CANNOT_TELL, "cv_wrong_chain", values)
    if not signature_fits(RsaNumbers(*numbers), certificate.signature, certificate.signed):
        return Check(name, Outcome.INVALID, "cv_signature_wrong", values)
    return None


def check_text(evidence: TextEvidence, ca_keys: CvKeys) -> TextResult:
    """Verify what was read: CV chain, signature over the digests, each digest, the AP's key.

    ``text_data`` is about the four attributes, ``text_number`` about the 個人番号; what
    was not read is not_run.
    """
    problem = check_cv_certificate(evidence.cv_certificate, ca_keys, "text_data")
    key_problem = _renamed(problem, "card_present")
    municipality = evidence.cv_certificate.key
    if problem is None and not signature_fits(
        municipality, evidence.digests.signature, evidence.digests.signed
    ):
        problem = Check("text_data", Outcome.INVALID, "digest_signature_wrong")
    checks = (_attributes(evidence, problem), _number(evidence, problem))
    if evidence.ap_key is None:
        no_key = Check("card_present", Outcome.CANNOT_TELL, "no_verified_key")
        return TextResult(checks, None, key_problem or no_key)
    if key_problem is None and not signature_fits(
        municipality, evidence.ap_key.signature, evidence.ap_key.signed
    ):
        key_problem = Check("card_present", Outcome.INVALID, "ap_key_signature_wrong")
    key = None if key_problem else VerifiedKey(evidence.ap_key.key, "text")
    return TextResult(checks, key, key_problem)


def _attributes(evidence: TextEvidence, problem: Check | None) -> Check:
    name = "text_data"
    if evidence.attributes is None:
        return Check(name, Outcome.NOT_RUN, "attributes_not_read")
    if problem:
        return problem
    if not _digest_fits(evidence.attributes.signed, evidence.digests.attributes_digest):
        return Check(name, Outcome.INVALID, "digest_mismatch", {"record": "attributes"})
    return Check(name, Outcome.VALID, "text_data_genuine", _signers(evidence))


def _number(evidence: TextEvidence, problem: Check | None) -> Check:
    name = "text_number"
    if evidence.number is None:
        return Check(name, Outcome.NOT_RUN, "number_not_read")
    if problem:
        return Check(name, problem.outcome, problem.code, problem.values)
    if not _digest_fits(evidence.number.physical, evidence.digests.number_digest):
        return Check(name, Outcome.INVALID, "digest_mismatch", {"record": "number"})
    if not evidence.number.number.check_digit_ok:
        return Check(name, Outcome.INVALID, "number_check_digit")
    return Check(name, Outcome.VALID, "number_genuine", _signers(evidence))


def _signers(evidence: TextEvidence) -> dict[str, str]:
    certificate = evidence.cv_certificate
    return {"municipality": key_name(certificate.subject), "ca": key_name(certificate.issuer)}


def _digest_fits(data: bytes, digest: bytes) -> bool:
    return hmac.compare_digest(hashlib.sha256(data).digest(), digest)


def _renamed(check: Check | None, name: str) -> Check | None:
    return check and Check(name, check.outcome, check.code, check.values)


def check_card_present(
    channel: Channel,
    application: Application,
    key: VerifiedKey | None,
    *,
    problem: Check | None = None,
    name: str = "card_present",
) -> Check:
    """Challenge the card: it signs 32 random bytes of ours with the application's own key.

    ``name``: of the check. No PIN is needed. The challenge is ours because a card that
    chose it could have an
    answer ready. ``key`` None: nothing is sent; the answer is ``problem``, or cannot_tell
    ``no_verified_key``, as a key of unproven origin proves nothing. Raises TransportError.
    """
    if key is None:
        return problem or Check(name, Outcome.CANNOT_TELL, "no_verified_key")
    if key.application != application.name:
        raise ValueError("the key belongs to another application")
    challenge = os.urandom(CHALLENGE_SIZE)
    select_application(channel, application)
    try:
        answer = channel.compute_signature(application.aid, None, sha256_digest_info(challenge))
    except StatusWordError as exc:
        return Check(name, Outcome.CANNOT_TELL, "challenge_unanswered", {"sw": str(exc.sw)})
    except MalformedResponseError:
        return Check(name, Outcome.CANNOT_TELL, "challenge_incomplete")
    _log.debug("card-present challenge: %d bytes answered", len(answer))
    if len(answer) < (key.key.n.bit_length() + 7) // 8:
        # A reader that carries less cuts answers off: that does not speak against the card.
        return Check(name, Outcome.CANNOT_TELL, "challenge_incomplete")
    if not signature_fits(key.key, answer, challenge):
        return Check(name, Outcome.INVALID, "challenge_wrong")
    return Check(name, Outcome.VALID, "challenge_answered")
