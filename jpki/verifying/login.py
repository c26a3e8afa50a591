# SPDX-License-Identifier: Apache-2.0
"""Answer a login challenge with the card, and verify such an answer."""

from __future__ import annotations

from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from jpki.card import Card
from jpki.card.jpki_ap import KeyKind
from jpki.card_map import PinKind
from jpki.certificate.certificate import load_key
from jpki.certificate.frame import public_key_info
from jpki.certificate.kinds import Family
from jpki.errors import CertificateError, ChallengeError
from jpki.validation.validator import Validator
from jpki.verdict import Check, Outcome, Verdict
from jpki.verifying.challenge import Challenge, Response


def respond(
    card: Card,
    challenge: Challenge,
    pin: bytearray,
    *,
    now: datetime,
    family: Family = Family.AUTH,
    last_try: bool = False,
) -> Response:
    """Sign ``challenge`` with the key of ``family``; its ``pin`` is presented once and wiped.

    An answer with the sign key carries name and address in its certificate. An expired
    challenge is refused before the PIN (ChallengeError ``expired``). Raises PinError,
    TransportError.
    """
    demand_in_time(challenge, now)
    card.pins.verify(_key(family), pin, last_try=last_try)
    return respond_again(card, challenge, now=now, family=family)


def respond_again(
    card: Card, challenge: Challenge, *, now: datetime, family: Family = Family.AUTH
) -> Response:
    """Sign one more ``challenge`` under the PIN that was presented to this card before.

    Raises as ``respond``, and SecurityStatusError ``key_needs_pin``; no PIN is presented.
    """
    demand_in_time(challenge, now)
    certificate = card.jpki.certificate("sign" if family is Family.SIGN else "auth")
    signature = card.jpki.authenticate(challenge.signed_text(), _key(family))
    return Response(challenge, certificate, signature)


def _key(family: Family) -> KeyKind:
    return PinKind.SIGN if family is Family.SIGN else PinKind.AUTH


def demand_in_time(challenge: Challenge, now: datetime) -> None:
    """Refuse a challenge that has expired: ChallengeError ``expired``."""
    if challenge.is_expired(now):
        raise ChallengeError(reason="expired")


def check_signature(
    certificate_der: bytes, signature: bytes, data: bytes, key_info: bytes | None = None
) -> Check:
    """Whether the certificate's key made ``signature`` over ``data``.

    Of a certificate that a verdict has been given on: its form is not looked at again.
    ``key_info``: its SubjectPublicKeyInfo, if that is at hand.
    RSA: PKCS#1 v1.5, SHA-256. P-384: ECDSA as DER, SHA-384; whether the environment allows
    such a key is for the certificate's ``profile`` check to say.
    """
    name = "login"
    try:
        key = load_key(key_info or public_key_info(certificate_der))
    except CertificateError:
        return Check(name, Outcome.CANNOT_TELL, "login_no_key")
    code = "login_signed"
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), SHA256())
        elif isinstance(key.curve, ec.SECP384R1):
            code = "login_signed_ecdsa"
            key.verify(signature, data, ec.ECDSA(SHA384()))
        else:
            return Check(name, Outcome.CANNOT_TELL, "login_key_type")
    except InvalidSignature:
        return Check(name, Outcome.INVALID, "login_signature_wrong")
    return Check(name, Outcome.VALID, code, {"bits": key.key_size})


def verify_response(
    response: Response, challenge: Challenge, validator: Validator, *, now: datetime
) -> Verdict:
    """The verdict on a login: our challenge, in time, signed, by a certificate in force.

    ``challenge`` is the verifier's own copy. Whether it was used before is not_run: that
    takes a store of challenges.
    """
    certificate = validator.validate(response.certificate, family=Family.AUTH)
    checks = (
        _same(response.challenge, challenge),
        _in_time(challenge, now),
        check_signature(response.certificate, response.signature, challenge.signed_text()),
        *certificate.checks,
        Check("single_use", Outcome.NOT_RUN, "no_challenge_store"),
    )
    subject = {
        **certificate.subject,
        "origin": challenge.origin,
        "purpose": challenge.purpose,
    }
    return Verdict(checks, certificate.environment, subject=subject)


def _same(answered: Challenge, own: Challenge) -> Check:
    name = "challenge"
    if answered != own:
        return Check(name, Outcome.INVALID, "challenge_other")
    return Check(name, Outcome.VALID, "challenge_ours")


def _in_time(challenge: Challenge, now: datetime) -> Check:
    name = "challenge_time"
    values = {"expires": challenge.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if now < challenge.issued_at:
        return Check(name, Outcome.INVALID, "challenge_not_yet_issued", values)
    if challenge.is_expired(now):
        return Check(name, Outcome.INVALID, "challenge_expired", values)
    return Check(name, Outcome.VALID, "challenge_in_time", values)
