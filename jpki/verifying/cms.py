# SPDX-License-Identifier: Apache-2.0
"""CMS signatures to a verdict: every signer, every check, the content read once.

Source: [RFC5652 5.4-5.6], [RFC5035].
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from jpki.certificate.certificate import Certificate
from jpki.errors import InputFileError
from jpki.input_file import pieces
from jpki.signing.cms_envelope import ID_DATA, CmsError, Envelope, read_envelope
from jpki.signing.cms_file import open_cms
from jpki.signing.document import CHUNK
from jpki.verdict import Check, Outcome
from jpki.verifying.document import DocumentFormat, DocumentVerdict, SignatureVerdict, Wanted
from jpki.verifying.judge import Judge
from jpki.verifying.one_signature import Digests, check_signer
from jpki.verifying.signer_info import HASH_OIDS


def verify_file(wanted: Wanted, judge: Judge) -> DocumentVerdict:
    """The verdict on a CMS file (DER, BER or PEM), attached or detached.

    Raises InputFileError for a file that cannot be read or a detached signature without
    content, CmsError for bytes that are no whole SignedData.
    """
    hashers = _Hashers()
    with open_cms(wanted.path) as source:
        envelope = read_envelope(source, hashers.begin)
    inside = hashers.digests() if envelope.attached else None
    if not envelope.attached and wanted.content is None:
        raise InputFileError(path=str(wanted.path), reason="content_missing")
    outside = None
    if wanted.content is not None:
        outside = digests_of(wanted.content, _names(envelope.hashes))
    checks = _structure(envelope, inside, outside)
    signatures = check_signers(envelope, inside or outside or {}, judge)
    return DocumentVerdict(
        DocumentFormat.CMS, judge.environment.value, judge.legal, signatures, checks
    )


def verify_detached(
    data: bytes, digests: Digests, judge: Judge, *, attributes_required: bool = True, first: int = 1
) -> tuple[SignatureVerdict, ...]:
    """Every signature in a detached CMS over a content of those ``digests``.

    ``digests``: hash name to digest; sha1 only if it may be looked at. For containers such as
    PDF. Raises CmsError, also ``attached`` if a content stands inside.
    """
    envelope = read_envelope(io.BytesIO(data), lambda hashes, kind: lambda piece: None)
    if envelope.attached:
        raise CmsError(reason="attached", offset=0)
    return check_signers(
        envelope, digests, judge, attributes_required=attributes_required, first=first
    )


def check_signers(
    envelope: Envelope,
    digests: Digests,
    judge: Judge,
    *,
    attributes_required: bool = True,
    first: int = 1,
) -> tuple[SignatureVerdict, ...]:
    """Every signer of an envelope. One without any is no signature: CmsError ``no_signer``."""
    if not envelope.signers:
        raise CmsError(reason="no_signer", offset=0)
    certificates: list[Certificate] = judge.find(envelope.certificates)
    announced = {HASH_OIDS.get(oid) for oid in envelope.hashes}
    usable = {name: digest for name, digest in digests.items() if name in announced}
    return tuple(
        check_signer(
            raw,
            number,
            usable,
            certificates,
            judge,
            content_type=envelope.content_type,
            attributes_required=attributes_required,
        )
        for number, raw in enumerate(envelope.signers, first)
    )


def digests_of(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Digests of a file under several hashes, read once. Raises InputFileError."""
    found = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    for piece in pieces(path, CHUNK):
        for digest in found.values():
            digest.update(piece)
    return {name: digest.digest() for name, digest in found.items()}


def _structure(
    envelope: Envelope, inside: Digests | None, outside: Digests | None
) -> tuple[Check, ...]:
    """What is said of the file as a whole."""
    checks: list[Check] = []
    if envelope.content_type != ID_DATA:
        checks.append(Check("content", Outcome.INVALID, "content_type"))
    if inside is not None and outside is not None:
        same = inside == outside
        outcome = Outcome.VALID if same else Outcome.INVALID
        checks.append(Check("content", outcome, "content_same" if same else "content_other"))
    return tuple(checks)


class _Hashers:
    """Takes the content of an envelope into every hash that it announces and we know."""

    def __init__(self) -> None:
        self._found: Mapping[str, hashlib._Hash] = {}

    def begin(self, hashes: tuple[str, ...], kind: str) -> _Hashers:
        self._found = {n: hashlib.new(n, usedforsecurity=False) for n in _names(hashes)}
        return self

    def __call__(self, piece: memoryview) -> None:
        for digest in self._found.values():
            digest.update(piece)

    def digests(self) -> dict[str, bytes]:
        return {name: digest.digest() for name, digest in self._found.items()}


def _names(oids: Iterable[str]) -> list[str]:
    return sorted({HASH_OIDS[oid] for oid in oids if oid in HASH_OIDS})
