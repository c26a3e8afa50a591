# SPDX-License-Identifier: Apache-2.0
"""Signatures in the general profile: keys for RSASSA-PSS only, and curves that are not named.

Traps with a source: [GnuTLS] and [BoringSSL] test suites, which were run against it.
"""

from __future__ import annotations

from datetime import timedelta

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from general_pki import LEAF, SHA256
from jpki.synth import der
from jpki.validation.rfc5280.signatures import (
    SHA1_ENDED,
    Key,
    UnsupportedSignatureError,
    is_weak_key,
    load_key,
    read_algorithm,
    verify,
)

PSS, MGF1, RSA, EC = (
    "1.2.840.113549.1.1.10",
    "1.2.840.113549.1.1.8",
    "1.2.840.113549.1.1.1",
    "1.2.840.10045.2.1",
)
SHA_256, SHA_512 = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3"
PKCS1_SHA256 = der.sequence(der.oid("1.2.840.113549.1.1.11"), b"\x05\0")
DATA = b"signed"


def parameters(digest: str, salt: int, *, mask: str | None = None) -> bytes:
    """RSASSA-PSS-params."""
    one = der.sequence(der.oid(digest), b"\x05\0")
    other = der.sequence(der.oid(mask or digest), b"\x05\0")
    return der.sequence(
        der.explicit(0, one),
        der.explicit(1, der.sequence(der.oid(MGF1), other)),
        der.explicit(2, der.integer(salt)),
    )


def spki(algorithm: str, tail: bytes) -> bytes:
    """The leaf's key under another algorithm."""
    key = LEAF.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return der.sequence(der.sequence(der.oid(algorithm), tail), der.bit_string(key))


def pss(salt: int) -> bytes:
    mask = padding.MGF1(SHA256)
    return LEAF.sign(DATA, padding.PSS(mask, salt), SHA256)


KEYS = [
    # A key for any padding; for PSS of any kind; for PSS with SHA-256 and at least 32 bytes.
    (spki(RSA, b"\x05\0"), {"pkcs1": True, 20: True, 32: True, 64: True}),
    (spki(PSS, b""), {"pkcs1": False, 20: True, 32: True, 64: True}),
    (spki(PSS, parameters(SHA_256, 32)), {"pkcs1": False, 20: False, 32: True, 64: True}),
    (spki(PSS, parameters(SHA_512, 32)), {"pkcs1": False, 20: False, 32: False, 64: False}),
]


@pytest.mark.parametrize(("key", "fits"), KEYS, ids=["any", "pss", "pss sha256", "pss sha512"])
def test_a_key_for_pss_signs_nothing_else(key: bytes, fits: dict[str | int, bool]) -> None:
    """[RFC4055 3.3]: its parameters bind those of the signature."""
    for kind, expected in fits.items():
        if isinstance(kind, int):
            identifier = der.sequence(der.oid(PSS), parameters(SHA_256, kind))
            assert verify(identifier, pss(kind), DATA, key) is expected
            assert not verify(identifier, pss(kind), b"other", key)
        else:
            signature = LEAF.sign(DATA, padding.PKCS1v15(), SHA256)
            assert verify(PKCS1_SHA256, signature, DATA, key) is expected
            assert not verify(PKCS1_SHA256, signature, b"other", key)


def test_the_salt_has_the_length_that_is_said() -> None:
    identifier = der.sequence(der.oid(PSS), parameters(SHA_256, 32))
    assert not verify(identifier, pss(20), DATA, KEYS[0][0])


def pss_with(*parts: bytes, after: bytes = b"") -> bytes:
    """RSASSA-PSS with parameters that leave something out, or have more."""
    return der.sequence(der.oid(PSS), der.sequence(*parts), after)


def hashed(number: int, digest: bytes, *, mask: str | None = None, after: bytes = b"") -> bytes:
    """The hash of PSS, or (with ``mask``) that of its mask."""
    algorithm = der.sequence(digest, b"\x05\0")
    if mask is not None:
        algorithm = der.sequence(der.oid(mask), algorithm, after)
    return der.explicit(number, algorithm)


SHA_512_OID = der.oid(SHA_512)
BOTH = (hashed(0, SHA_512_OID), hashed(1, SHA_512_OID, mask=MGF1))


@pytest.mark.parametrize(
    ("identifier", "digest", "salt"),
    [
        (pss_with(), "sha1", 20),
        (pss_with(*BOTH), "sha512", 20),
        (pss_with(*BOTH, der.explicit(2, der.integer(0))), "sha512", 0),
        (pss_with(*BOTH, der.explicit(2, der.integer(512))), "sha512", 512),
    ],
)
def test_what_pss_has_where_nothing_is_said(identifier: bytes, digest: str, salt: int) -> None:
    algorithm = read_algorithm(identifier)
    assert (algorithm.kind, algorithm.digest, algorithm.salt) == ("pss", digest, salt)


ODD_PSS = [
    ("another mask", pss_with(BOTH[0], hashed(1, SHA_512_OID, mask=SHA_512))),
    ("more in the mask", pss_with(BOTH[0], hashed(1, SHA_512_OID, mask=MGF1, after=b"\x05\0"))),
    ("an unknown hash", pss_with(hashed(0, der.oid("1.2.3")))),
    ("more beside the hash", pss_with(hashed(0, SHA_512_OID + b"\x05\0"), BOTH[1])),
    ("a long salt", pss_with(*BOTH, der.explicit(2, der.integer(513)))),
    ("no salt", pss_with(*BOTH, der.explicit(2, der.integer(-1)))),
    ("a trailer", pss_with(*BOTH, der.explicit(3, der.integer(1)))),
    ("more at the end", pss_with(*BOTH, der.explicit(4, der.integer(1)))),
    ("more behind", pss_with(*BOTH, after=b"\x05\0")),
]


@pytest.mark.parametrize("identifier", [row[1] for row in ODD_PSS], ids=[row[0] for row in ODD_PSS])
def test_odd_parameters_of_pss(identifier: bytes) -> None:
    with pytest.raises(UnsupportedSignatureError):
        read_algorithm(identifier)


UNKNOWN = [
    ("two hashes", der.sequence(der.oid(PSS), parameters(SHA_256, 32, mask=SHA_512))),
    ("a negative salt", der.sequence(der.oid(PSS), parameters(SHA_256, -1))),
    ("no parameters", der.sequence(der.oid(PSS))),
    ("parameters of RSA", der.sequence(der.oid("1.2.840.113549.1.1.11"), b"\x04\0")),
    ("parameters of ECDSA", der.sequence(der.oid("1.2.840.10045.4.3.2"), b"\x05\0")),
    ("parameters of EdDSA", der.sequence(der.oid("1.3.101.112"), b"\x05\0")),
    ("nothing known", der.sequence(der.oid("1.2.3"))),
]


@pytest.mark.parametrize("identifier", [row[1] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_what_is_not_known_is_not_guessed(identifier: bytes) -> None:
    with pytest.raises(UnsupportedSignatureError):
        verify(identifier, bytes(256), DATA, KEYS[0][0])


def test_a_key_s_own_odd_parameters_are_not_guessed() -> None:
    for tail in (parameters(SHA_256, 32, mask=SHA_512), der.sequence(der.integer(1))):
        with pytest.raises(UnsupportedSignatureError):
            verify(
                der.sequence(der.oid(PSS), parameters(SHA_256, 32)), pss(32), DATA, spki(PSS, tail)
            )


def _point() -> bytes:
    key = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


# The field, the curve and its point as numbers: may be any curve [CVE-2020-0601].
SPELLED_OUT = der.sequence(
    der.integer(1),
    der.sequence(der.oid("1.2.840.10045.1.1"), der.integer(2**256 - 2**224 + 2**192 + 2**96 - 1)),
    der.sequence(der.octet_string(b"\xff" * 32), der.octet_string(b"\x5a" * 32)),
    der.octet_string(_point()),
    der.integer(2**256 - 2**224),
    der.integer(1),
)
P256 = der.oid("1.2.840.10045.3.1.7")


def _ec(tail: bytes, point: bytes) -> bytes:
    return der.sequence(der.sequence(der.oid(EC), tail), der.bit_string(point))


def _rsa(modulus: int, exponent: int) -> bytes:
    key = der.sequence(der.integer(modulus), der.integer(exponent))
    return der.sequence(der.sequence(der.oid(RSA), b"\x05\0"), der.bit_string(key))


MODULUS = LEAF.public_key().public_numbers().n
NO_KEYS = [
    ("curve spelled out", _ec(SPELLED_OUT, _point())),
    ("curve of nobody", _ec(b"\x05\0", _point())),
    ("curve not given", _ec(b"", _point())),
    ("unknown curve", _ec(der.oid("1.2.3"), _point())),
    ("beside the curve", _ec(P256, _point()[:-1] + bytes([_point()[-1] ^ 1]))),
    ("at infinity", _ec(P256, b"\0")),
    ("cut short", _ec(P256, _point()[:-1])),
    ("RSA without parameters", spki(RSA, b"")),  # [BoringSSL]
    ("RSA with others", spki(RSA, b"\x04\0")),
    ("a curve and more", _ec(P256 + b"\x05\0", _point())),
    *((f"exponent {e}", _rsa(MODULUS, e)) for e in (-3, 0, 1, 2, 65536)),
    ("modulus of 16,385 bit", _rsa((1 << 16_384) + 1, 65537)),
    ("negative modulus", _rsa(-MODULUS, 65537)),
]


@pytest.mark.parametrize("key", [row[1] for row in NO_KEYS], ids=[row[0] for row in NO_KEYS])
def test_what_is_no_key(key: bytes) -> None:
    with pytest.raises(UnsupportedSignatureError):
        load_key(key)


def test_a_named_curve_is_one() -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    signature = private.sign(DATA, ec.ECDSA(hashes.SHA256()))
    identifier = der.sequence(der.oid("1.2.840.10045.4.3.2"))
    assert verify(identifier, signature, DATA, _ec(P256, _point()))
    assert not verify(identifier, signature, b"other", _ec(P256, _point()))
    assert not verify(PKCS1_SHA256, signature, DATA, _ec(P256, _point()))


def _public(key: Key | x25519.X25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _signed() -> list[tuple[str, bytes, bytes]]:
    """Algorithm, signature and key of the kinds that have no test of their own above."""
    with cryptography_vectors.open_vector_file(
        "asymmetric/DER_Serialization/dsa.1024.der", "rb"
    ) as file:
        short = load_der_private_key(file.read(), None)
    assert isinstance(short, dsa.DSAPrivateKey)
    one, other = (
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
        ed448.Ed448PrivateKey.from_private_bytes(bytes(57)),
    )
    return [
        ("2.16.840.1.101.3.4.3.2", short.sign(DATA, SHA256), _public(short.public_key())),
        ("1.3.101.112", one.sign(DATA), _public(one.public_key())),
        ("1.3.101.113", other.sign(DATA), _public(other.public_key())),
    ]


def test_each_kind_fits_its_data_and_its_key_alone() -> None:
    rows = _signed()
    for oid, signature, key in rows:
        identifier = der.sequence(der.oid(oid))
        assert verify(identifier, signature, DATA, key)
        assert not verify(identifier, signature, b"other", key)
        for other in (KEYS[0][0], *(row[2] for row in rows if row[2] != key)):
            assert not verify(identifier, signature, DATA, other)


def test_a_key_that_signs_nothing_is_none() -> None:
    key = x25519.X25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    with pytest.raises(UnsupportedSignatureError):
        load_key(_public(key))


def _dsa(bits: int) -> bytes:
    parameters = dsa.DSAParameterNumbers((1 << bits - 1) + 1, (1 << 159) + 1, 3)
    return _public(dsa.DSAPublicNumbers(5, parameters).public_key())


def _curve(curve: ec.EllipticCurve) -> bytes:
    return _public(ec.derive_private_key(7, curve).public_key())


BEFORE = SHA1_ENDED - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("key", "then", "now"),
    [
        (_rsa((1 << 2046) + 1, 65537), True, True),
        (_rsa((1 << 2047) + 1, 65537), False, False),
        (_rsa((1 << 2047) + 1, 3), False, False),
        (_rsa((1 << 16_383) + 1, 65537), False, False),
        (_dsa(1024), False, True),
        (_dsa(2048), False, False),
        (_curve(ec.SECP192R1()), True, True),
        (_curve(ec.SECP224R1()), False, False),
        (_signed()[1][2], False, False),
    ],
)
def test_which_keys_are_weak_when(key: bytes, then: bool, now: bool) -> None:
    assert (is_weak_key(key, BEFORE), is_weak_key(key, SHA1_ENDED)) == (then, now)
