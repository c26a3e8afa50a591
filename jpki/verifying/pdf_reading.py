# SPDX-License-Identifier: Apache-2.0
"""The signatures in a PDF as pyHanko finds them, and what was done to the file after each.

Facts only, nothing is believed yet. Needs the extra ``pdf``.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from jpki.certificate.der import DerError
from jpki.errors import JpkiError
from jpki.signing.cms_envelope import CmsError, read_envelope

_HEX = re.compile(rb"<[0-9A-Fa-f]*>")
_MAX_SIGNATURES = 256


class PdfReadError(JpkiError):
    """Bytes that are no whole PDF, or one whose signatures cannot be read. ``reason``."""

    default_code = "pdf_form"


class Change(StrEnum):
    """What was done after a signature."""

    NOTHING = "nothing"
    EVIDENCE = "evidence"  # time stamps, validation data
    FORM = "form"  # form fields filled, further signatures
    OTHER = "other"  # anything else: not what was signed


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """One signature of a file, in the order of signing.

    ``field_name``: in full, of the form. ``kind``: ``/Sig`` or ``/DocTimeStamp``.
    ``ranges``: offset and length of the two parts that are signed; empty if they do not
    leave out exactly the signature itself. ``end``: of the second part. ``contents``: the CMS
    with its padding. ``allowed``: False if an earlier certification forbids what came after.
    ``entries``: keys of the signature dictionary. ``time``: /M (aware), or None.
    """

    field_name: str
    kind: str
    subfilter: str
    ranges: tuple[tuple[int, int], ...]
    whole_revision: bool
    end: int
    contents: bytes = field(repr=False)
    change: Change
    allowed: bool
    entries: frozenset[str]
    time: datetime | None


def read_signatures(data: bytes) -> tuple[PdfSignature, ...]:
    """Every signature of the form of a PDF. Raises PdfReadError."""
    try:
        reader = PdfFileReader(io.BytesIO(data), strict=True)
        if reader.encrypted:
            raise PdfReadError(reason="encrypted")
        if reader.xrefs.hybrid_xrefs_present:
            raise PdfReadError(reason="hybrid")
        fields = list(enumerate_sig_fields(reader, filled_status=True))
        if len(fields) > _MAX_SIGNATURES:
            raise PdfReadError(reason="too_many")
        found = [_signature(data, one) for one in reader.embedded_signatures]
        # pyHanko passes over kinds that it does not know; nothing is passed over here.
        names = {one.field_name for one in found}
        return (*found, *(_unread(name, entry) for name, entry, _ in fields if name not in names))
    except JpkiError:
        raise
    except Exception as exc:
        # pyHanko has no one root for its errors; a damaged file may raise any other.
        raise PdfReadError(reason="damaged") from exc


def signed_digests(
    data: bytes, ranges: Iterable[tuple[int, int]], names: Iterable[str]
) -> dict[str, bytes]:
    """Digests of what a signature covers, by name of the hash."""
    found = {}
    for name in names:
        digest = hashlib.new(name, usedforsecurity=False)
        for offset, length in ranges:
            digest.update(memoryview(data)[offset : offset + length])
        found[name] = digest.digest()
    return found


def unpadded(contents: bytes) -> bytes:
    """The CMS in /Contents without the zeros that fill the place kept for it.

    Where it ends only reading tells (BER may leave its length open). Other bytes than zeros
    stay, and are refused as trailing.
    """
    try:
        read_envelope(io.BytesIO(contents), lambda hashes, kind: lambda piece: None)
    except CmsError as error:
        end = error.values.get("offset")
        if error.values.get("reason") == "trailing_bytes" and isinstance(end, int):
            return contents if any(contents[end:]) else contents[:end]
    except DerError:
        pass  # refused when it is judged
    return contents


def _signature(data: bytes, found: EmbeddedPdfSignature) -> PdfSignature:
    contents = bytes(found.pkcs7_content)
    ranges = _ranges(data, found.byte_range, contents)
    entries = found.sig_object
    change, allowed, whole = Change.OTHER, False, False
    if ranges:
        found.compute_integrity_info()
        whole = found.coverage in (
            SignatureCoverageLevel.ENTIRE_FILE,
            SignatureCoverageLevel.ENTIRE_REVISION,
        )
        change = _change(found)
        allowed = bool(found.summarise_integrity_info()["docmdp_ok"])
    return PdfSignature(
        field_name=str(found.field_name),
        kind=str(found.sig_object_type),
        subfilter=str(entries.get("/SubFilter", "")),
        ranges=ranges,
        whole_revision=whole,
        end=sum(ranges[1]) if ranges else 0,
        contents=contents,
        change=change,
        allowed=allowed,
        entries=frozenset(str(key) for key in entries),
        time=_time(entries),
    )


def _unread(name: str, entry: generic.PdfObject) -> PdfSignature:
    """A signature of a kind that is not read at all."""
    entries = entry.get_object()
    if not isinstance(entries, generic.DictionaryObject):
        raise PdfReadError(reason="damaged")
    return PdfSignature(
        field_name=name,
        kind=str(entries.get("/Type", "/Sig")),
        subfilter=str(entries.get("/SubFilter", "")),
        ranges=(),
        whole_revision=False,
        end=0,
        contents=b"",
        change=Change.OTHER,
        allowed=False,
        entries=frozenset(str(key) for key in entries),
        time=None,
    )


def _ranges(
    data: bytes, byte_range: Iterable[object], contents: bytes
) -> tuple[tuple[int, int], ...]:
    """The two signed parts, if what lies between them is the hex of ``contents`` and no more.

    pyHanko takes the size of the gap on trust; a gap that is larger, or elsewhere, hides
    bytes from the signature.
    """
    numbers = [int(str(number)) for number in byte_range]
    if len(numbers) != 4 or min(numbers) < 0 or numbers[0] != 0:
        return ()
    _, first, second, length = numbers
    gap = data[first:second]
    if not first < second or second + length > len(data) or not _HEX.fullmatch(gap):
        return ()
    text = gap[1:-1]
    if bytes.fromhex(text.decode("ascii") + "0" * (len(text) % 2)) != contents:
        return ()
    return (0, first), (second, length)


def _change(found: EmbeddedPdfSignature) -> Change:
    result = found.diff_result
    if not isinstance(result, DiffResult):
        return Change.OTHER
    return {
        ModificationLevel.NONE: Change.NOTHING,
        ModificationLevel.LTA_UPDATES: Change.EVIDENCE,
        ModificationLevel.FORM_FILLING: Change.FORM,
    }.get(result.modification_level, Change.OTHER)


def _time(entries: generic.DictionaryObject) -> datetime | None:
    """/M as an aware time; None without it, or if it cannot be read."""
    try:
        found = generic.parse_pdf_date(str(entries["/M"]), strict=False)
    except (KeyError, ValueError, PdfError):
        return None
    return found if found.tzinfo is not None else None
