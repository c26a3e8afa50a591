# SPDX-License-Identifier: Apache-2.0
"""Certificates, CRLs and OCSP answers from files and folders. Bytes only; others judge them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from jpki.certificate.files import load_certificates, load_crls
from jpki.certificate.kinds import Environment
from jpki.errors import (
    CertificateError,
    InputFileError,
    IssuedDocumentError,
    RevocationDataError,
)
from jpki.input_file import read_limited
from jpki.verifying.issued import MAX_TOKEN, IssuerKey, parse_issuer_key

MAX_CERTIFICATE_FILE = 16 * 1024 * 1024
MAX_REVOCATION_FILE = 512 * 1024 * 1024


def read_certificates(paths: Iterable[Path | str]) -> tuple[bytes, ...]:
    """DER of every certificate in ``paths`` (PEM or DER files, folders of them, in order).

    Raises InputFileError naming the file that cannot be read or holds none.
    """
    return tuple(_all(paths, load_certificates, MAX_CERTIFICATE_FILE))


def read_crls(paths: Iterable[Path | str]) -> tuple[bytes, ...]:
    """DER of every CRL in ``paths``. Raises InputFileError."""
    return tuple(_all(paths, load_crls, MAX_REVOCATION_FILE))


def read_ocsp(paths: Iterable[Path | str]) -> tuple[bytes, ...]:
    """OCSP answers (DER, one a file) in ``paths``. Raises InputFileError."""
    return tuple(_all(paths, _one_der, MAX_CERTIFICATE_FILE))


def read_issuers(paths: Iterable[Path], environment: Environment) -> tuple[IssuerKey, ...]:
    """Keys of issuers of documents (JWK, one a file). Raises InputFileError."""
    keys = []
    for path in paths:
        try:
            keys.append(parse_issuer_key(read_file(path, MAX_TOKEN), environment))
        except IssuedDocumentError as exc:
            raise InputFileError(path=str(path), reason=str(exc.values["reason"])) from exc
    return tuple(keys)


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes. Raises InputFileError."""
    data = read_limited(path, limit)
    if not data:
        raise InputFileError(path=str(path), reason="empty")
    return data


def _one_der(data: bytes) -> list[bytes]:
    if data[:1] != b"\x30":
        raise RevocationDataError(reason="not_der", source="ocsp")
    return [data]


def _all(
    paths: Iterable[Path | str], load: Callable[[bytes], list[bytes]], limit: int
) -> Iterator[bytes]:
    for path in _files(paths):
        try:
            yield from load(read_file(path, limit))
        except (CertificateError, RevocationDataError) as exc:
            raise InputFileError(path=str(path), reason=str(exc.values["reason"])) from exc


def _files(paths: Iterable[Path | str]) -> Iterator[Path]:
    """Files as named; of a folder its visible files, by name, not its sub-folders."""
    for name in paths:
        path = Path(name)
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
        except OSError as exc:
            raise InputFileError(path=str(path), reason="unreadable") from exc
        if path.is_dir():
            inside = [p for p in inside if p.is_file() and not p.name.startswith(".")]
        yield from inside
