# SPDX-License-Identifier: Apache-2.0
"""Signing with a test key: algorithm identifiers, SubjectPublicKeyInfo, signed wrappers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from jpki.synth import der

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from jpki.synth.keystore import PrivateKey, PublicKey

_RSA_WITH = {
    "sha1": "1.2.840.113549.1.1.5",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_ECDSA_WITH = {
    "sha1": "1.2.840.10045.4.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
_HASH_OID = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1"}


def is_rsa(key: PrivateKey) -> bool:
    """Whether the key is RSA; the other kind here is EC."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    return isinstance(key, RSAPrivateKey)


def usual_hash(key: PrivateKey) -> str:
    """The hash a key of that kind signs with: SHA-256 for RSA, SHA-384 for P-384 [TF2024]."""
    return "sha256" if is_rsa(key) else "sha384"


def signature_algorithm(key: PrivateKey, hash_name: str | None = None) -> bytes:
    """AlgorithmIdentifier: explicit NULL for RSA, no parameters for ECDSA."""
    hash_name = hash_name or usual_hash(key)
    if is_rsa(key):
        return der.sequence(der.oid(_RSA_WITH[hash_name]), der.NULL)
    return der.sequence(der.oid(_ECDSA_WITH[hash_name]))


def hash_algorithm(hash_name: str) -> bytes:
    """AlgorithmIdentifier of a hash as OCSP's CertID has it, with NULL."""
    return der.sequence(der.oid(_HASH_OID[hash_name]), der.NULL)


def _hash(hash_name: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    return {
        "sha1": hashes.SHA1(),  # noqa: S303  (to be refused)
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }[hash_name]


def sign(key: PrivateKey, data: bytes, hash_name: str | None = None) -> bytes:
    """RSASSA-PKCS1-v1_5 or deterministic ECDSA: equal input, equal bytes."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    hash_name = hash_name or usual_hash(key)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), _hash(hash_name))
    return key.sign(data, ec.ECDSA(_hash(hash_name), deterministic_signing=True))


def signed(key: PrivateKey, to_be_signed: bytes, hash_name: str | None = None) -> bytes:
    """SEQUENCE of the data, the algorithm and the signature: certificate or CRL."""
    return der.sequence(
        to_be_signed,
        signature_algorithm(key, hash_name),
        der.bit_string(sign(key, to_be_signed, hash_name)),
    )


def public_key_bits(key: PublicKey) -> bytes:
    """Contents of the subjectPublicKey BIT STRING, without its unused-bits octet."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(key, RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def public_key_info(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: PublicKey) -> bytes:
    """subjectKeyIdentifier by method 1 of [RFC5280 4.2.1.2]: 20 bytes."""
    return hashlib.sha1(public_key_bits(key), usedforsecurity=False).digest()
