# SPDX-License-Identifier: Apache-2.0
"""Strict DER: bounds-checked reading, and a walk that refuses whatever is not DER.

Small on purpose: certificates, CRLs and OCSP answers are read with it before any of their
bytes is believed, and one that two readers could understand differently is refused.
Source: [X.690 8-11], [RFC5280 4.1].
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_ID: Final = 0x06
ENUMERATED: Final = 0x0A
UTF8_STRING: Final = 0x0C
NUMERIC_STRING: Final = 0x12
PRINTABLE_STRING: Final = 0x13
TELETEX_STRING: Final = 0x14
IA5_STRING: Final = 0x16
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
UNIVERSAL_STRING: Final = 0x1C
BMP_STRING: Final = 0x1E
SEQUENCE: Final = 0x30
SET: Final = 0x31

MAX_DEPTH: Final = 24
MAX_NODES: Final = 5000

_PRINTABLE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
)


class DerError(Exception):
    """Bytes that are not DER, or not the structure expected. ``reason`` is a code."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        self.reason = reason
        self.offset = offset
        super().__init__(reason)


def header(data: bytes, pos: int, end: int) -> tuple[int, int, int]:
    """Tag, start and end of the value of the TLV at ``pos`` (byte offsets). Raises DerError."""
    if pos + 2 > end:
        raise DerError("truncated", pos)
    tag = data[pos]
    if tag & 0x1F == 0x1F:
        raise DerError("bad_tag", pos)
    length = data[pos + 1]
    start = pos + 2
    if length >= 0x80:
        count = length & 0x7F
        if count == 0:
            raise DerError("indefinite_length", pos)
        if count > 4:
            raise DerError("over_long", pos)
        if start + count > end:
            raise DerError("truncated", pos)
        length = int.from_bytes(data[start : start + count], "big")
        if length < 0x80 or length >> (8 * (count - 1)) == 0:
            raise DerError("not_minimal", pos)
        start += count
    if start + length > end:
        raise DerError("truncated", pos)
    return tag, start, start + length


@dataclass(frozen=True, slots=True)
class Node:
    """One TLV inside ``data``; offsets are bytes from its start."""

    data: bytes = field(repr=False)
    tag: int
    start: int
    value_start: int
    end: int

    @property
    def value(self) -> bytes:
        return self.data[self.value_start : self.end]

    @property
    def raw(self) -> bytes:
        """Header and value."""
        return self.data[self.start : self.end]

    def reader(self) -> Reader:
        """A reader over the content."""
        return Reader(self.data, self.value_start, self.end)


class Reader:
    """Reads one TLV after the other and refuses what is not expected."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data) if end is None else end

    def peek(self) -> int | None:
        """The next tag, or None at the end."""
        return self.data[self.pos] if self.pos < self.end else None

    def next(self, tag: int | None = None) -> Node:
        """The next TLV; ``tag`` is what it has to be. Raises DerError."""
        found, start, end = header(self.data, self.pos, self.end)
        if tag is not None and found != tag:
            raise DerError("wrong_tag", self.pos)
        node = Node(self.data, found, self.pos, start, end)
        self.pos = end
        return node

    def optional(self, tag: int) -> Node | None:
        """The next TLV if its tag is ``tag``."""
        return self.next(tag) if self.peek() == tag else None

    def rest(self) -> Iterator[Node]:
        """Every TLV up to the end."""
        while self.pos < self.end:
            yield self.next()

    def done(self) -> None:
        """Refuses trailing bytes."""
        if self.pos != self.end:
            raise DerError("trailing_bytes", self.pos)


def whole(data: bytes, tag: int = SEQUENCE) -> Node:
    """The single TLV that ``data`` has to be. Raises DerError."""
    reader = Reader(data)
    node = reader.next(tag)
    reader.done()
    return node


def only(node: Node, tag: int) -> Node:
    """The single TLV inside ``node`` (an EXPLICIT tag, for one)."""
    reader = node.reader()
    inner = reader.next(tag)
    reader.done()
    return inner


def sequences(node: Node) -> Iterator[Node]:
    """Every TLV inside ``node``; each has to be a SEQUENCE. Raises DerError."""
    reader = node.reader()
    while reader.peek() is not None:
        yield reader.next(SEQUENCE)


def integer(node: Node) -> int:
    """A minimal INTEGER or ENUMERATED."""
    _check_integer(node.value, node.start)
    return int.from_bytes(node.value, "big", signed=True)


def boolean(node: Node) -> bool:
    """A DER BOOLEAN: 00 or FF."""
    _check_boolean(node.value, node.start)
    return node.value == b"\xff"


def oid(node: Node) -> str:
    """An OBJECT IDENTIFIER as dotted text."""
    if node.tag != OBJECT_ID:
        raise DerError("wrong_tag", node.start)
    _check_oid(node.value, node.start)
    return _dotted(node.value)


@functools.lru_cache(maxsize=1024)
def _dotted(value: bytes) -> str:
    arcs: list[int] = []
    arc = 0
    for byte in value:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def bits(node: Node) -> bytes:
    """The content of a BIT STRING that has whole bytes (keys, signatures)."""
    _check_bit_string(node.value, node.start)
    if node.value[0]:
        raise DerError("bad_bit_string", node.start)
    return node.value[1:]


def named_bits(node: Node) -> frozenset[int]:
    """The numbers of the bits set in a named BIT STRING; trailing zero bits are refused."""
    value = node.value
    _check_bit_string(value, node.start)
    if len(value) > 1 and not value[-1] >> value[0] & 1:
        raise DerError("not_minimal", node.start)
    body = value[1:]
    return frozenset(i for i in range(8 * len(body)) if body[i // 8] >> (7 - i % 8) & 1)


def time(node: Node, *, generalized_only: bool = False) -> datetime:
    """A UTC time to the second.

    X.509 wants UTCTime up to 2049 and GeneralizedTime after it; OCSP wants
    GeneralizedTime always (``generalized_only``). Source: [RFC5280 4.1.2.5].
    """
    value = node.value
    if node.tag == UTC_TIME and not generalized_only and len(value) == 13:
        century = b"19" if value[:2] >= b"50" else b"20"
        digits = century + value[:-1]
    elif node.tag == GENERALIZED_TIME and len(value) == 15:
        digits = value[:-1]
        if not generalized_only and digits < b"2050":
            raise DerError("bad_time", node.start)
    else:
        raise DerError("bad_time", node.start)
    if not digits.isdigit() or value[-1:] != b"Z":
        raise DerError("bad_time", node.start)
    parts = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, 14, 2))]
    try:
        return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError as exc:
        raise DerError("bad_time", node.start) from exc


def check_strict(data: bytes, *, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES) -> None:
    """Refuses ``data`` unless it is one TLV and DER all the way down. Raises DerError."""
    whole(data, data[0] if data else SEQUENCE)
    stack: list[tuple[int, int, int, bool]] = [(0, len(data), 0, False)]
    seen = 0
    while stack:
        pos, end, depth, ordered = stack.pop()
        if depth > max_depth:
            raise DerError("too_deep", pos)
        previous = b""
        while pos < end:
            tag, start, stop = header(data, pos, end)
            seen += 1
            if seen > max_nodes:
                raise DerError("too_many", pos)
            if ordered:
                if data[pos:stop] < previous:
                    raise DerError("set_order", pos)
                previous = data[pos:stop]
            if tag & 0x20:
                if tag < 0x40 and tag not in (SEQUENCE, SET):
                    raise DerError("bad_tag", pos)
                stack.append((start, stop, depth + 1, tag == SET))
            elif check := _PRIMITIVE.get(tag):
                check(data[start:stop], pos)
            elif tag in (SEQUENCE & 0x1F, SET & 0x1F, 0):
                raise DerError("bad_tag", pos)
            pos = stop


def _check_boolean(value: bytes, offset: int) -> None:
    if value not in (b"\x00", b"\xff"):
        raise DerError("bad_boolean", offset)


def _check_integer(value: bytes, offset: int) -> None:
    if not value:
        raise DerError("bad_integer", offset)
    if len(value) > 1 and (value[0], value[1] >> 7) in ((0x00, 0), (0xFF, 1)):
        raise DerError("not_minimal", offset)


def _check_bit_string(value: bytes, offset: int) -> None:
    if not value or value[0] > 7 or (len(value) == 1 and value[0]):
        raise DerError("bad_bit_string", offset)
    if value[0] and value[-1] & ((1 << value[0]) - 1):
        raise DerError("bad_bit_string", offset)


def _check_null(value: bytes, offset: int) -> None:
    if value:
        raise DerError("bad_null", offset)


def _check_oid(value: bytes, offset: int) -> None:
    if not value or value[-1] & 0x80 or len(value) > 64:
        raise DerError("bad_oid", offset)
    at_start = True
    for byte in value:
        if at_start and byte == 0x80:
            raise DerError("bad_oid", offset)
        at_start = not byte & 0x80


def _check_utf8(value: bytes, offset: int) -> None:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        # Not chained: that error carries the bytes, which may be a person's.
        raise DerError("bad_text", offset) from None


def _check_printable(value: bytes, offset: int) -> None:
    if not _PRINTABLE.issuperset(value):
        raise DerError("bad_text", offset)


def _check_ascii(value: bytes, offset: int) -> None:
    if not value.isascii():
        raise DerError("bad_text", offset)


def _check_utc_time(value: bytes, offset: int) -> None:
    if len(value) != 13 or not value[:-1].isdigit() or value[-1:] != b"Z":
        raise DerError("bad_time", offset)


def _check_generalized_time(value: bytes, offset: int) -> None:
    if len(value) < 15 or not value[:14].isdigit() or value[-1:] != b"Z":
        raise DerError("bad_time", offset)


_PRIMITIVE: Final[dict[int, Callable[[bytes, int], None]]] = {
    BOOLEAN: _check_boolean,
    INTEGER: _check_integer,
    ENUMERATED: _check_integer,
    BIT_STRING: _check_bit_string,
    NULL: _check_null,
    OBJECT_ID: _check_oid,
    UTF8_STRING: _check_utf8,
    PRINTABLE_STRING: _check_printable,
    NUMERIC_STRING: _check_ascii,
    IA5_STRING: _check_ascii,
    UTC_TIME: _check_utc_time,
    GENERALIZED_TIME: _check_generalized_time,
}
