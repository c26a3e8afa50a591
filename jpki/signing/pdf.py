# SPDX-License-Identifier: Apache-2.0
"""PDF signatures: as 登記・供託オンライン takes them, and PAdES. pyHanko does the PDF.

What is in the file stays: a signature is an incremental update, so form fields and earlier
signatures are kept byte for byte. Long-term forms (B-LT) are refused: the revocation data
they enclose may not be handed on (公的個人認証法52条).
"""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from jpki.errors import MissingExtraError, NotPermittedError
from jpki.input_file import read_limited
from jpki.signing.document import Made, Prepared, SigningOptions
from jpki.signing.signer import DigestSigner, SigningError

EXTRA = "pdf"
MAX_FILE = 256 * 1024 * 1024
"""Bytes of a PDF that is signed: it is held in memory."""


class PdfProfile(StrEnum):
    """What kind of PDF signature. MOJ is the only one 登記・供託 takes [MOJ]."""

    MOJ = "moj"  # adbe.pkcs7.detached
    PADES_B = "pades-b"
    PADES_T = "pades-t"
    PADES_LT = "pades-lt"  # always refused


@dataclass(frozen=True, slots=True)
class VisibleSignature:
    """Where a signature shows on the page, and what it says.

    ``page``: from 1; negative from the end. ``box``: left, bottom, right, top in points
    (1/72 inch) from the lower left corner. ``text``: ``{name}`` is the name given in
    :class:`PdfOptions`, ``{time}`` the time of signing. ``font``: a TrueType file; None =
    IPAex Gothic as Debian installs it.
    """

    page: int = 1
    box: tuple[int, int, int, int] = (340, 40, 560, 100)
    text: str = "{name}\n{time}"
    font: Path | None = None


@dataclass(frozen=True, slots=True)
class PdfOptions:
    """What only a PDF knows; ``special`` of SigningOptions.

    ``field_name``: of the form field; None = the only empty signature field, or a new one.
    ``name``, ``reason``, ``location``: shown by readers; ``name`` becomes /Name, and None
    takes the holder's from the certificate.
    """

    profile: PdfProfile = PdfProfile.MOJ
    field_name: str | None = None
    name: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)
    location: str | None = field(default=None, repr=False)
    visible: VisibleSignature | None = None


def demand_extra() -> None:
    """Raise MissingExtraError unless PDF can be signed and read; loads nothing."""
    if importlib.util.find_spec("pyhanko") is None:
        raise MissingExtraError(extra=EXTRA)


def prepare(path: Path, options: SigningOptions) -> Prepared:
    """Look at a PDF before any PIN: whether it can be read, and one more signature be added."""
    data = read_limited(path, MAX_FILE)
    check_pdf(data, options)
    hash_name = options.algorithm.hash
    return Prepared(path, len(data), hash_name, hash_name.digest(data))


def write(prepared: Prepared, signer: DigestSigner, options: SigningOptions, out: BinaryIO) -> Made:
    """Write the signed PDF to ``out``. Raises SigningError if the file is no longer the same."""
    data = read_limited(prepared.path, MAX_FILE)
    if prepared.hash.digest(data) != prepared.digest:
        raise SigningError("signing_file_changed", path=str(prepared.path))
    signed, made = sign_pdf(data, signer, options)
    out.write(signed)
    return made


def check_pdf(data: bytes, options: SigningOptions) -> None:
    """Refuse what could not be signed so.

    Raises MissingExtraError, NotPermittedError (52条), SigningError (``pdf_unreadable``,
    ``pdf_encrypted``, ``pdf_certified``, ``pdf_field``, ``pdf_page``, ``pdf_needs_tsa`` …),
    ConfigurationError without a font.
    """
    demand_extra()
    wanted = pdf_options(options)
    if wanted.profile is PdfProfile.PADES_LT:
        raise NotPermittedError(rule="revocation_data_in_pdf", article="公的個人認証法52条")
    if wanted.profile is PdfProfile.PADES_T and options.stamper is None:
        raise SigningError("pdf_needs_tsa")
    from jpki.signing import pdf_document

    with pdf_document.refusing():
        document = pdf_document.open_document(data)
        pdf_document.demand_signable(document, wanted, stamped=options.stamper is not None)
    if wanted.visible is not None:
        from jpki.signing.pdf_stamp import find_font

        find_font(wanted.visible.font)


def sign_pdf(data: bytes, signer: DigestSigner, options: SigningOptions) -> tuple[bytes, Made]:
    """``data`` with one more signature, made with one digest given to ``signer``.

    Runs an event loop of its own. Raises as ``check_pdf``, and what ``signer`` and the
    stamper raise.
    """
    check_pdf(data, options)
    from jpki.signing import pdf_document, pdf_signer

    with pdf_document.refusing():
        document = pdf_document.open_document(data)
        return asyncio.run(pdf_signer.signed(document, signer, options))


def pdf_options(options: SigningOptions) -> PdfOptions:
    """What was asked of the PDF, or the defaults."""
    return options.special if isinstance(options.special, PdfOptions) else PdfOptions()
