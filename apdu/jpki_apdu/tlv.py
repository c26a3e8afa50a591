# SPDX-License-Identifier: Apache-2.0
"""BER-TLV as cards write it, with every bound checked.

Tags of one to four bytes, lengths of one to five; a length may be longer than it need be
(``FF40 82 009F`` is on real cards, [MY] [MC], grade A) and a second tag byte may be below
1F (``FF10``). An indefinite length is refused. Source: [ISO4 6.3].
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jpki_apdu.errors import TlvError

MAX_TAG_BYTES = 4
MAX_LENGTH_BYTES = 4
MAX_OBJECTS = 1 << 14  # in a row: as many as fit into the 32 KB that READ BINARY can address


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object. Offsets count bytes from the start of what was parsed.

    ``tag``: all its bytes as one number (0xFF10, 0xDF21, 0x30). ``start`` and ``end``
    bound the whole object, ``value_start`` and ``end`` its value.
    """

    tag: int
    value: bytes = field(repr=False)
    start: int
    value_start: int
    end: int


class _Truncated(TlvError):
    """More bytes are needed to tell; to a caller with a whole file it is any TlvError."""


def parse_one(data: bytes, start: int = 0, end: int | None = None) -> Tlv:
    """The object that begins at ``start`` and ends at or before ``end``. Raises TlvError."""
    stop = len(data) if end is None else end
    if not 0 <= start <= stop <= len(data):
        raise ValueError("start and end lie inside the data")
    tag, after_tag = _tag(data, start, stop)
    length, value_start = _length(data, after_tag, stop)
    value_end = value_start + length
    if value_end > stop:
        raise _Truncated(offset=value_start, reason="truncated")
    return Tlv(tag, bytes(data[value_start:value_end]), start, value_start, value_end)


def parse_all(
    data: bytes, start: int = 0, end: int | None = None, *, filler: bool = False
) -> list[Tlv]:
    """The objects that follow one another from ``start`` to ``end``. Raises TlvError.

    ``filler``: the rest may be unused space, which is all FF or all 00; ``FF10`` begins
    with the same byte and is a tag, so only a rest of nothing else counts as filler.
    """
    stop = len(data) if end is None else end
    if not 0 <= start <= stop <= len(data):
        raise ValueError("start and end lie inside the data")
    found: list[Tlv] = []
    unused = _filler_start(data, start, stop) if filler else stop
    while start < unused:
        if len(found) == MAX_OBJECTS:
            raise TlvError(offset=start, reason="too_many")
        item = parse_one(data, start, stop)
        found.append(item)
        start = item.end
    return found


def total_length(head: bytes) -> int | None:
    """Bytes of the whole object, header included, from its first bytes; None: need more.

    Up to nine bytes are looked at. Raises TlvError for what cannot begin an object.
    """
    try:
        _, after_tag = _tag(head, 0, len(head))
        length, value_start = _length(head, after_tag, len(head))
    except _Truncated:
        return None
    return value_start + length


def encode(tag: int, value: bytes) -> bytes:
    """Tag, shortest length, value. Raises TlvError for a number that is no tag."""
    raw = tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big") if tag > 0 else b"\0"
    if _tag(raw, 0, len(raw))[1] != len(raw):
        raise TlvError(offset=0, reason="tag")
    size = len(value)
    if size < 0x80:
        return raw + bytes((size,)) + value
    count = (size.bit_length() + 7) // 8
    if count > MAX_LENGTH_BYTES:
        raise TlvError(offset=len(raw), reason="length")
    return raw + bytes((0x80 | count,)) + size.to_bytes(count, "big") + value


def _filler_start(data: bytes, start: int, stop: int) -> int:
    """Where the FF or 00 begin that nothing else follows; ``stop`` if there are none."""
    if start == stop or data[stop - 1] not in (0x00, 0xFF):
        return stop
    return start + len(data[start:stop].rstrip(data[stop - 1 : stop]))


def _tag(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """The tag at ``start`` and the offset after it."""
    if start >= stop:
        raise _Truncated(offset=start, reason="truncated")
    first = data[start]
    if first == 0:
        raise TlvError(offset=start, reason="tag")
    if first & 0x1F != 0x1F:
        return first, start + 1
    tag = first
    for offset in range(start + 1, start + MAX_TAG_BYTES):
        if offset >= stop:
            raise _Truncated(offset=offset, reason="truncated")
        byte = data[offset]
        if offset == start + 1 and byte & 0x7F == 0:
            raise TlvError(offset=offset, reason="tag")
        tag = tag << 8 | byte
        if not byte & 0x80:
            return tag, offset + 1
    raise TlvError(offset=start, reason="tag")


def _length(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """The length at ``start`` and the offset after it."""
    if start >= stop:
        raise _Truncated(offset=start, reason="truncated")
    first = data[start]
    if first < 0x80:
        return first, start + 1
    count = first & 0x7F
    if not 1 <= count <= MAX_LENGTH_BYTES:
        raise TlvError(offset=start, reason="length")
    if start + 1 + count > stop:
        raise _Truncated(offset=stop, reason="truncated")
    return int.from_bytes(data[start + 1 : start + 1 + count], "big"), start + 1 + count
