# SPDX-License-Identifier: Apache-2.0
"""CMS signatures as nobody should make them, put together by hand and signed with a real key.

None of the code that makes or reads signatures is used here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_der_x509_certificate

from jpki.synth import der

DATA, SIGNED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
HASHES: dict[str, tuple[str, Any, str]] = {
    "md5": ("1.2.840.113549.2.5", hashes.MD5(), "1.2.840.113549.1.1.4"),
    "sha1": ("1.3.14.3.2.26", hashes.SHA1(), "1.2.840.113549.1.1.5"),
    "sha256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256(), "1.2.840.113549.1.1.11"),
    "sha512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512(), "1.2.840.113549.1.1.13"),
}
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"


@dataclass
class Crafted:
    """One signer. ``attributes`` None: none are signed. ``algorithm``: OID that is written."""

    key: rsa.RSAPrivateKey
    certificate: bytes
    content: bytes
    hash: str = "sha256"
    attributes: list[bytes] | None = field(default_factory=list)
    algorithm: str = ""
    named: bytes = b""

    def digest(self) -> bytes:
        """Of the content."""
        return hashlib.new(self.hash, self.content).digest()

    def usual(self) -> list[bytes]:
        """The two attributes that have to be there."""
        return [
            attribute(CONTENT_TYPE, der.oid(DATA)),
            attribute(MESSAGE_DIGEST, der.octet_string(self.digest())),
        ]

    def signer_info(self) -> bytes:
        """The signer, signed."""
        oid, hashed, own = HASHES[self.hash]
        if self.attributes is None:
            signed, shown = self.content, b""
        else:
            body = b"".join(sorted(self.attributes))
            signed, shown = der.tlv(0x31, body), der.tlv(0xA0, body)
        signature = self.key.sign(signed, padding.PKCS1v15(), hashed)
        return der.sequence(
            der.integer(1),
            issuer_and_serial(self.named or self.certificate),
            der.sequence(der.oid(oid), der.NULL),
            shown,
            der.sequence(der.oid(self.algorithm or own), der.NULL),
            der.octet_string(signature),
        )

    def cms(self, *others: bytes, content_type: str = DATA, announced: str = "") -> bytes:
        """A detached SignedData with this signer, and others as they are."""
        return signed_data(
            [self.signer_info(), *others],
            [self.certificate],
            hashes=[announced or self.hash],
            content_type=content_type,
        )


def attribute(kind: str, *values: bytes) -> bytes:
    """One attribute."""
    return der.sequence(der.oid(kind), der.tlv(0x31, b"".join(values)))


def issuer_and_serial(certificate: bytes) -> bytes:
    """What names a certificate."""
    found = load_der_x509_certificate(certificate)
    return der.sequence(found.issuer.public_bytes(), der.integer(found.serial_number))


def signed_data(
    signers: Sequence[bytes],
    certificates: Sequence[bytes],
    *,
    hashes: Sequence[str] = ("sha256",),
    content_type: str = DATA,
    content: bytes | None = None,
) -> bytes:
    """A SignedData around signers that are there already."""
    inside = b"" if content is None else der.explicit(0, der.octet_string(content))
    enclosed = der.tlv(0xA0, b"".join(certificates)) if certificates else b""
    body = der.sequence(
        der.integer(1),
        der.tlv(0x31, b"".join(der.sequence(der.oid(HASHES[n][0]), der.NULL) for n in hashes)),
        der.sequence(der.oid(content_type), inside),
        enclosed,
        der.tlv(0x31, b"".join(signers)),
    )
    return der.sequence(der.oid(SIGNED_DATA), der.explicit(0, body))
