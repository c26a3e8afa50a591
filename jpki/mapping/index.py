# SPDX-License-Identifier: Apache-2.0
"""The keyed index: the only place of the map that looks inside a SerialRef.

An index is 32 bytes that only the holder of the service's keys can make from a certificate.
It never leaves the store; it is deleted with its record.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jpki.certificate.certificate import Certificate
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import CertificateError
from jpki.mapping.errors import KeyFileError
from jpki.mapping.keys import ServiceKeys

INDEX_SIZE = 32
_NONCE = 12


@dataclass(frozen=True, slots=True)
class CertificateRef:
    """Which certificate: a serial alone is never a key. Source: [RFC5280 4.1.2.2].

    ``issuer``: SHA-256 of the issuer's name as DER. ``key_id``: of the issuer's key.
    """

    environment: Environment
    family: Family
    medium: Medium
    issuer: bytes = field(repr=False)
    key_id: bytes = field(repr=False)
    serial: SerialRef = field(repr=False)


@dataclass(frozen=True, slots=True)
class Index:
    """The index under the newest epoch, and the one before it for rows not yet re-keyed.

    ``previous`` equals ``current`` in the first epoch: one shape for every query.
    """

    epoch: int
    current: bytes = field(repr=False)
    previous: bytes = field(repr=False)


def certificate_ref(
    certificate: Certificate, environment: Environment, family: Family, medium: Medium
) -> CertificateRef:
    """The reference of a validated certificate. Raises CertificateError without a key id."""
    if certificate.aki is None or certificate.aki.key_id is None:
        raise CertificateError(reason="missing", field="authority_key_id")
    return CertificateRef(
        environment=environment,
        family=family,
        medium=medium,
        issuer=hashlib.sha256(certificate.issuer_der).digest(),
        key_id=certificate.aki.key_id,
        serial=certificate.serial,
    )


def index_of(keys: ServiceKeys, ref: CertificateRef) -> Index:
    """The index of ``ref`` for one service."""
    if ref.serial.kind is not RefKind.CERTIFICATE_SERIAL:
        raise CertificateError(reason="not_a_serial", field="serial")
    value = previous = hmac.digest(keys.epochs[0], _canonical(ref), "sha256")
    for key in keys.epochs[1:]:
        previous, value = value, hmac.digest(key, value, "sha256")
    return Index(keys.epoch, value, previous)


def next_index(keys: ServiceKeys, index: bytes) -> bytes:
    """What an index of the epoch before becomes in the newest."""
    return hmac.digest(keys.epochs[-1], index, "sha256")


def seal_serial(keys: ServiceKeys, serial: SerialRef, handle: bytes) -> bytes:
    """The serial, encrypted for 現況確認; bound to ``handle``. AES-256-GCM, nonce first."""
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(keys.derived("recheck")).encrypt(nonce, serial.reveal(), handle)
    return nonce + sealed


def open_serial(keys: ServiceKeys, sealed: bytes, handle: bytes, epoch: int) -> SerialRef:
    """The serial again, wrapped. Raises KeyFileError when these keys did not seal it."""
    cipher = AESGCM(keys.derived_at("recheck", epoch))
    try:
        value = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], handle)
    except (InvalidTag, ValueError):
        raise KeyFileError(reason="other_key") from None
    return SerialRef(RefKind.CERTIFICATE_SERIAL, value)


def _canonical(ref: CertificateRef) -> bytes:
    """Every part with its length before it: two references never give the same bytes.

    The medium is not in it: it is a property of the certificate that the rest names.
    """
    parts = (
        b"jpki.map.index/1",
        ref.environment.value.encode("ascii"),
        ref.family.value.encode("ascii"),
        ref.issuer,
        ref.key_id,
        ref.serial.reveal(),
    )
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
