# SPDX-License-Identifier: Apache-2.0
"""One row: a certificate, a signature with its signer's certificate, or both, to a verdict."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from jpki.certificate.certificate import load_key
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
# How a key signs a message, and its digest of so many octets.
_RSA: Final = (
    (padding.PKCS1v15(), SHA256()),
    (padding.PKCS1v15(), Prehashed(SHA256())),
    32,
)
_EC: Final = ((ec.ECDSA(SHA384()),), (ec.ECDSA(Prehashed(SHA384())),), 48)


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

    def __init__(self, der: bytes, verdict: Verdict) -> None:
        self._der = der
        self._verdict = verdict
        self._verify: Callable[..., None] | None = None
        self._arguments: tuple[tuple[Any, ...], tuple[Any, ...], int] = _RSA
        self.alone = self._signed = self._forged = summary(verdict.checks, verdict)

    def judge(self, signature: bytes, message: bytes | None, digest: bytes | None) -> RowVerdict:
        """The verdict on a signature over the message, or over its digest. Raises RowError."""
        verify = self._verify
        if verify is None:
            # Under a certificate that is no good no signature can be: its key is left alone.
            if self.alone.outcome is Outcome.INVALID:
                return self.alone
            verify = self._load()
        of_message, of_digest, size = self._arguments
        if digest is not None and len(digest) != size:
            raise RowError("record_bad_digest")
        try:
            if digest is None:
                verify(signature, message, *of_message)
            else:
                verify(signature, digest, *of_digest)
        except InvalidSignature:
            return self._forged
        return self._signed

    def _load(self) -> Callable[..., None]:
        key = load_key(public_key_info(self._der))
        checks = self._verdict.checks
        self._arguments = _EC if isinstance(key, ec.EllipticCurvePublicKey) else _RSA
        self._signed = summary((*checks, _FITS), self._verdict)
        self._forged = summary((*checks, _FORGED), self._verdict)
        self._verify = key.verify
        return key.verify


class RowVerifier:
    """Judges rows. Keeps the signers it has met, so that one of a million rows costs one signature.

    ``signers``: DER certificates by name. Safe to use from several threads.
    """

    def __init__(self, validator: Validator, signers: Mapping[str, bytes] | None = None) -> None:
        self._validator = validator
        self._named = signers or {}
        self._known: dict[tuple[str | bytes | None, datetime | None], _Signer] = {}

    def verify(self, columns: Mapping[str, Sequence[object]], count: int) -> list[RowVerdict]:
        """A verdict for each of ``count`` rows, in order. A column that is not there counts as
        empty; bytes may be base64 text, times RFC 3339 text. Never raises for what rows hold."""
        rows = _Rows(columns, count)
        found: list[RowVerdict] = []
        known = self._known
        for name, at, signature, message, digest, fault in rows:
            try:
                if fault is not None:
                    raise RowError(fault)
                signer = known.get((name, at)) or self._meet(name, at)
                if signature is None and message is None and digest is None:
                    found.append(signer.alone)
                elif signature is None or (message is None) == (digest is None):
                    raise RowError("record_incomplete")
                else:
                    found.append(signer.judge(signature, message, digest))
            except RowError as error:
                found.append(_refused(error.code))
        return found

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


class _Rows:
    """Columns made ready: bytes are bytes, and a row with a field that cannot be has its fault.

    Column by column, because most of them need nothing done, and a look at types is quick.
    """

    def __init__(self, columns: Mapping[str, Sequence[object]], count: int) -> None:
        self._count = count
        given = columns.get(FAULT)
        self._faults: list[Any] = [None] * count if given is None else list(given)
        certificates = self._made(columns.get("certificate"), "certificate", (bytes,), octets)
        names = self._made(columns.get("signer"), "signer", (str,), _name)
        self._names = [name or der for name, der in zip(names, certificates, strict=True)]
        self._times = self._made(columns.get("time"), "time", (), _moment)
        self._bytes = [
            self._made(columns.get(name), name, (bytes,), octets)
            for name in ("signature", "message", "digest")
        ]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(self._names, self._times, *self._bytes, self._faults, strict=True)

    def _made(
        self,
        values: Sequence[object] | None,
        column: str,
        ready: tuple[type, ...],
        make: Callable[[Any], object],
    ) -> list[Any]:
        if values is None:
            return [None] * self._count
        if set(map(type, values)) <= {*ready, NoneType}:
            return [value or None for value in values]
        made: list[Any] = []
        for row, value in enumerate(values):
            try:
                made.append(None if value is None or value == "" else make(value))
            except (TypeError, ValueError, OverflowError):
                made.append(None)
                self._faults[row] = self._faults[row] or f"record_bad_{column}"
        return made


def octets(value: object) -> bytes:
    """Bytes as they are, from base64 or, of a certificate, in PEM. Raises ValueError."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise TypeError
    if value.startswith("-----BEGIN"):
        return value.encode()
    return base64.b64decode(value, validate=True)


def _name(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    return str(value)


def _moment(value: object) -> datetime:
    """A time; one without its zone could be any of 24 hours. Raises ValueError."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if at.tzinfo is None:
        raise ValueError
    return at


def _armour_off(data: bytes) -> bytes:
    if not data.startswith(b"-----BEGIN"):
        return data
    try:
        return load_certificates(data)[0]
    except CertificateError:
        raise RowError("record_bad_certificate") from None


def _refused(code: str) -> RowVerdict:
    """The verdict on a row that says nothing that could be checked."""
    return RowVerdict(Outcome.INVALID, "record", code, Headline.NOT_RUN, Headline.NOT_RUN)


def summary(checks: tuple[Check, ...], verdict: Verdict) -> RowVerdict:
    """Checks in one row: the worst outcome and the first check that has it. ``genuine`` and
    ``in_force`` are the certificate's."""
    genuine, in_force = verdict.genuine or Headline.NOT_RUN, verdict.in_force or Headline.NOT_RUN
    for worst in (Outcome.INVALID, Outcome.CANNOT_TELL):
        for check in checks:
            if check.outcome is worst:
                return RowVerdict(worst, check.name, check.code, genuine, in_force)
    return RowVerdict(Outcome.VALID, "", "", genuine, in_force)
