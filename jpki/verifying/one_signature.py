# SPDX-License-Identifier: Apache-2.0
"""One CMS signature: content, attributes, key, certificate, time, each with its own answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from jpki.certificate import der
from jpki.certificate.certificate import Certificate
from jpki.errors import CertificateError
from jpki.signing.proof import HASHES, signature_fits
from jpki.validation.times import rfc3339
from jpki.verdict import Check, Outcome, Verdict
from jpki.verifying.document import SignatureVerdict
from jpki.verifying.judge import Judge
from jpki.verifying.signer_info import (
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    TIME_STAMP,
    SignerInfo,
    names_certificate,
    read_signer_info,
    signing_time,
)
from jpki.verifying.timestamp import StampFinding, check_stamp, stamp_check

Digests = Mapping[str, bytes]
"""Hash name to digest of the content."""

_SLACK: Final = timedelta(minutes=5)  # between the clocks of signer and authority


def check_signer(
    raw: bytes,
    number: int,
    digests: Digests,
    certificates: Sequence[Certificate],
    judge: Judge,
    *,
    content_type: str,
    attributes_required: bool,
) -> SignatureVerdict:
    """The verdict on one SignerInfo (DER). Never raises for what it holds."""
    try:
        info = read_signer_info(raw)
        return _OneSigner(info, number, digests, certificates, judge).run(
            content_type, attributes_required
        )
    except der.DerError as error:
        check = Check("signature", Outcome.INVALID, "signer_info_form", {"reason": error.reason})
        return SignatureVerdict(number, (check,))


@dataclass(slots=True)
class _OneSigner:
    info: SignerInfo
    number: int
    digests: Digests
    certificates: Sequence[Certificate]
    judge: Judge
    checks: list[Check] = field(default_factory=list)

    def run(self, content_type: str, attributes_required: bool) -> SignatureVerdict:
        info = self.info
        claimed = signing_time(info)
        self.checks.append(self._integrity(content_type, attributes_required))
        found = self._certificate()
        subject: dict[str, object] = {
            "algorithm": f"{info.scheme.value if info.scheme else '?'}-{info.hash or '?'}",
            "signing_time": rfc3339(claimed) if claimed else None,
            "stamped_at": None,
        }
        if found is None:
            self.checks.append(Check("signature", Outcome.NOT_RUN, "certificate_first"))
            missing = Check("signer", Outcome.CANNOT_TELL, "signer_certificate_missing")
            self.checks.append(missing)
            return SignatureVerdict(self.number, tuple(self.checks), subject)
        self.checks += [self._signature(found), self._signer(found)]
        stamp = self._stamp()
        verdict, time = self._judged(found, claimed, stamp)
        self.checks += [*verdict.checks, time]
        stamped = rfc3339(stamp.time) if stamp and stamp.time else None
        subject = {**verdict.subject, **subject, "stamped_at": stamped}
        return SignatureVerdict(self.number, tuple(self.checks), subject, found.der)

    def _integrity(self, content_type: str, attributes_required: bool) -> Check:
        """Whether the content is the one whose digest was signed."""
        info, name = self.info, "integrity"
        if info.hash is None or (info.hash == "sha1" and not self.judge.history):
            code = "hash_not_known" if info.hash is None else "hash_sha1"
            return Check(name, Outcome.INVALID, code)
        digest = self.digests.get(info.hash)
        if digest is None:
            return Check(name, Outcome.INVALID, "hash_not_announced")
        if info.signed is None:
            if attributes_required:
                # Without them signed attributes can be passed off as a content [RFC5652 5.4].
                return Check(name, Outcome.INVALID, "attributes_missing")
            return Check(name, Outcome.VALID, "content_signed", {"hash": info.hash})
        kind, signed = info.one(CONTENT_TYPE), info.one(MESSAGE_DIGEST)
        if kind is None or signed is None or signed.tag != der.OCTET_STRING:
            return Check(name, Outcome.INVALID, "attributes_missing")
        if der.oid(kind) != content_type:
            return Check(name, Outcome.INVALID, "content_type")
        if signed.value != digest:
            return Check(name, Outcome.INVALID, "content_changed")
        return Check(name, Outcome.VALID, "content_signed", {"hash": info.hash})

    def _certificate(self) -> Certificate | None:
        """The signer's certificate; of several that are named so, one whose key fits."""
        named = [one for one in self.certificates if self.info.names(one)]
        return next((one for one in named if self._fits(one)), named[0] if named else None)

    def _fits(self, certificate: Certificate) -> bool:
        info = self.info
        if info.scheme is None or info.hash is None:
            return False
        if info.signed is None:
            digest = self.digests.get(info.hash, b"")
        else:
            digest = _hashed(info.hash, info.signed)
        try:
            key = certificate.public_key
        except CertificateError:
            return False
        return len(digest) == HASHES[info.hash].digest_size and signature_fits(
            key, info.scheme, info.hash, info.signature, digest
        )

    def _signature(self, certificate: Certificate) -> Check:
        name = "signature"
        if self.info.scheme is None:
            return Check(name, Outcome.INVALID, "scheme_not_known")
        if self.info.hash is None or (self.info.hash == "sha1" and not self.judge.history):
            return Check(name, Outcome.INVALID, "hash_sha1" if self.info.hash else "hash_not_known")
        if not self._fits(certificate):
            return Check(name, Outcome.INVALID, "signature_not_by_key")
        values = {"scheme": self.info.scheme.value, "hash": self.info.hash}
        return Check(name, Outcome.VALID, "signature_good", values)

    def _signer(self, certificate: Certificate) -> Check:
        """Whether the signature itself says which certificate it belongs to."""
        bound = names_certificate(self.info, certificate)
        if bound is None:
            return Check("signer", Outcome.NOT_RUN, "signer_unbound")
        if bound:
            return Check("signer", Outcome.VALID, "signer_bound")
        return Check("signer", Outcome.INVALID, "signer_other")

    def _judged(
        self, certificate: Certificate, claimed: datetime | None, stamp: StampFinding | None
    ) -> tuple[Verdict, Check]:
        """The certificate as of the time of the signature, and what that time rests on.

        A stamp of an authority of which it is not known whether it was in force counts for
        nothing. If the signature is good without it, that is all; if only with it, nobody can
        tell.
        """
        time, at = _time(claimed, stamp), None if stamp is None else stamp.time
        if stamp is None or at is None or not stamp.trusted:
            return self._verdict(certificate, None), time
        status, then = self.judge.stamp_status(stamp.path, at), self._verdict(certificate, at)
        if status.outcome in (Outcome.VALID, Outcome.NOT_RUN) or time.outcome is Outcome.INVALID:
            return then, time
        plain = self._verdict(certificate, None)
        decisive = then.outcome is Outcome.VALID and plain.outcome is not Outcome.VALID
        unknown = status.outcome is Outcome.CANNOT_TELL
        judged = then if decisive and unknown else plain
        return judged, stamp_check(status, time, decisive=decisive)

    def _verdict(self, certificate: Certificate, at: datetime | None) -> Verdict:
        chain = [one.der for one in self.certificates]
        return self.judge.certificate(certificate.der, chain=chain, at=at)

    def _stamp(self) -> StampFinding | None:
        tokens = self.info.unsigned.get(TIME_STAMP)
        if tokens is None:
            return None
        found = check_stamp(tokens[0], self.info.signature, self.judge.tsa)
        if found.trusted and found.time is not None and found.time > self.judge.now + _SLACK:
            return StampFinding(found.time, "stamp_later")
        return found


def _hashed(name: str, data: bytes) -> bytes:
    import hashlib

    return hashlib.new(name, data, usedforsecurity=False).digest()


def _time(claimed: datetime | None, stamp: StampFinding | None) -> Check:
    """The signing time: claimed by the signer, or shown by an authority."""
    name = "time"
    values: dict[str, object] = {"claimed": rfc3339(claimed) if claimed else "-"}
    if stamp is None:
        code = "time_claimed" if claimed else "time_unknown"
        return Check(name, Outcome.NOT_RUN, code, values)
    if stamp.fault is not None:
        return Check(name, Outcome.INVALID, stamp.fault)
    assert stamp.time is not None
    values["stamped"] = rfc3339(stamp.time)
    if not stamp.trusted:
        return Check(name, Outcome.NOT_RUN, "stamp_authority_unknown", values)
    if claimed is not None and claimed > stamp.time + _SLACK:
        return Check(name, Outcome.INVALID, "time_after_stamp", values)
    return Check(name, Outcome.VALID, "time_stamped", values)
