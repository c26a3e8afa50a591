# SPDX-License-Identifier: Apache-2.0
"""The keyed index: the only place of the map that looks inside a SerialRef.

An index is 32 bytes that only the holder of the service's keys can make from a certificate, or
from a card's 製造番号. It never leaves the store; it is deleted with its record. What has to be
kept of a certificate or a card for later is encrypted here, and bound to its handle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jpki.card.opaque import CardSerial
from jpki.card.records import RsaNumbers
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import CertificateError
from jpki.mapping.keys import ServiceKeys
from jpki.validation.named import NamedCertificate

INDEX_SIZE = 32


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
class StoredCertificate:
    """A certificate as it is kept for 現況確認: which one, and where a revocation would stand."""

    ref: CertificateRef
    named: NamedCertificate


@dataclass(frozen=True, slots=True)
class Index:
    """The index under the newest epoch, and the one before it for rows not yet re-keyed.

    ``previous`` equals ``current`` in the first epoch: one shape for every query.
    """

    epoch: int
    current: bytes = field(repr=False)
    previous: bytes = field(repr=False)


def certificate_ref(
    named: NamedCertificate, environment: Environment, family: Family, medium: Medium
) -> CertificateRef:
    """The reference of a validated certificate."""
    return CertificateRef(
        environment=environment,
        family=family,
        medium=medium,
        issuer=hashlib.sha256(named.issuer_der).digest(),
        key_id=named.issuer_key_id,
        serial=named.serial,
    )


def card_number(serial: CardSerial) -> SerialRef:
    """A card's 製造番号, wrapped as the map takes it."""
    return SerialRef(RefKind.CARD_NUMBER, serial.reveal().encode("ascii"))


def index_of(keys: ServiceKeys, ref: CertificateRef) -> Index:
    """The index of ``ref`` for one service."""
    if ref.serial.kind is not RefKind.CERTIFICATE_SERIAL:
        raise CertificateError(reason="not_a_serial", field="serial")
    return _index(keys, _canonical(ref))


def card_index_of(keys: ServiceKeys, number: SerialRef, environment: Environment) -> Index:
    """The index of a card by its 製造番号, for one service."""
    if number.kind is not RefKind.CARD_NUMBER:
        raise CertificateError(reason="not_a_card_number", field="serial")
    parts = (b"jpki.map.card/1", environment.value.encode("ascii"), number.reveal())
    return _index(keys, _joined(parts))


def _index(keys: ServiceKeys, name: bytes) -> Index:
    value = previous = keys.mac(1, name)
    for epoch in range(2, keys.epoch + 1):
        previous, value = value, keys.mac(epoch, value)
    return Index(keys.epoch, value, previous)


def next_index(keys: ServiceKeys, index: bytes) -> bytes:
    """What an index of the epoch before becomes in the newest."""
    return keys.mac(keys.epoch, index)


def seal_certificate(keys: ServiceKeys, stored: StoredCertificate, handle: bytes) -> bytes:
    """What is kept for 現況確認, encrypted; bound to ``handle``."""
    named = stored.named
    body = {
        "issuer": named.issuer_der.hex(),
        "lists": [name.hex() for name in named.crl_distribution_point_names],
        "not_after": named.not_after.isoformat(),
        "ref": reference_object(stored.ref),
    }
    return keys.seal("recheck", json.dumps(body).encode("ascii"), handle)


def open_certificate(
    keys: ServiceKeys, sealed: bytes, handle: bytes, epoch: int
) -> StoredCertificate:
    """It again. Raises KeyFileError when these keys did not seal it."""
    body = json.loads(keys.open("recheck", sealed, handle, epoch))
    ref = reference_from(body["ref"])
    lists = tuple(bytes.fromhex(name) for name in body["lists"])
    named = NamedCertificate(
        bytes.fromhex(body["issuer"]), ref.key_id, ref.serial, lists,
        datetime.fromisoformat(body["not_after"]),
    )  # fmt: skip
    return StoredCertificate(ref, named)


def seal_card_key(keys: ServiceKeys, key: RsaNumbers, handle: bytes) -> bytes:
    """The public key of a bound card, encrypted: it names the card as its number does."""
    return keys.seal("card", f"{key.n:x} {key.e:x}".encode("ascii"), handle)


def open_card_key(keys: ServiceKeys, sealed: bytes, handle: bytes, epoch: int) -> RsaNumbers:
    """It again. Raises KeyFileError when these keys did not seal it."""
    n, e = keys.open("card", sealed, handle, epoch).split()
    return RsaNumbers(int(n, 16), int(e, 16))


def reference_object(ref: CertificateRef) -> dict[str, str]:
    """A reference as a platform operator takes it, inside certification work only.

    Source: 公的個人認証法18条4項, 5項: a verifier gives a serial to be told another.
    """
    return {
        "environment": ref.environment.value,
        "family": ref.family.value,
        "medium": ref.medium.value,
        "issuer": ref.issuer.hex(),
        "key_id": ref.key_id.hex(),
        "serial": ref.serial.reveal().hex(),
    }


def reference_from(raw: Any) -> CertificateRef:
    """The reference again. Raises KeyError, TypeError or ValueError for another shape."""
    return CertificateRef(
        environment=Environment(raw["environment"]),
        family=Family(raw["family"]),
        medium=Medium(raw["medium"]),
        issuer=bytes.fromhex(raw["issuer"]),
        key_id=bytes.fromhex(raw["key_id"]),
        serial=SerialRef(RefKind.CERTIFICATE_SERIAL, bytes.fromhex(raw["serial"])),
    )


def _canonical(ref: CertificateRef) -> bytes:
    """Every part with its length before it: two names never give the same bytes.

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
    return _joined(parts)


def _joined(parts: tuple[bytes, ...]) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
