# SPDX-License-Identifier: Apache-2.0
"""OCSP answers of the test PKI. JPKI's own profile is not public; this is [RFC6960] with a
delegated responder below each root."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jpki.synth import der, names
from jpki.synth import extensions as ext
from jpki.synth.authority import GENERATIONS, Authority
from jpki.synth.certificate import Fields, certificate
from jpki.synth.keystore import any_stored_key
from jpki.synth.signing import (
    hash_algorithm,
    key_id,
    public_key_bits,
    public_key_info,
    sign,
    signature_algorithm,
)

if TYPE_CHECKING:
    from cryptography.x509.ocsp import OCSPRequest

    from jpki.synth.keystore import PrivateKey

# Who signs an answer: the delegated responder, the root itself, or somebody who may not.
RESPONDERS = (
    "delegated",
    "ca",
    "other-generation",
    "no-eku",
    "no-nocheck",
    "expired",
    "rogue",
    "no-certificate",
)
ERRORS = {
    "malformedRequest": 1,
    "internalError": 2,
    "tryLater": 3,
    "sigRequired": 5,
    "unauthorized": 6,
}
DATA_AGE = timedelta(minutes=15)  # how often the real service renews its data [DA]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of a serial: good, revoked (since when, why) or unknown."""

    word: str = "good"
    revoked_at: datetime | None = None
    reason: int | None = None

    def encode(self) -> bytes:
        """CertStatus."""
        if self.word == "good":
            return der.implicit(0, b"")
        if self.word == "unknown":
            return der.implicit(2, b"")
        if self.word != "revoked" or self.revoked_at is None:
            raise ValueError("status is good, unknown, or revoked with a date")
        reason = b"" if self.reason is None else der.explicit(0, der.enumerated(self.reason))
        return der.explicit(1, der.generalized_time(self.revoked_at), reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One answered certificate: its CertID and status, and how long that is good for."""

    cert_id: bytes = field(repr=False)
    status: Status
    this_update: datetime
    next_update: datetime | None

    def encode(self) -> bytes:
        """SingleResponse."""
        until = self.next_update
        return der.sequence(
            self.cert_id,
            self.status.encode(),
            der.generalized_time(self.this_update),
            b"" if until is None else der.explicit(0, der.generalized_time(until)),
        )


def data_time(at: datetime) -> datetime:
    """When the data of an answer given at ``at`` were renewed: the last full quarter hour."""
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def cert_id(authority: Authority, serial: int, hash_name: str = "sha1") -> bytes:
    """CertID of a serial below ``authority``."""
    name_hash = hashlib.new(hash_name, authority.name, usedforsecurity=False)
    key_bits = public_key_bits(authority.key().public_key())
    key_hash = hashlib.new(hash_name, key_bits, usedforsecurity=False)
    return der.sequence(
        hash_algorithm(hash_name),
        der.octet_string(name_hash.digest()),
        der.octet_string(key_hash.digest()),
        der.integer(serial),
    )


def cert_id_of(request: OCSPRequest) -> bytes:
    """The request's CertID, written as we write our own."""
    return der.sequence(
        hash_algorithm(request.hash_algorithm.name),
        der.octet_string(request.issuer_name_hash),
        der.octet_string(request.issuer_key_hash),
        der.integer(request.serial_number),
    )


def nonce_of(request: OCSPRequest) -> bytes | None:
    """The request's nonce, if it has one."""
    from cryptography.x509 import ExtensionNotFound, OCSPNonce

    try:
        return request.extensions.get_extension_for_class(OCSPNonce).value.nonce
    except ExtensionNotFound:
        return None


def responder_certificate(authority: Authority, day: datetime, kind: str = "delegated") -> bytes:
    """Certificate of the delegated responder as of ``day``: a week back, five weeks on.

    ``kind`` takes something away: no-eku, no-nocheck, expired.
    """
    key = any_stored_key(f"ocsp-{authority.family.value}-{authority.generation}").public_key()
    day = day.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "expired":
        day -= timedelta(days=365)
    extensions = [
        ext.key_usage(b"\x80", 7),
        ext.extended_key_usage(ext.CLIENT_AUTH if kind == "no-eku" else ext.OCSP_SIGNING),
        ext.authority_key_id(authority.key_id, authority.name, authority.serial),
        ext.subject_key_id(key_id(key)),
    ]
    if kind != "no-nocheck":
        extensions.append(ext.Extension("ocspNoCheck", der.NULL))
    fields = Fields(
        # A serial of its own range, so that it meets no holder's.
        serial=0x70000000 + day.toordinal(),
        issuer=authority.name,
        not_before=day - timedelta(days=7),
        not_after=day + timedelta(days=35),
        subject=names.responder_subject(authority.family, authority.organisation),
        public_key_info=public_key_info(key),
        extensions=tuple(extensions),
    )
    return certificate(fields, authority.key())


def responder(authority: Authority, day: datetime, kind: str) -> tuple[PrivateKey, bytes | None]:
    """Key and enclosed certificate of a responder of the given kind (see RESPONDERS)."""
    if kind not in RESPONDERS:
        raise ValueError(f"no responder of kind {kind!r}")
    if kind == "ca":
        return authority.key(), None
    if kind == "other-generation":
        others = [n for n in GENERATIONS if n != authority.generation]
        authority = Authority(authority.family, others[-1], authority.organisation)
    key = any_stored_key(f"ocsp-{authority.family.value}-{authority.generation}")
    enclosed = None if kind == "no-certificate" else responder_certificate(authority, day, kind)
    return (any_stored_key("rogue-ca") if kind == "rogue" else key), enclosed


def answer(
    signer: tuple[PrivateKey, bytes | None],
    singles: list[Single],
    produced_at: datetime,
    nonce: bytes | None = None,
    *,
    hash_name: str | None = None,
    damage_signature: bool = False,
) -> bytes:
    """DER of a successful OCSPResponse; the responder is named by its key."""
    key, enclosed = signer
    data = der.sequence(
        der.explicit(2, der.octet_string(key_id(key.public_key()))),
        der.generalized_time(produced_at),
        der.sequence(*(single.encode() for single in singles)),
        b"" if nonce is None else der.explicit(1, der.sequence(_nonce(nonce))),
    )
    signature = sign(key, data, hash_name)
    if damage_signature:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    basic = der.sequence(
        data,
        signature_algorithm(key, hash_name),
        der.bit_string(signature),
        b"" if enclosed is None else der.explicit(0, der.sequence(enclosed)),
    )
    response = der.sequence(der.oid("1.3.6.1.5.5.7.48.1.1"), der.octet_string(basic))
    return der.sequence(der.enumerated(0), der.explicit(0, response))


def _nonce(nonce: bytes) -> bytes:
    return ext.Extension("ocspNonce", der.octet_string(nonce)).encode()


def error(word: str) -> bytes:
    """DER of an unsuccessful, unsigned OCSPResponse, for one ``tryLater``."""
    return der.sequence(der.enumerated(ERRORS[word]))
