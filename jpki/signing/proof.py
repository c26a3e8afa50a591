# SPDX-License-Identifier: Apache-2.0
"""Whether a signature over a digest is by a key: the last look before one is given out."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from jpki.certificate.certificate import PublicKey, parse_certificate
from jpki.signing.algorithms import HashName, Scheme, SignatureAlgorithm
from jpki.signing.signer import DigestSigner, SigningError, demand_digest

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    HashName.SHA256: hashes.SHA256(),
    HashName.SHA384: hashes.SHA384(),
    HashName.SHA512: hashes.SHA512(),
    "sha1": hashes.SHA1(),  # noqa: S303  (only ever to look at what is long signed)
}


def signature_fits(
    key: PublicKey, scheme: Scheme, hash_name: str, signature: bytes, digest: bytes
) -> bool:
    """Whether ``key`` made ``signature`` over ``digest``; False for a key of another kind."""
    hashed = HASHES[hash_name]
    prehashed = Prehashed(hashed)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if scheme is not Scheme.ECDSA:
                return False
            key.verify(signature, digest, ec.ECDSA(prehashed))
        elif scheme is Scheme.PKCS1:
            key.verify(signature, digest, padding.PKCS1v15(), prehashed)
        elif scheme is Scheme.PSS:
            salted = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
            key.verify(signature, digest, salted, prehashed)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_and_check(signer: DigestSigner, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
    """One signature, given out only if the signer's certificate verifies it.

    A card that answers with something else (another key, a broken reader) is found here, not
    by whoever gets the document. Raises SigningError ``signing_wrong``, CardError.
    """
    demand_digest(signer, algorithm, digest)
    signature = signer.sign_digest(algorithm, digest)
    key = parse_certificate(signer.certificate).public_key
    if not signature_fits(key, algorithm.scheme, algorithm.hash, signature, digest):
        raise SigningError("signing_wrong")
    return signature


def is_rsa(key: object) -> bool:
    """Whether a public key is an RSA one."""
    return isinstance(key, rsa.RSAPublicKey)
