# SPDX-License-Identifier: Apache-2.0
"""A P-384 key on an emulated card. No card has one yet: what it answers to is our invention."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

DIGEST_SIZE = 48  # bytes of a SHA-384 hash
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA384()))


class EcKey:
    """A private key. ``p1``: of the command that signs; ``form``: ``raw`` (r, s) or ``der``."""

    __slots__ = ("_key", "form", "p1")

    def __init__(self, key: ec.EllipticCurvePrivateKey, p1: int, form: str) -> None:
        self._key = key
        self.p1 = p1
        self.form = form

    def sign(self, digest: bytes) -> bytes:
        """ECDSA over a hash given (48 bytes)."""
        made = self._key.sign(digest, _PREHASHED)
        if self.form == "der":
            return made
        return b"".join(part.to_bytes(48, "big") for part in utils.decode_dss_signature(made))
