# SPDX-License-Identifier: Apache-2.0
"""Requests to an OCSP responder, signed or not. Source: [RFC6960 4.1].

Sending one is the caller's, and of JPKI lawful for registered verifiers only (18, 37条).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from jpki.certificate import der
from jpki.certificate.encode import tlv
from jpki.errors import ConfigurationError
from jpki.validation.named import AskedAbout
from jpki.validation.trust import Anchor

# CertID by SHA-1, as every responder knows it; nothing is proven by it.
_SHA1: Final = bytes.fromhex("300906052b0e03021a0500")
_NONCE: Final = bytes.fromhex("06092b0601050507300102")
_RSA_SHA256: Final = bytes.fromhex("300d06092a864886f70d01010b0500")
_ECDSA_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")


@dataclass(frozen=True, slots=True)
class OcspQuestion:
    """Which certificate is meant: name (DER) and key bits of its issuer, and its serial."""

    issuer_der: bytes = field(repr=False)
    key_bits: bytes = field(repr=False)
    serial: bytes = field(repr=False)

    def cert_id(self) -> bytes:
        """DER of the CertID."""
        name, key = (
            hashlib.sha1(part, usedforsecurity=False).digest()
            for part in (self.issuer_der, self.key_bits)
        )
        return tlv(
            der.SEQUENCE,
            _SHA1,
            tlv(der.OCTET_STRING, name),
            tlv(der.OCTET_STRING, key),
            tlv(der.INTEGER, self.serial),
        )


class RequestSigner:
    """Signs requests for a responder that wants them signed, with SHA-256.

    ``certificates``: DER of the signer's own, then any others to enclose. Raises
    ConfigurationError for a key of another kind, or one that is not the certificate's.
    """

    def __init__(
        self,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
        certificates: tuple[bytes, ...],
    ) -> None:
        try:
            own = x509.load_der_x509_certificate(certificates[0])
            of_other = own.public_key() != key.public_key()
            name = own.subject.public_bytes()
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
            place = "ocsp_certificate"
            raise ConfigurationError(path=place, reason="not_readable", place=place) from None
        if of_other:
            raise ConfigurationError(path="ocsp_key", reason="other_key", place="ocsp_key")
        self._key = key
        self._certificates = certificates
        self.name = name

    def sign(self, tbs: bytes) -> bytes:
        """DER of the Signature over a TBSRequest."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            algorithm = _RSA_SHA256
            signature = self._key.sign(tbs, padding.PKCS1v15(), hashes.SHA256())
        else:
            algorithm = _ECDSA_SHA256
            signature = self._key.sign(tbs, ec.ECDSA(hashes.SHA256()))
        enclosed = tlv(0xA0, tlv(der.SEQUENCE, *self._certificates))
        return tlv(der.SEQUENCE, algorithm, tlv(der.BIT_STRING, b"\0", signature), enclosed)


def encode_request(
    question: OcspQuestion, nonce: bytes | None = None, signer: RequestSigner | None = None
) -> bytes:
    """DER of the request about one certificate."""
    requests = tlv(der.SEQUENCE, tlv(der.SEQUENCE, question.cert_id()))
    extra = b""
    if nonce is not None:
        value = tlv(der.OCTET_STRING, tlv(der.OCTET_STRING, nonce))
        extra = tlv(0xA2, tlv(der.SEQUENCE, tlv(der.SEQUENCE, _NONCE, value)))
    # A signed request names who asks: [1] EXPLICIT directoryName.
    requestor = b"" if signer is None else tlv(0xA1, tlv(0xA4, signer.name))
    tbs = tlv(der.SEQUENCE, requestor, requests, extra)
    signed = b"" if signer is None else tlv(0xA0, signer.sign(tbs))
    return tlv(der.SEQUENCE, tbs, signed)


def load_signer(key_pem: bytes, certificates: tuple[bytes, ...]) -> RequestSigner:
    """A signer from an unencrypted PEM key and its certificates (DER). Raises
    ConfigurationError."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(path="ocsp_key", reason="not_readable", place="ocsp_key") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigurationError(path="ocsp_key", reason="wrong_type", place="ocsp_key")
    return RequestSigner(key, certificates)


def question_about(certificate: AskedAbout, anchor: Anchor) -> OcspQuestion:
    """The question whether a certificate of that root is revoked."""
    root = anchor.certificate
    return OcspQuestion(root.subject_der, root.key_bits, certificate.serial.reveal())


def build_ocsp_request(certificate: AskedAbout, anchor: Anchor, nonce: bytes | None) -> bytes:
    """DER of the unsigned request about one certificate, for who sends it in his own way."""
    return encode_request(question_about(certificate, anchor), nonce)
