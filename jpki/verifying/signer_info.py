# SPDX-License-Identifier: Apache-2.0
"""One SignerInfo of a CMS, read strictly. Nothing in it is believed yet. Source: [RFC5652 5.3]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from jpki.certificate import der
from jpki.certificate.certificate import Certificate
from jpki.signing.algorithms import Scheme
from jpki.signing.proof import HASHES

CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
TIME_STAMP: Final = "1.2.840.113549.1.9.16.2.14"

HASH_OIDS: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
# Signature algorithm: its scheme, and the hash it names itself (None: digestAlgorithm says it).
_SIGNATURES: Final[Mapping[str, tuple[Scheme, str | None]]] = {
    "1.2.840.113549.1.1.1": (Scheme.PKCS1, None),
    "1.2.840.113549.1.1.5": (Scheme.PKCS1, "sha1"),
    "1.2.840.113549.1.1.11": (Scheme.PKCS1, "sha256"),
    "1.2.840.113549.1.1.12": (Scheme.PKCS1, "sha384"),
    "1.2.840.113549.1.1.13": (Scheme.PKCS1, "sha512"),
    "1.2.840.10045.4.1": (Scheme.ECDSA, "sha1"),
    "1.2.840.10045.4.3.2": (Scheme.ECDSA, "sha256"),
    "1.2.840.10045.4.3.3": (Scheme.ECDSA, "sha384"),
    "1.2.840.10045.4.3.4": (Scheme.ECDSA, "sha512"),
}
_PSS: Final = "1.2.840.113549.1.1.10"
_MGF1: Final = "1.2.840.113549.1.1.8"
_SKI, _SIGNED, _UNSIGNED = 0x80, 0xA0, 0xA1


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """``hash``: name, or None for one that is not known. ``scheme`` None: not known, or
    parameters that do not go with the hash. ``signed``: what is hashed and signed (SET OF), or
    None without signed attributes. ``attributes``, ``unsigned``: OID to values (DER)."""

    issuer: bytes = field(repr=False)
    serial: int | None = field(repr=False)
    key_id: bytes | None = field(repr=False)
    hash: str | None
    scheme: Scheme | None
    signed: bytes | None = field(repr=False)
    attributes: Mapping[str, tuple[bytes, ...]] = field(repr=False)
    signature: bytes = field(repr=False)
    unsigned: Mapping[str, tuple[bytes, ...]] = field(repr=False)

    def names(self, certificate: Certificate) -> bool:
        """Whether it says that ``certificate`` is the signer's."""
        if self.key_id is not None:
            return certificate.ski == self.key_id
        number = int.from_bytes(certificate.serial.reveal(), "big")
        return certificate.issuer_der == self.issuer and number == self.serial

    def one(self, oid: str) -> der.Node | None:
        """The single value of a signed attribute; None without it. Raises DerError."""
        values = self.attributes.get(oid)
        if values is None:
            return None
        if len(values) != 1:
            raise der.DerError("attribute_values", 0)
        return der.whole(values[0], values[0][0])


def read_signer_info(data: bytes) -> SignerInfo:
    """Read one SignerInfo (DER). Raises DerError."""
    reader = der.whole(data).reader()
    version = der.integer(reader.next(der.INTEGER))
    issuer, serial, key_id = b"", None, None
    if reader.peek() == _SKI:
        key_id = reader.next(_SKI).value
    else:
        named = reader.next(der.SEQUENCE).reader()
        issuer = named.next(der.SEQUENCE).raw
        serial = der.integer(named.next(der.INTEGER))
        named.done()
    if version != (1 if key_id is None else 3):
        raise der.DerError("version", 0)
    hash_name = HASH_OIDS.get(_oid(reader.next(der.SEQUENCE)))
    signed = reader.optional(_SIGNED)
    scheme = _scheme(reader.next(der.SEQUENCE), hash_name)
    signature = reader.next(der.OCTET_STRING).value
    unsigned = reader.optional(_UNSIGNED)
    reader.done()
    return SignerInfo(
        issuer=issuer,
        serial=serial,
        key_id=key_id,
        hash=hash_name,
        scheme=scheme,
        signed=None if signed is None else bytes((der.SET,)) + signed.raw[1:],
        attributes={} if signed is None else _attributes(signed),
        signature=signature,
        unsigned={} if unsigned is None else _attributes(unsigned),
    )


def signing_time(info: SignerInfo) -> datetime | None:
    """What the signer says the time was; None if it says nothing. Raises DerError."""
    node = info.one(SIGNING_TIME)
    return None if node is None else der.time(node)


def names_certificate(info: SignerInfo, certificate: Certificate) -> bool | None:
    """Whether signing-certificate (-v2) is of ``certificate``; None without the attribute.

    The first certificate named is the signer's [RFC5035 3]. Raises DerError.
    """
    new, old = info.one(SIGNING_CERTIFICATE_V2), info.one(SIGNING_CERTIFICATE)
    if new is None and old is None:
        return None
    found = True
    if new is not None:
        found = _ess(new, "sha256", certificate)
    if old is not None:
        found = found and _ess(old, "sha1", certificate)
    return found


def _ess(node: der.Node, hash_name: str, certificate: Certificate) -> bool:
    first = node.reader().next(der.SEQUENCE).reader().next(der.SEQUENCE).reader()
    algorithm = first.optional(der.SEQUENCE)
    if algorithm is not None:
        hash_name = HASH_OIDS.get(_oid(algorithm), "")
    value = first.next(der.OCTET_STRING).value
    if hash_name not in HASHES:
        return False
    import hashlib

    return hashlib.new(hash_name, certificate.der, usedforsecurity=False).digest() == value


def _attributes(node: der.Node) -> dict[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    for attribute in node.reader().rest():
        if attribute.tag != der.SEQUENCE:
            raise der.DerError("wrong_tag", attribute.start)
        reader = attribute.reader()
        oid = der.oid(reader.next(der.OBJECT_ID))
        values = tuple(value.raw for value in reader.next(der.SET).reader().rest())
        reader.done()
        if oid in found:
            raise der.DerError("attribute_twice", attribute.start)
        if not values:
            raise der.DerError("attribute_values", attribute.start)
        found[oid] = values
    if not found:
        raise der.DerError("attribute_values", node.start)
    return found


def _oid(algorithm: der.Node) -> str:
    return der.oid(algorithm.reader().next(der.OBJECT_ID))


def _scheme(algorithm: der.Node, hash_name: str | None) -> Scheme | None:
    """The scheme, if what it says of the hash agrees with ``hash_name``."""
    reader = algorithm.reader()
    oid = der.oid(reader.next(der.OBJECT_ID))
    if oid == _PSS:
        return Scheme.PSS if _pss_fits(reader.next(der.SEQUENCE), hash_name) else None
    scheme, named = _SIGNATURES.get(oid, (None, None))
    reader.optional(der.NULL)
    reader.done()
    return scheme if named in (None, hash_name) else None


def _pss_fits(parameters: der.Node, hash_name: str | None) -> bool:
    """PSS with that hash in both places and a salt as long as its digest [RFC4055 3.1]."""
    if hash_name is None:
        return False
    hashed, masked, salt = "sha1", "sha1", 20
    for node in parameters.reader().rest():
        if node.tag == 0xA0:
            hashed = HASH_OIDS.get(_oid(der.only(node, der.SEQUENCE)), "")
        elif node.tag == 0xA1:
            mask = der.only(node, der.SEQUENCE).reader()
            if der.oid(mask.next(der.OBJECT_ID)) != _MGF1:
                return False
            masked = HASH_OIDS.get(_oid(mask.next(der.SEQUENCE)), "")
        elif node.tag == 0xA2:
            salt = der.integer(der.only(node, der.INTEGER))
        elif node.tag != 0xA3 or der.integer(der.only(node, der.INTEGER)) != 1:
            return False
    return hashed == masked == hash_name and salt == HASHES[hash_name].digest_size
