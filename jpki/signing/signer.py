# SPDX-License-Identifier: Apache-2.0
"""The one interface of everything that can sign a digest: card, PKCS#11 token, key file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from jpki.errors import JpkiError
from jpki.signing.algorithms import HashName, Scheme, SignatureAlgorithm


class SigningError(JpkiError):
    """Something that cannot be signed, or not so. Nothing was signed when it is raised."""

    default_code = "signing"


class DigestSigner(Protocol):
    """A key that is ready to sign: whatever PIN it needs was presented.

    ``certificate``: DER of its certificate. ``chain``: DER of CA certificates to enclose,
    nearest first. ``algorithms``: what it can do, the one to prefer first.
    """

    @property
    def certificate(self) -> bytes: ...

    @property
    def chain(self) -> tuple[bytes, ...]: ...

    @property
    def algorithms(self) -> tuple[SignatureAlgorithm, ...]: ...

    def sign_digest(self, algorithm: SignatureAlgorithm, digest: bytes) -> bytes:
        """The signature over ``digest``: RSA as the number in bytes, ECDSA as DER.

        Presents no PIN and never asks. Raises SigningError, CardError.
        """
        ...


def choose_algorithm(
    able: Iterable[SignatureAlgorithm], *, hash_name: HashName | None = None, pss: bool = False
) -> SignatureAlgorithm:
    """The algorithm for a wish, of those a key is ``able`` to do; to be asked before the PIN.

    ``hash_name`` None: the one the key prefers. Raises SigningError ``signing_unable``.
    """
    for algorithm in able:
        fits = hash_name is None or algorithm.hash is hash_name
        if fits and (algorithm.scheme is Scheme.PSS) is pss:
            return algorithm
    wish = "PSS" if pss else "PKCS#1 v1.5 / ECDSA"
    raise SigningError("signing_unable", scheme=wish, hash=hash_name.value if hash_name else "-")


def demand_digest(signer: DigestSigner, algorithm: SignatureAlgorithm, digest: bytes) -> None:
    """Raise unless ``signer`` can sign a digest of that size so."""
    if algorithm not in signer.algorithms:
        raise SigningError(
            "signing_unable", scheme=algorithm.scheme.value, hash=algorithm.hash.value
        )
    if len(digest) != algorithm.hash.size:
        raise ValueError("a digest of another size")
