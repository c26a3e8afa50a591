# SPDX-License-Identifier: Apache-2.0
"""Signatures of any algorithm in use on the internet, and which of them are weak when.

Source: [RFC3279], [RFC4055], [RFC5758], [RFC8410].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from jpki.certificate import der

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16_384
# Until then SHA-1 and short DSA keys were in regular use; a moment before is judged so.
SHA1_ENDED: Final = datetime(2017, 1, 1, tzinfo=UTC)

_RSA, _PSS, _ECDSA, _DSA, _ED25519, _ED448 = "rsa", "pss", "ecdsa", "dsa", "ed25519", "ed448"
_HASHES: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_ALGORITHMS: Final = {
    "1.2.840.113549.1.1.4": (_RSA, "md5"),
    "1.2.840.113549.1.1.5": (_RSA, "sha1"),
    "1.2.840.113549.1.1.14": (_RSA, "sha224"),
    "1.2.840.113549.1.1.11": (_RSA, "sha256"),
    "1.2.840.113549.1.1.12": (_RSA, "sha384"),
    "1.2.840.113549.1.1.13": (_RSA, "sha512"),
    "1.2.840.10045.4.1": (_ECDSA, "sha1"),
    "1.2.840.10045.4.3.1": (_ECDSA, "sha224"),
    "1.2.840.10045.4.3.2": (_ECDSA, "sha256"),
    "1.2.840.10045.4.3.3": (_ECDSA, "sha384"),
    "1.2.840.10045.4.3.4": (_ECDSA, "sha512"),
    "1.2.840.10040.4.3": (_DSA, "sha1"),
    "2.16.840.1.101.3.4.3.1": (_DSA, "sha224"),
    "2.16.840.1.101.3.4.3.2": (_DSA, "sha256"),
    "1.3.101.112": (_ED25519, None),
    "1.3.101.113": (_ED448, None),
}
# What has to stand beside the algorithm of a key [RFC3279 2.3.1], [RFC5480 2.1.1].
_PARAMETERS: Final = {"1.2.840.113549.1.1.1": der.NULL, "1.2.840.10045.2.1": der.OBJECT_ID}
_PSS_OID: Final = "1.2.840.113549.1.1.10"
_MGF1: Final = "1.2.840.113549.1.1.8"
_DIGESTS: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}

Key = (
    rsa.RSAPublicKey
    | ec.EllipticCurvePublicKey
    | dsa.DSAPublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
)


class UnsupportedSignatureError(Exception):
    """An algorithm or key this module does not know: nothing can be said."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """``digest``: name of the hash, None where the algorithm has its own. ``salt``: of PSS."""

    kind: str
    digest: str | None
    salt: int = 0

    def hash(self) -> hashes.HashAlgorithm:
        """The hash to sign with; without meaning where the algorithm has its own."""
        return _HASHES[self.digest or "sha512"]()


def read_algorithm(identifier: bytes) -> Algorithm:
    """The algorithm of an AlgorithmIdentifier (DER). Raises UnsupportedSignatureError."""
    try:
        reader = der.whole(identifier).reader()
        oid = der.oid(reader.next(der.OBJECT_ID))
        if oid == _PSS_OID:
            return _pss(reader)
        if oid not in _ALGORITHMS:
            raise UnsupportedSignatureError
        kind, digest = _ALGORITHMS[oid]
        if kind == _RSA:
            reader.optional(der.NULL)  # present or absent, both are to be taken [RFC4055 5]
        reader.done()
    except der.DerError:
        raise UnsupportedSignatureError from None
    return Algorithm(kind, digest)


def load_key(spki: bytes) -> Key:
    """The key of a SubjectPublicKeyInfo. Raises UnsupportedSignatureError.

    A curve has to be named: one spelled out may be any curve [RFC5480 2.1.1].
    """
    try:
        algorithm = der.whole(spki).reader().next(der.SEQUENCE).reader()
        parameters = _PARAMETERS.get(der.oid(algorithm.next(der.OBJECT_ID)))
        if parameters is not None:
            algorithm.next(parameters)
            algorithm.done()
        key = load_der_public_key(spki)
    except (der.DerError, ValueError, TypeError, UnsupportedAlgorithm):
        raise UnsupportedSignatureError from None
    if isinstance(key, Key) and _bits(key) <= MAX_RSA_BITS:
        return key
    raise UnsupportedSignatureError


def verify(identifier: bytes, signature: bytes, data: bytes, spki: bytes) -> bool:
    """Whether ``signature`` over ``data`` is by that key. Raises UnsupportedSignatureError."""
    algorithm, key = read_algorithm(identifier), load_key(spki)
    try:
        if not _allowed(algorithm, spki):
            return False
        return _verify(algorithm, key, signature, data)
    except InvalidSignature:
        return False
    except (der.DerError, ValueError, UnsupportedAlgorithm):
        raise UnsupportedSignatureError from None


def _allowed(algorithm: Algorithm, spki: bytes) -> bool:
    """Whether a key that is for RSASSA-PSS only is used so: with the hash it names, and no
    less salt [RFC4055 3.3]."""
    reader = der.whole(spki).reader().next(der.SEQUENCE).reader()
    if der.oid(reader.next(der.OBJECT_ID)) != _PSS_OID:
        return True
    if algorithm.kind != _PSS:
        return False
    if reader.peek() is None:
        return True
    least = _pss(reader)
    return algorithm.digest == least.digest and algorithm.salt >= least.salt


def _verify(algorithm: Algorithm, key: Key, signature: bytes, data: bytes) -> bool:
    """False for a key of another kind than the algorithm's. Raises InvalidSignature."""
    digest = algorithm.hash()
    match algorithm.kind, key:
        case "rsa", rsa.RSAPublicKey():
            key.verify(signature, data, padding.PKCS1v15(), digest)
        case "pss", rsa.RSAPublicKey():
            key.verify(signature, data, padding.PSS(padding.MGF1(digest), algorithm.salt), digest)
        case "ecdsa", ec.EllipticCurvePublicKey():
            key.verify(signature, data, ec.ECDSA(digest))
        case "dsa", dsa.DSAPublicKey():
            key.verify(signature, data, digest)
        case "ed25519", ed25519.Ed25519PublicKey():
            key.verify(signature, data)
        case "ed448", ed448.Ed448PublicKey():
            key.verify(signature, data)
        case _:
            return False
    return True


def is_weak_algorithm(identifier: bytes, at: datetime) -> bool:
    """Whether a signature by it proves nothing at ``at``: MD5 never, SHA-1 not since 2017."""
    digest = read_algorithm(identifier).digest
    return digest == "md5" or (digest == "sha1" and at >= SHA1_ENDED)


def is_weak_key(spki: bytes, at: datetime) -> bool:
    """RSA below 2048 bit, curves below 224; DSA below 2048 since 2017."""
    key = load_key(spki)
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size < MIN_RSA_BITS or key.public_numbers().e < 3
    if isinstance(key, dsa.DSAPublicKey):
        return key.key_size < (MIN_RSA_BITS if at >= SHA1_ENDED else 1024)
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 224


def _bits(key: Key) -> int:
    return key.key_size if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey) else 0


def _pss(reader: der.Reader) -> Algorithm:
    """RSASSA-PSS parameters; both hashes have to be the same one [RFC4055 3.1].

    Raises DerError, UnsupportedSignatureError.
    """
    parts = reader.next(der.SEQUENCE).reader()
    reader.done()
    digest, mask, salt, trailer = (parts.optional(tag) for tag in (0xA0, 0xA1, 0xA2, 0xA3))
    parts.done()
    name = "sha1" if digest is None else _digest(der.only(digest, der.SEQUENCE))
    masked = "sha1"
    if mask is not None:
        inner = der.only(mask, der.SEQUENCE).reader()
        if der.oid(inner.next(der.OBJECT_ID)) != _MGF1:
            raise UnsupportedSignatureError
        masked = _digest(inner.next(der.SEQUENCE))
        inner.done()
    length = 20 if salt is None else der.integer(der.only(salt, der.INTEGER))
    if masked != name or trailer is not None or not 0 <= length <= 512:
        raise UnsupportedSignatureError
    return Algorithm(_PSS, name, length)


def _digest(node: der.Node) -> str:
    reader = node.reader()
    oid = der.oid(reader.next(der.OBJECT_ID))
    reader.optional(der.NULL)
    reader.done()
    if oid not in _DIGESTS:
        raise UnsupportedSignatureError
    return _DIGESTS[oid]
