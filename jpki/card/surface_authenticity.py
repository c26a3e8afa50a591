# SPDX-License-Identifier: Apache-2.0
"""Whether records of the 券面事項確認AP were signed by a municipality.

Unlike in the 券面事項入力補助AP each of its records holds data *and* the application's key
under one signature: after the challenge the person and the card belong together. Recipes:
[MC], grade B. What stands outside the signatures (expiry, image of the security code, offset
table) proves nothing, whatever a card shows there.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from jpki.card.authenticity import CvKeys, VerifiedKey, check_cv_certificate
from jpki.card.cv_certificate import CvCertificate, key_name, signature_fits
from jpki.card.records import RsaNumbers
from jpki.card.surface_records import AgeRecord, FaceRecord, NumberImageRecord
from jpki.verdict import Check, Outcome

PRESENT = "surface_present"

# DigestInfo of SHA-256 around 96 bytes: no library verifies that form, so the block is made
# here and compared.
_DIGEST_INFO_96 = bytes.fromhex("3071300d060960864801650304020105000460")


@dataclass(frozen=True, slots=True)
class SurfaceEvidence:
    """What was read from the 券面事項確認AP. None = not read."""

    cv_certificate: CvCertificate
    face: FaceRecord | None = None
    age: AgeRecord | None = None
    number_image: NumberImageRecord | None = None


@dataclass(frozen=True, slots=True)
class SurfaceResult:
    """``checks``: one for each record that was read, and ``surface_keys`` if there were several.

    ``key``: for the challenge, or None and why. ``binds_person``: the key stands under the
    same verified signature as the face.
    """

    checks: tuple[Check, ...]
    key: VerifiedKey | None
    key_problem: Check | None = None
    binds_person: bool = False


def check_surface(evidence: SurfaceEvidence, ca_keys: CvKeys) -> SurfaceResult:
    """Verify every record that was read: CV chain, then its signature."""
    found: list[tuple[Check, RsaNumbers]] = []
    if (face := evidence.face) is not None:
        fits = segments_fit(evidence.cv_certificate.key, face.signature, face.segments)
        found.append((_check(evidence, ca_keys, "surface_face", fits), face.key))
    for name, record in (
        ("surface_age", evidence.age),
        ("surface_number", evidence.number_image),
    ):
        if record is not None:
            fits = signature_fits(evidence.cv_certificate.key, record.signature, record.signed)
            found.append((_check(evidence, ca_keys, name, fits), record.key))
    return _result([check for check, _ in found], found)


def _check(evidence: SurfaceEvidence, ca_keys: CvKeys, name: str, fits: bool) -> Check:
    certificate = evidence.cv_certificate
    problem = check_cv_certificate(certificate, ca_keys, name)
    if problem is not None:
        return problem
    if not fits:
        return Check(name, Outcome.INVALID, "record_signature_wrong")
    values = {
        "municipality": key_name(certificate.subject),
        "ca": key_name(certificate.issuer),
    }
    return Check(name, Outcome.VALID, "record_genuine", values)


def _result(checks: list[Check], found: list[tuple[Check, RsaNumbers]]) -> SurfaceResult:
    good = [(check, key) for check, key in found if check.outcome is Outcome.VALID]
    if not good:
        wrong = next((c for c in checks if c.outcome is not Outcome.VALID), None)
        code = wrong.code if wrong else "no_verified_key"
        outcome = wrong.outcome if wrong else Outcome.CANNOT_TELL
        problem = Check(PRESENT, outcome, code, wrong.values if wrong else {})
        return SurfaceResult(tuple(checks), None, problem)
    first, key = good[0]
    if len(found) > 1:
        checks = [*checks, _same_key([numbers for _, numbers in found])]
    return SurfaceResult(
        tuple(checks), VerifiedKey(key, "surface"), binds_person=first.name == "surface_face"
    )


def _same_key(keys: Sequence[RsaNumbers]) -> Check:
    """The records of one card name one key [MC], grade B."""
    name = "surface_keys"
    if any(key != keys[0] for key in keys):
        return Check(name, Outcome.INVALID, "surface_keys_differ")
    return Check(name, Outcome.VALID, "surface_keys_agree")


def segments_fit(key: RsaNumbers, signature: bytes, segments: Sequence[bytes]) -> bool:
    """Whether ``signature`` is the one of EF 0002 over its three ``segments``.

    PKCS#1 v1.5 around a DigestInfo whose 96 bytes are the SHA-256 of each segment, one
    after the other. The whole block is compared, so nothing in it is left to a parser.
    """
    size = (key.n.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= key.n:
        return False
    digests = b"".join(hashlib.sha256(segment).digest() for segment in segments)
    info = _DIGEST_INFO_96 + digests
    block = b"\x00\x01" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info
    opened = pow(number, key.e, key.n).to_bytes(size, "big")
    return hmac.compare_digest(opened, block)
