# SPDX-License-Identifier: Apache-2.0
"""Which signatures and keys are believed: an allow-list, by the bytes of the identifier.

Today's JPKI is RSA of at least 2048 bit with SHA-256 (公的個人認証法施行規則2条). The next
card is to use P-384 with SHA-384; that is accepted under the test PKI only, until a root
with it is pinned. Source: [CA-DER], [TF2024].
"""

from __future__ import annotations

import functools
import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from jpki.certificate.certificate import Certificate, PublicKey
from jpki.certificate.kinds import Environment

SHA256_RSA: Final = bytes.fromhex("300d06092a864886f70d01010b0500")
SHA384_ECDSA: Final = bytes.fromhex("300a06082a8648ce3d040303")
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192

# Made once: they have no state, and a million signatures a minute would each make them anew.
_PADDING: Final = padding.PKCS1v15()
_SHA256: Final = Prehashed(SHA256())


def algorithm_allowed(identifier: bytes, environment: Environment) -> bool:
    """Whether a signature AlgorithmIdentifier (DER) is on the list."""
    if identifier == SHA256_RSA:
        return True
    return identifier == SHA384_ECDSA and environment is Environment.TEST


def key_allowed(certificate: Certificate, environment: Environment) -> bool:
    """Whether the certificate's key is of a kind and size on the list."""
    if certificate.key_algorithm == "RSA":
        return MIN_RSA_BITS <= certificate.key_size <= MAX_RSA_BITS
    return certificate.key_algorithm == "P-384" and environment is Environment.TEST


def algorithm_not_in_law(identifier: bytes, environment: Environment) -> bool:
    """Whether it is the next card's algorithm where only today's law counts: 施行規則2条."""
    return identifier == SHA384_ECDSA and environment is not Environment.TEST


def key_not_in_law(certificate: Certificate, environment: Environment) -> bool:
    """The same of a certificate's key."""
    return certificate.key_algorithm == "P-384" and environment is not Environment.TEST


def signature_fits(
    key: PublicKey, identifier: bytes, signature: bytes, data: bytes | memoryview
) -> bool:
    """Whether ``signature`` over ``data`` is by ``key`` under the algorithm named.

    False also for an algorithm that is not on the list or does not belong to the key.
    """
    try:
        if identifier == SHA256_RSA and isinstance(key, rsa.RSAPublicKey):
            # Hashed here, so that a view of a large list is not copied.
            digest = hashlib.sha256(data).digest()
            key.verify(signature, digest, _PADDING, _SHA256)
        elif identifier == SHA384_ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
            digest = hashlib.sha384(data).digest()
            key.verify(signature, digest, _ecdsa_sha384())
        else:
            return False
    except InvalidSignature:
        return False
    return True


@functools.cache
def _ecdsa_sha384() -> ec.ECDSA:
    # Not beside the others: making one starts parts of OpenSSL that today's JPKI never needs.
    return ec.ECDSA(Prehashed(SHA384()))
