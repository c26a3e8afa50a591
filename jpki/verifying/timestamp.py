# SPDX-License-Identifier: Apache-2.0
"""A time stamp token to an answer: over what, when, by whom. Source: [RFC3161 2.4.2], [RFC5816].

A stamp counts only if it reaches an authority the caller trusts; whether that one was revoked is
asked of the lists the caller gives (:meth:`Judge.stamp_status`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from jpki.certificate import der, extensions
from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.errors import CertificateError
from jpki.signing.algorithms import Scheme
from jpki.signing.proof import signature_fits
from jpki.signing.timestamp import TST_INFO, TimestampError, Token, read_token
from jpki.verdict import Check, Outcome
from jpki.verifying.signer_info import (
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    SignerInfo,
    names_certificate,
    read_signer_info,
)

_TIME_STAMPING: Final = ("1.3.6.1.5.5.7.3.8",)

_LONGEST: Final = 6  # certificates from an authority to a root


@dataclass(frozen=True, slots=True)
class StampFinding:
    """``time``: what the stamp says, if it can be read. ``fault``: why it is no stamp of this
    signature (a code), or None. ``path``: the authority's certificate and each issuer, up to one
    the caller trusts; empty where it leads to none."""

    time: datetime | None
    fault: str | None = None
    path: tuple[Certificate, ...] = field(default=(), repr=False)

    @property
    def trusted(self) -> bool:
        """Whether it leads to an authority the caller trusts."""
        return bool(self.path)


def check_stamp(data: bytes, stamped: bytes, anchors: Sequence[bytes]) -> StampFinding:
    """Look at a token (DER) over ``stamped``. ``anchors``: DER. Never raises for its content."""
    try:
        token = read_token(data)
        info = read_signer_info(token.envelope.signers[0])
        certificates = _readable(token.envelope.certificates, anchors)
        return _check(token, info, stamped, certificates, anchors)
    except (TimestampError, der.DerError):
        return StampFinding(None, "stamp_form")


def stamp_check(status: Check, time: Check, *, decisive: bool = False) -> Check:
    """What ``time`` becomes when the authority's own ``status`` is known.

    ``decisive``: without the stamp the signature would not be good. Then what is not known of
    the authority is not known of the signature; else its stamp is merely not relied on.
    """
    values = {**time.values, **status.values, "status": status.code}
    if status.outcome is Outcome.INVALID:
        return Check(time.name, Outcome.INVALID, "stamp_revoked", values)
    if status.outcome is not Outcome.CANNOT_TELL:
        return time
    outcome = Outcome.CANNOT_TELL if decisive else Outcome.NOT_RUN
    return Check(time.name, outcome, "stamp_status_unknown", values)


def _check(
    token: Token,
    info: SignerInfo,
    stamped: bytes,
    certificates: Sequence[Certificate],
    anchors: Sequence[bytes],
) -> StampFinding:
    if token.hash is None or token.hash.digest(stamped) != token.imprint:
        return StampFinding(token.time, "stamp_of_other")
    if not _content_fits(token, info):
        return StampFinding(token.time, "stamp_signature")
    named = [one for one in certificates if info.names(one)]
    if not named:
        return StampFinding(token.time)  # whose it is cannot be told: it counts for nothing
    own = next((one for one in named if _signed_by(info, one)), None)
    if own is None:
        return StampFinding(token.time, "stamp_signature")
    if names_certificate(info, own) is not True or not _may_stamp(own):
        return StampFinding(token.time, "stamp_certificate")
    return StampFinding(token.time, None, _path(own, certificates, anchors, token.time))


def _content_fits(token: Token, info: SignerInfo) -> bool:
    kind, digest = info.one(CONTENT_TYPE), info.one(MESSAGE_DIGEST)
    if kind is None or digest is None or info.hash in (None, "sha1"):
        return False
    right = hashlib.new(str(info.hash), token.info).digest()
    return der.oid(kind) == TST_INFO and digest.value == right


def _signed_by(info: SignerInfo, certificate: Certificate) -> bool:
    if info.scheme is None or info.hash is None or info.signed is None:
        return False
    digest = hashlib.new(info.hash, info.signed, usedforsecurity=False).digest()
    try:
        key = certificate.public_key
    except CertificateError:
        return False
    return signature_fits(key, Scheme(info.scheme), info.hash, info.signature, digest)


def _may_stamp(certificate: Certificate) -> bool:
    """A key for time stamps and nothing else, and critically so [RFC3161 2.3]."""
    critical = extensions.EXTENDED_KEY_USAGE in certificate.critical_extensions
    return critical and certificate.extended_key_usage == _TIME_STAMPING


def _path(
    own: Certificate, others: Sequence[Certificate], anchors: Sequence[bytes], at: datetime
) -> tuple[Certificate, ...]:
    """The authority and who stands over it up to an anchor, all valid then; empty without."""
    at_hand, path = list(others), [own]
    for _ in range(_LONGEST):
        current = path[-1]
        if not current.not_before <= at <= current.not_after:
            return ()
        if current.der in anchors:
            return tuple(path)
        issuers = [one for one in at_hand if _issued(current, one)]
        if not issuers:
            return ()
        anchored = [one for one in issuers if one.der in anchors]
        path.append((anchored or issuers)[0])
        at_hand.remove(path[-1])
    return ()


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    usage = issuer.key_usage
    if not issuer.is_ca or usage is None or extensions.KEY_CERT_SIGN not in usage:
        return False
    try:
        below = x509.load_der_x509_certificate(certificate.der)
        below.verify_directly_issued_by(x509.load_der_x509_certificate(issuer.der))
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _readable(inside: Iterable[bytes], anchors: Iterable[bytes]) -> list[Certificate]:
    found: dict[bytes, Certificate] = {}
    for data in (*inside, *anchors):
        try:
            certificate = parse_certificate(data)
        except CertificateError:
            continue
        found.setdefault(certificate.der, certificate)
    return list(found.values())
