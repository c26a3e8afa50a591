# SPDX-License-Identifier: Apache-2.0
"""A private key in a PEM file as a signer: for tests, and for a verifier's own reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from jpki.certificate.certificate import parse_certificate
from jpki.certificate.files import load_certificates
from jpki.certificate.kinds import Environment
from jpki.errors import CertificateError, InputFileError
from jpki.input_file import read_limited
from jpki.signing.algorithms import P384, RSA_PKCS1, RSA_PSS, Scheme, SignatureAlgorithm
from jpki.signing.proof import HASHES
from jpki.signing.signer import SigningError

_LIMIT: Final = 1 << 20
_OURS: Final = (Environment.PRODUCTION, Environment.JLIS_TEST)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key in memory with its certificate; made by :func:`load_key_file`."""

    certificate: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    _key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def algorithms(self) -> tuple[SignatureAlgorithm, ...]:
        return (*RSA_PKCS1, *RSA_PSS) if isinstance(self._key, rsa.RSAPrivateKey) else P384

    def sign_digest(self, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
        hashed = HASHES[algorithm.hash]
        prehashed = Prehashed(hashed)
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(digest, ec.ECDSA(prehashed))
        if algorithm.scheme is Scheme.PSS:
            salted = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
            return self._key.sign(digest, salted, prehashed)
        return self._key.sign(digest, padding.PKCS1v15(), prehashed)


def load_key_file(path: Path, *, test_only: bool = True) -> KeyFile:
    """An unencrypted PEM file with a key, its certificate, and the chain after that.

    ``test_only``: take none but the test PKI's: a holder's key never leaves its card. Raises
    InputFileError, and SigningError ``signing_key_of_card`` for a certificate of JPKI itself,
    ``signing_key_not_test`` for another that is not of the test PKI.
    """
    data = read_limited(path, _LIMIT)
    try:
        ders = load_certificates(data)
        own = parse_certificate(ders[0])
    except CertificateError as exc:
        raise InputFileError(path=str(path), reason=str(exc.values["reason"])) from exc
    if own.environment in _OURS:
        raise SigningError("signing_key_of_card")
    if test_only and own.environment is not Environment.TEST:
        raise SigningError("signing_key_not_test")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise InputFileError(path=str(path), reason="no_private_key") from exc
    usable = isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048
    if isinstance(key, ec.EllipticCurvePrivateKey):
        usable = isinstance(key.curve, ec.SECP384R1)
    if not usable or not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise InputFileError(path=str(path), reason="key_kind")
    if key.public_key() != own.public_key:
        raise InputFileError(path=str(path), reason="key_of_other")
    return KeyFile(own.der, tuple(ders[1:]), key)
