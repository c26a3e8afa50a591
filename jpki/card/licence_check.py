# SPDX-License-Identifier: Apache-2.0
"""What a マイナ免許証 proves: nothing by itself, and something to who has the signer's key.

WEF03 holds a signature over WEF02 and says who made it, but the certificate of that signer
is neither on the card nor published. So the answer is cannot_tell until somebody brings
the key. Whether filler behind the last field is part of what is signed is not published
either: both ways are tried. Recipe: RSA-2048, PKCS#1 v1.5, SHA-256 over all of WEF02 [NPA v010].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jpki.card.licence_records import LicenceRecord, LicenceSignature
from jpki.verdict import Check, Outcome

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

NAME = "licence_data"


@dataclass(frozen=True, slots=True)
class LicenceEvidence:
    """What was read. ``signature`` None: WEF03 was not read."""

    record: LicenceRecord = field(repr=False)
    signature: LicenceSignature | None = field(default=None, repr=False)

    @property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 (32 bytes) of WEF02 as read and, if filler follows, of its fields alone."""
        forms = dict.fromkeys((self.record.physical, self.record.data))
        return tuple(hashlib.sha256(form).digest() for form in forms)

    def verify_with(self, key: RSAPublicKey) -> Check:
        """Whether the holder of ``key`` signed what was read.

        Valid says no more than that: whose key it is, the caller must know. Without a
        signature to look at, the answer is that of :func:`check_licence`.
        """
        signature = self.signature.signature if self.signature else None
        if signature is None:
            return check_licence(self)[0]
        if any(_fits(key, signature, digest) for digest in self.digests):
            return Check(NAME, Outcome.VALID, "licence_signed_by_given_key")
        return Check(NAME, Outcome.INVALID, "licence_signature_wrong")


def _fits(key: RSAPublicKey, signature: bytes, digest: bytes) -> bool:
    # Imported late: most who read a card have nobody's key.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, digest, PKCS1v15(), Prehashed(SHA256()))
    except InvalidSignature:
        return False
    return True


def check_licence(evidence: LicenceEvidence | None) -> tuple[Check, ...]:
    """The checks of a licence without anybody's key; None: it was not read. Never valid."""
    if evidence is None:
        return (Check(NAME, Outcome.NOT_RUN, "licence_not_read"),)
    if evidence.signature is None:
        return (Check(NAME, Outcome.CANNOT_TELL, "licence_signature_not_read"),)
    if evidence.signature.signature is None:
        return (Check(NAME, Outcome.CANNOT_TELL, "licence_signature_unreadable"),)
    return (Check(NAME, Outcome.CANNOT_TELL, "licence_signer_unknown"),)
