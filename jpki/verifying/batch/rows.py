# SPDX-License-Identifier: Apache-2.0
"""One row: a certificate, a signature with its signer's certificate, or both, to a verdict."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from jpki.certificate.certificate import PublicKey, load_key
from jpki.certificate.files import load_certificates
from jpki.certificate.frame import public_key_info
from jpki.errors import CertificateError
from jpki.validation.validator import Validator
from jpki.verdict import Check, Headline, Outcome, Verdict

COLUMNS: Final = ("certificate", "signer", "signature", "message", "digest", "time")
# Beside them, from our own readers: why a row could not even be read (a code, else None).
FAULT: Final = "fault"
# Signers remembered, each with its key (about 10 kB); in a national batch they are all new.
MAX_SIGNERS: Final = 4096

_FITS: Final = Check("signature", Outcome.VALID, "signature_good")
_FORGED: Final = Check("signature", Outcome.INVALID, "signature_wrong")
_PADDING: Final = padding.PKCS1v15()
_SHA256: Final = SHA256()
_SHA256_DIGEST: Final = Prehashed(_SHA256)
_ECDSA: Final = ec.ECDSA(SHA384())
_ECDSA_DIGEST: Final = ec.ECDSA(Prehashed(SHA384()))


class RowVerdict(NamedTuple):
    """``check`` and ``code``: the first check that decided; empty for a valid row."""

    outcome: Outcome
    check: str
    code: str
    genuine: Headline
    in_force: Headline


class RowError(Exception):
    """A row that cannot be understood; ``code`` is the reason."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class _Signer:
    """A certificate as judged at one time; its key is loaded when a signature asks for it."""

    __slots__ = ("_der", "_key", "_verdict", "alone", "forged", "signed")

    def __init__(self, der: bytes, verdict: Verdict) -> None:
        self._der = der
        self._key: PublicKey | None = None
        self._verdict = verdict
        self.alone = self.signed = self.forged = summary(verdict.checks, verdict)

    def key(self) -> PublicKey | None:
        """None where the certificate is no good: then no signature under it can be."""
        if self._key is None and self.alone.outcome != Outcome.INVALID:
            self._key = load_key(public_key_info(self._der))
            checks = self._verdict.checks
            self.signed = summary((*checks, _FITS), self._verdict)
            self.forged = summary((*checks, _FORGED), self._verdict)
        return self._key


class RowVerifier:
    """Judges rows. Keeps the signers it has met, so that one of a million rows costs one signature.

    ``signers``: DER certificates by name. Safe to use from several threads.
    """

    def __init__(self, validator: Validator, signers: Mapping[str, bytes] | None = None) -> None:
        self._validator = validator
        self._named = signers or {}
        self._known: dict[tuple[object, datetime | None], _Signer] = {}

    def verify(self, columns: Mapping[str, Sequence[object]], count: int) -> list[RowVerdict]:
        """A verdict for each of ``count`` rows, in order. A column that is not there counts as
        empty; bytes may be base64 text, times RFC 3339 text. Never raises for what rows hold."""
        given: Iterable[Sequence[object] | itertools.repeat[None]] = [
            columns.get(name) or itertools.repeat(None, count) for name in (*COLUMNS, FAULT)
        ]
        return [self._row(*row) for row in zip(*given, strict=True)]

    def _row(
        self,
        certificate: object,
        signer: object,
        signature: object,
        message: object,
        digest: object,
        time: object,
        fault: object,
    ) -> RowVerdict:
        try:
            if fault is not None:
                return refused(str(fault))
            at = None if time is None or time == "" else _moment(time)
            name = _name(signer) or octets(certificate, "certificate")
            known = self._known.get((name, at)) or self._meet(name, at)
            signature = octets(signature, "signature")
            message, digest = octets(message, "message"), octets(digest, "digest")
            if signature is None and message is None and digest is None:
                return known.alone
            return _signed(known, signature, message, digest)
        except RowError as error:
            return refused(error.code)

    def _meet(self, name: str | bytes | None, at: datetime | None) -> _Signer:
        """Judge a certificate, or a signer's by its name. Raises RowError."""
        if name is None:
            raise RowError("record_incomplete")
        der = name if isinstance(name, bytes) else self._named.get(name)
        if der is None:
            raise RowError("record_signer_unknown")
        der = _armour_off(der)
        found = _Signer(der, self._validator.validate(der, at=at))
        if len(self._known) >= MAX_SIGNERS:
            self._known.clear()
        self._known[name, at] = found
        return found


def refused(code: str) -> RowVerdict:
    """The verdict on a row that says nothing that could be checked."""
    return RowVerdict(Outcome.INVALID, "record", code, Headline.NOT_RUN, Headline.NOT_RUN)


def octets(value: object, column: str) -> bytes | None:
    """Bytes of a field: as they are, or from base64 (the certificate also PEM). None where it
    is empty. Raises RowError."""
    if isinstance(value, bytes):
        return value or None
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RowError(f"record_bad_{column}")
    if value.startswith("-----BEGIN"):
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise RowError(f"record_bad_{column}") from None


def _name(signer: object) -> str | None:
    if signer is None or isinstance(signer, str):
        return signer
    if isinstance(signer, int):
        return str(signer)
    raise RowError("record_signer_unknown")


def _moment(value: object) -> datetime:
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        # A time without its zone could be any of 24 hours.
        if at.tzinfo is not None:
            return at
    except ValueError:
        pass
    raise RowError("record_bad_time")


def _armour_off(data: bytes) -> bytes:
    if not data.startswith(b"-----BEGIN"):
        return data
    try:
        return load_certificates(data)[0]
    except CertificateError:
        raise RowError("record_bad_certificate") from None


def _signed(
    known: _Signer, signature: bytes | None, message: bytes | None, digest: bytes | None
) -> RowVerdict:
    """The verdict on a signature by ``known`` over the message, or over its digest."""
    if signature is None or (message is None) == (digest is None):
        raise RowError("record_incomplete")
    key = known.key()
    if key is None:
        return known.alone
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if digest is None:
                assert message is not None
                key.verify(signature, message, _ECDSA)
            else:
                key.verify(signature, _sized(digest, 48), _ECDSA_DIGEST)
        elif digest is None:
            assert message is not None
            key.verify(signature, message, _PADDING, _SHA256)
        else:
            key.verify(signature, _sized(digest, 32), _PADDING, _SHA256_DIGEST)
    except InvalidSignature:
        return known.forged
    return known.signed


def _sized(digest: bytes, size: int) -> bytes:
    if len(digest) != size:
        raise RowError("record_bad_digest")
    return digest


def summary(checks: tuple[Check, ...], verdict: Verdict) -> RowVerdict:
    """Checks in one row: the worst outcome and the first check that has it. ``genuine`` and
    ``in_force`` are the certificate's."""
    genuine, in_force = verdict.genuine or Headline.NOT_RUN, verdict.in_force or Headline.NOT_RUN
    for worst in (Outcome.INVALID, Outcome.CANNOT_TELL):
        for check in checks:
            if check.outcome is worst:
                return RowVerdict(worst, check.name, check.code, genuine, in_force)
    return RowVerdict(Outcome.VALID, "", "", genuine, in_force)
