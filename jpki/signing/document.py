# SPDX-License-Identifier: Apache-2.0
"""Signs files: looked at before the PIN, signed after it, in the format that was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from jpki.input_file import pieces
from jpki.signing.algorithms import HashName, SignatureAlgorithm
from jpki.signing.signer import DigestSigner

CHUNK: Final = 1 << 18
"""Bytes of a file held at once."""


class SignFormat(StrEnum):
    """What ``--as`` takes."""

    CMS = "cms"
    PDF = "pdf"
    XML = "xml"
    RAW = "raw"


Stamper = Callable[[HashName, bytes], bytes]
"""Gives a time stamp token (DER) over a digest. Raises TimestampError."""


@dataclass(frozen=True, slots=True)
class SigningOptions:
    """How to sign. ``signing_time``: aware, claimed by the signer. ``stamper``: None = no stamp.

    ``detached``: leave the content out of a CMS. ``require_timestamp``: no stamp, no signature;
    otherwise a file is signed without one, and the result says so. ``root``: whether a CMS
    encloses the root too. ``special``: what only one format knows (PdfOptions, XmlOptions), or
    None.
    """

    algorithm: SignatureAlgorithm
    signing_time: datetime
    detached: bool = False
    stamper: Stamper | None = field(default=None, repr=False)
    require_timestamp: bool = False
    root: bool = True
    special: object | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that was looked at and can be signed. ``size``: bytes. ``digest``: of the file.

    ``special``: what the format found when it looked, for its own later use.
    """

    path: Path
    size: int
    hash: HashName
    digest: bytes
    special: object | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """What a signature turned out to be. ``stamped_at``: time of its time stamp, or None.

    ``stamp_fault``: code of why there is no stamp although one was wanted.
    """

    stamped_at: datetime | None = None
    stamp_fault: str | None = None


class FormatModule(Protocol):
    """What ``jpki.signing.cms``, ``pdf``, ``xml`` and ``raw`` each have at their top."""

    def prepare(self, path: Path, options: SigningOptions) -> Prepared:
        """Look at a file before any PIN is asked for. Raises InputFileError, SigningError."""
        ...

    def write(
        self,
        prepared: Prepared,
        signer: DigestSigner,
        options: SigningOptions,
        out: BinaryIO,
    ) -> Made:
        """Sign, one digest once, and write the whole signed file to ``out``.

        ``out`` is a new file beside the target; it goes away if this raises.
        """
        ...


_MODULES: Final = {
    SignFormat.CMS: "jpki.signing.cms",
    SignFormat.PDF: "jpki.signing.pdf",
    SignFormat.XML: "jpki.signing.xml",
    SignFormat.RAW: "jpki.signing.raw",
}


def format_module(wanted: SignFormat) -> FormatModule:
    """The module of a format. Raises MissingExtraError if its library is not installed."""
    return cast(FormatModule, import_module(_MODULES[wanted]))


def hash_file(path: Path, name: HashName, *, copy_to: BinaryIO | None = None) -> tuple[int, bytes]:
    """Size (bytes) and digest of a file; ``copy_to`` gets its content.

    Raises InputFileError for ``path``, OSError for ``copy_to``.
    """
    digest, size = hashlib.new(name.value), 0
    for piece in pieces(path, CHUNK):
        digest.update(piece)
        size += len(piece)
        if copy_to is not None:
            copy_to.write(piece)
    return size, digest.digest()


def prepare_file(path: Path, options: SigningOptions) -> Prepared:
    """Size and digest, for formats that take any file."""
    size, digest = hash_file(path, options.algorithm.hash)
    return Prepared(path, size, options.algorithm.hash, digest)
