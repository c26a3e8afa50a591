# SPDX-License-Identifier: Apache-2.0
"""One more signer in a CMS that is there: over the same content, beside those before.

What the others wrote stays as it is, byte for byte: their signatures, certificates and lists. The
outside is written anew, and a content that stands inside is copied. Source: [RFC5652 5.1].
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from jpki import _asn1
from jpki.certificate import der
from jpki.errors import InputFileError
from jpki.input_file import pieces
from jpki.signing.algorithms import HashName
from jpki.signing.cms_envelope import (
    ID_DATA,
    CmsError,
    Envelope,
    algorithm_oid,
    read_envelope,
    write_envelope,
)
from jpki.signing.cms_file import open_cms
from jpki.signing.document import CHUNK, Prepared
from jpki.signing.signer import SigningError

_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNED_ATTRIBUTES: Final = 0xA0
_OIDS: Final = {algorithm_oid(_asn1.digest_algorithm(name.value)): name for name in HashName}


@dataclass(frozen=True, slots=True)
class Cosign:
    """Asks for a further signature in a CMS. ``content``: of one that is detached."""

    content: Path | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """What was found in the CMS. ``content``: the file of a detached one, None: it is inside."""

    envelope: Envelope = field(repr=False)
    content: Path | None

    @property
    def signers(self) -> int:
        """How many have signed before (count)."""
        return len(self.envelope.signers)


class _Content:
    """Takes a content in pieces: its size and digests, and a copy of it if wanted."""

    def __init__(self, names: Iterable[HashName], copy_to: BinaryIO | None = None) -> None:
        self.size = 0
        self._found = {name: hashlib.new(name.value) for name in names}
        self._copy_to = copy_to

    def __call__(self, piece: memoryview) -> None:
        self.size += len(piece)
        for digest in self._found.values():
            digest.update(piece)
        if self._copy_to is not None:
            self._copy_to.write(piece)

    @property
    def digests(self) -> dict[HashName, bytes]:
        return {name: digest.digest() for name, digest in self._found.items()}


def prepare(path: Path, wanted: HashName, cosign: Cosign) -> Prepared:
    """Look at the CMS and its content, which has to be what the others signed.

    Raises InputFileError (``content_missing``), CmsError, SigningError.
    """
    content = _Content(())

    def begin(hashes: tuple[str, ...], _: str) -> _Content:
        nonlocal content
        content = _Content({wanted, *(_OIDS[oid] for oid in hashes if oid in _OIDS)})
        return content

    envelope = _read(path, begin)
    if envelope.content_type != ID_DATA:
        raise SigningError("cosign_content_type")
    if not envelope.signers:
        raise CmsError(reason="no_signer", offset=0)
    inside = content.digests if envelope.attached else None
    if cosign.content is not None:
        content = _Content(content.digests)
        for piece in pieces(cosign.content, CHUNK):
            content(piece)
    elif inside is None:
        raise InputFileError(path=str(path), reason="content_missing")
    digests = content.digests
    if inside not in (None, digests) or not _signed_by_all(envelope, digests):
        raise SigningError("cosign_content")
    joined = Joined(envelope, None if envelope.attached else cosign.content)
    return Prepared(path, content.size, wanted, digests[wanted], joined)


def write(
    prepared: Prepared, algorithm: bytes, certificates: Iterable[bytes], signer: bytes,
    out: BinaryIO,
) -> None:  # fmt: skip
    """Write all of it to ``out``, with one more ``signer`` (DER), its digest ``algorithm`` (DER)
    and its ``certificates``. Raises SigningError ``signing_file_changed``."""
    joined = prepared.special
    assert isinstance(joined, Joined)
    envelope = joined.envelope
    known = algorithm_oid(algorithm) in envelope.hashes
    attached = envelope.attached
    write_envelope(
        out,
        version=envelope.version,
        hashes=envelope.algorithms if known else (*envelope.algorithms, algorithm),
        certificates=(*envelope.certificates, *certificates),
        lists=envelope.lists,
        signers=(*envelope.signers, signer),
        size=prepared.size if attached else None,
        content=(lambda out: _copy(prepared, out)) if attached else None,
    )


def _copy(prepared: Prepared, out: BinaryIO) -> None:
    """The content as it was when it was shown."""
    content = _Content([prepared.hash], out)
    _read(prepared.path, lambda hashes, kind: content)
    if (content.size, content.digests[prepared.hash]) != (prepared.size, prepared.digest):
        raise SigningError("signing_file_changed", path=str(prepared.path))


def _read(
    path: Path, begin: Callable[[tuple[str, ...], str], Callable[[memoryview], object]]
) -> Envelope:
    with open_cms(path) as source:
        return read_envelope(source, begin)


def _signed_by_all(envelope: Envelope, digests: Mapping[HashName, bytes]) -> bool:
    """Whether no signer has signed another content, as far as its attributes and hash tell."""
    try:
        stated = [_stated(signer) for signer in envelope.signers]
    except der.DerError as error:
        raise CmsError(reason=error.reason, offset=error.offset) from None
    return all(
        digests[_OIDS[oid]] == digest
        for oid, digest in stated
        if digest is not None and oid in _OIDS and _OIDS[oid] in digests
    )


def _stated(signer: bytes) -> tuple[str, bytes | None]:
    """The hash of a SignerInfo (OID), and the digest that its attributes state."""
    reader = der.whole(signer).reader()
    reader.next(der.INTEGER)
    reader.next()  # whose it is
    oid = algorithm_oid(reader.next(der.SEQUENCE).raw)
    attributes = reader.optional(_SIGNED_ATTRIBUTES)
    for attribute in () if attributes is None else attributes.reader().rest():
        inside = attribute.reader()
        if der.oid(inside.next(der.OBJECT_ID)) == _MESSAGE_DIGEST:
            return oid, der.only(inside.next(der.SET), der.OCTET_STRING).value
    return oid, None
