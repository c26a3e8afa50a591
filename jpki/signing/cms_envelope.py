# SPDX-License-Identifier: Apache-2.0
"""The outside of a CMS SignedData, streamed both ways: the content is never held whole.

Written as DER. Read as BER as far as others write it: indefinite lengths around the content
and around the lists, content in pieces. Everything inside a list has to be DER.
Source: [RFC5652 5], [X.690 8.1.3].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from jpki.certificate import der
from jpki.errors import JpkiError

ID_DATA: Final = "1.2.840.113549.1.7.1"
_SIGNED_DATA: Final = bytes.fromhex("06092a864886f70d010702")
_CHUNK: Final = 1 << 18
_MAX_LISTS: Final = 1 << 24  # bytes of all certificates, lists and signers together
_MAX_ITEMS: Final = 1024  # signers, certificates
_MAX_PIECES: Final = 8  # depth of content in pieces of pieces
_EXPLICIT, _CRLS, _CONSTRUCTED = 0xA0, 0xA1, 0x24


class CmsError(JpkiError):
    """Bytes that are not a CMS SignedData, or not a whole one. ``reason``, ``offset``."""

    default_code = "cms"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A SignedData without its content.

    ``hashes``: OIDs of digestAlgorithms, ``algorithms``: themselves. ``content_type``: OID.
    ``attached``: whether the content stood inside. ``certificates``, ``lists`` (of
    revocations), ``signers``: DER as found.
    """

    version: int
    algorithms: tuple[bytes, ...]
    hashes: tuple[str, ...]
    content_type: str
    attached: bool
    certificates: tuple[bytes, ...] = field(repr=False)
    lists: tuple[bytes, ...] = field(repr=False)
    signers: tuple[bytes, ...] = field(repr=False)


Begin = Callable[[tuple[str, ...], str], Callable[[memoryview], object]]
"""Called with the hashes and the content type before the content; returns what takes it."""


def write_envelope(
    out: BinaryIO,
    *,
    hashes: Iterable[bytes],
    certificates: Iterable[bytes],
    signers: Iterable[bytes],
    lists: Iterable[bytes] = (),
    version: int = 1,
    size: int | None = None,
    content: Callable[[BinaryIO], object] | None = None,
) -> None:
    """Write a SignedData over id-data to ``out``.

    ``hashes``: DER AlgorithmIdentifiers. ``content``: writes exactly ``size`` bytes; both
    None for a detached signature.
    """
    before = bytes((der.INTEGER, 1, version)) + _tlv(der.SET, b"".join(sorted(set(hashes))))
    after = _tlv(_EXPLICIT, b"".join(sorted(set(certificates))))
    after += _tlv(_CRLS, b"".join(found)) if (found := sorted(set(lists))) else b""
    after += _tlv(der.SET, b"".join(sorted(signers)))
    kind = bytes.fromhex("06092a864886f70d010701")
    octets = b"" if size is None else _head(der.OCTET_STRING, size)
    held = 0 if size is None else len(octets) + size
    explicit = b"" if size is None else _head(_EXPLICIT, held)
    inside = len(kind) + len(explicit) + held
    content_info = _head(der.SEQUENCE, inside) + kind + explicit + octets
    length = len(before) + len(_head(der.SEQUENCE, inside)) + inside + len(after)
    data = _head(der.SEQUENCE, length)
    outer = _SIGNED_DATA + _head(_EXPLICIT, len(data) + length) + data
    out.write(_head(der.SEQUENCE, len(outer) + length) + outer + before + content_info)
    if content is not None:
        content(out)
    out.write(after)


def read_envelope(source: BinaryIO, begin: Begin) -> Envelope:
    """Read a SignedData to its end, which has to be the end of ``source``. Raises CmsError."""
    try:
        return _Reading(source).run(begin)
    except der.DerError as error:
        raise CmsError(reason=error.reason, offset=error.offset) from None


def _head(tag: int, length: int) -> bytes:
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def _tlv(tag: int, content: bytes) -> bytes:
    return _head(tag, len(content)) + content


@dataclass(slots=True)
class _Frame:
    """An open element. ``end``: byte offset, or None until its end-of-contents is read.

    ``bound``: where the nearest element of known length around it ends, if there is one.
    """

    end: int | None
    bound: int | None


class _Reading:
    """One pass over a stream, with a small window of bytes that were read ahead."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._ahead = bytearray()
        self._pos = 0
        self._kept = 0
        self._outside = _Frame(None, None)

    def run(self, begin: Begin) -> Envelope:
        info = self._enter(der.SEQUENCE, self._outside)
        if self._take(len(_SIGNED_DATA), info) != _SIGNED_DATA:
            raise CmsError(reason="not_signed_data", offset=0)
        explicit = self._enter(_EXPLICIT, info)
        data = self._enter(der.SEQUENCE, explicit)
        version = der.integer(der.whole(self._element(data), der.INTEGER))
        if version not in (1, 3, 4, 5):
            raise CmsError(reason="version", offset=self._pos)
        algorithms = self._list(der.SET, data)
        hashes = tuple(algorithm_oid(raw) for raw in algorithms)
        content_type, attached = self._content(data, hashes, begin)
        certificates: tuple[bytes, ...] = ()
        if self._peek(data) == _EXPLICIT:
            certificates = self._list(_EXPLICIT, data)
        lists: tuple[bytes, ...] = ()
        if self._peek(data) == _CRLS:  # never read: whose they are is not ours to judge (52条)
            lists = self._list(_CRLS, data)
        signers = self._list(der.SET, data)
        for frame in (data, explicit, info):
            self._leave(frame)
        if self._fill(1):
            raise CmsError(reason="trailing_bytes", offset=self._pos)
        return Envelope(
            version, algorithms, hashes, content_type, attached, certificates, lists, signers
        )

    def _content(self, data: _Frame, hashes: tuple[str, ...], begin: Begin) -> tuple[str, bool]:
        frame = self._enter(der.SEQUENCE, data)
        kind = der.oid(der.whole(self._element(frame), der.OBJECT_ID))
        take = begin(hashes, kind)
        attached = not self._at_end(frame)
        if attached:
            explicit = self._enter(_EXPLICIT, frame)
            self._octets(explicit, take, _MAX_PIECES)
            self._leave(explicit)
        self._leave(frame)
        return kind, attached

    def _octets(self, around: _Frame, take: Callable[[memoryview], object], depth: int) -> None:
        """One OCTET STRING, whole or in pieces."""
        tag = self._peek(around)
        if tag == _CONSTRUCTED and depth:
            pieces = self._enter(_CONSTRUCTED, around)
            while not self._at_end(pieces):
                self._octets(pieces, take, depth - 1)
            self._leave(pieces)
            return
        frame = self._enter(der.OCTET_STRING, around)
        if frame.end is None:
            raise CmsError(reason="indefinite_length", offset=self._pos)
        while self._pos < frame.end:
            count = min(_CHUNK, frame.end - self._pos)
            piece = self._take(count, frame)
            take(memoryview(piece))

    def _list(self, tag: int, around: _Frame) -> tuple[bytes, ...]:
        frame = self._enter(tag, around)
        found: list[bytes] = []
        while not self._at_end(frame):
            if len(found) >= _MAX_ITEMS:
                raise CmsError(reason="too_many", offset=self._pos)
            found.append(self._element(frame))
        self._leave(frame)
        return tuple(found)

    def _element(self, around: _Frame) -> bytes:
        """One element of known length, whole."""
        head, length = self._head(around)
        if length is None:
            raise CmsError(reason="indefinite_length", offset=self._pos)
        self._kept += length
        if self._kept > _MAX_LISTS:
            raise CmsError(reason="over_long", offset=self._pos)
        return head + bytes(self._take(length, around))

    def _enter(self, tag: int, around: _Frame) -> _Frame:
        start = self._pos
        head, length = self._head(around)
        if head[0] != tag:
            raise CmsError(reason="wrong_tag", offset=start)
        if length is None:
            return _Frame(None, around.bound if around.end is None else around.end)
        end = self._pos + length
        return _Frame(end, end)

    def _leave(self, frame: _Frame) -> None:
        if frame.end is None:
            if self._take(2, frame) != b"\x00\x00":
                raise CmsError(reason="wrong_tag", offset=self._pos)
        elif self._pos != frame.end:
            raise CmsError(reason="trailing_bytes", offset=self._pos)

    def _at_end(self, frame: _Frame) -> bool:
        if frame.end is not None:
            return self._pos >= frame.end
        return self._fill(2) and self._ahead[:2] == b"\x00\x00"

    def _peek(self, frame: _Frame) -> int | None:
        return None if self._at_end(frame) or not self._fill(1) else self._ahead[0]

    def _head(self, around: _Frame) -> tuple[bytes, int | None]:
        """Tag and length as bytes, and the length: None for an indefinite one."""
        start = self._pos
        head = bytes(self._take(2, around))
        if head[0] & 0x1F == 0x1F:
            raise CmsError(reason="bad_tag", offset=start)
        if head[1] < 0x80:
            length: int | None = head[1]
        elif head[1] == 0x80:
            if not head[0] & 0x20:
                raise CmsError(reason="indefinite_length", offset=start)
            length = None
        elif head[1] > 0x88:
            raise CmsError(reason="over_long", offset=start)
        else:
            octets = bytes(self._take(head[1] & 0x7F, around))
            head, length = head + octets, int.from_bytes(octets, "big")
        bound = around.bound if around.end is None else around.end
        if length is not None and bound is not None and self._pos + length > bound:
            raise CmsError(reason="over_long", offset=start)
        return head, length

    def _take(self, count: int, around: _Frame) -> bytearray | bytes:
        """The next bytes; they have to lie inside ``around``."""
        bound = around.bound if around.end is None else around.end
        if bound is not None and self._pos + count > bound:
            raise CmsError(reason="over_long", offset=self._pos)
        if not self._fill(count):
            raise CmsError(reason="truncated", offset=self._pos + len(self._ahead))
        taken = self._ahead[:count]
        del self._ahead[:count]
        self._pos += count
        return taken

    def _fill(self, count: int) -> bool:
        """Whether ``count`` bytes are there to be taken."""
        while len(self._ahead) < count:
            more = self._source.read(max(_CHUNK, count - len(self._ahead)))
            if not more:
                return False
            self._ahead += more
        return True


def algorithm_oid(raw: bytes) -> str:
    """The OID of an AlgorithmIdentifier (DER). Raises DerError."""
    return der.oid(der.whole(raw).reader().next(der.OBJECT_ID))
