# SPDX-License-Identifier: Apache-2.0
"""A PDF about to be signed: what it allows, and which form field takes the signature.

Needs the extra ``pdf``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedValueSpec, enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import read_certification_data

from jpki.signing.pdf import PdfOptions
from jpki.signing.signer import SigningError
from jpki_apdu.errors import Coded

_NEW_FIELD = "Signature"


@contextmanager
def refusing(code: str = "pdf_unreadable") -> Iterator[None]:
    """Turn whatever pyHanko raises over a broken file into a SigningError.

    Our own errors (a card's, a time stamp authority's) pass through. pyHanko has no one root
    for its errors, and a damaged file may raise any other (KeyError, RecursionError).
    """
    try:
        yield
    except Coded:
        raise
    except Exception as exc:
        raise SigningError(code) from exc


def open_document(data: bytes) -> IncrementalPdfFileWriter:
    """``data`` opened for one more update. Raises SigningError, and what ``refusing`` turns."""
    document = IncrementalPdfFileWriter(io.BytesIO(data), strict=True)
    reader = document.prev
    if reader.encrypted:
        raise SigningError("pdf_encrypted")
    if reader.xrefs.hybrid_xrefs_present:
        raise SigningError("pdf_hybrid")
    return document


def demand_signable(
    document: IncrementalPdfFileWriter, options: PdfOptions, *, stamped: bool
) -> None:
    """Raise SigningError unless one more signature is allowed where it is wanted."""
    certified = read_certification_data(document.prev)
    if certified is not None and certified.permission is MDPPerm.NO_CHANGES:
        raise SigningError("pdf_certified")
    name, exists = field_for(document.prev, options)
    if exists:
        _demand_seed(document.prev, name, stamped=stamped)
    elif options.visible is not None:
        demand_page(document, options.visible.page)


def demand_page(document: IncrementalPdfFileWriter, page: int) -> int:
    """The index of a page counted from 1, or from the end if negative."""
    count = int(document.root["/Pages"]["/Count"])
    if page == 0 or not -count <= page <= count:
        raise SigningError("pdf_page", page=page, pages=count)
    return page - 1 if page > 0 else page


def field_for(reader: PdfFileReader, options: PdfOptions) -> tuple[str, bool]:
    """The name of the field to sign, and whether it is in the file already.

    Without a wish: the only empty signature field, or a new one of a free name. Raises
    SigningError ``pdf_field`` for a field that is signed already or is none for signatures.
    """
    empty = [name for name, value, _ in enumerate_sig_fields(reader) if value is None]
    taken = _field_names(reader)
    if options.field_name is not None:
        if options.field_name in empty:
            return options.field_name, True
        if options.field_name in taken or "." in options.field_name or not options.field_name:
            raise SigningError("pdf_field", field=options.field_name)
        return options.field_name, False
    if len(empty) == 1:
        return empty[0], True
    numbered = (f"{_NEW_FIELD}{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken), False


def new_field(document: IncrementalPdfFileWriter, name: str, options: PdfOptions) -> SigFieldSpec:
    """A field for ``name``; it shows only if that was asked for."""
    if options.visible is None:
        return SigFieldSpec(name)
    page = demand_page(document, options.visible.page)
    return SigFieldSpec(name, on_page=page, box=options.visible.box)


def _field_names(reader: PdfFileReader) -> set[str]:
    """Names of the top-level fields of the form, of every type."""
    try:
        fields = reader.root["/AcroForm"]["/Fields"]
    except KeyError:
        return set()
    return {str(field.get_object().get("/T", "")) for field in fields}


def _demand_seed(reader: PdfFileReader, name: str, *, stamped: bool) -> None:
    """What the maker of a form asks of a signature in it has to fit what is wanted."""
    found = next(enumerate_sig_fields(reader, with_name=name))
    try:
        spec = SigSeedValueSpec.from_pdf_object(found[2].get_object()["/SV"])
    except KeyError:
        return
    # The address of a time stamp authority in a file is nobody we would talk to by ourselves.
    if spec.timestamp_required and not stamped:
        raise SigningError("pdf_seed_time_stamp", field=name)
