# SPDX-License-Identifier: Apache-2.0
"""The index file: what it says of its list, the sorted keys, and where each entry is.

::

    magic, length and SHA-256 of the facts
    facts (JSON), among them the SHA-256 of the list and of the tables
    tables: the first key of each block of keys, SHA-256 of each block of keys and of places
    keys, in order; places of the entries in the list (32 bit), in the order of the keys

Every octet is under one of the hashes, and a block is hashed when it is first used: a damaged
index is never believed, and opening one costs nothing that grows with the list.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jpki.errors import RevocationDataError

if TYPE_CHECKING:
    from jpki.validation.crl_index.columns import Columns

MAGIC: Final = b"JPKICRLX"
VERSION: Final = 1
BLOCK: Final = 4096
"""Keys under one hash."""

WIDTHS: Final = (4, 8, 20)
"""Octets of a key. Serials of JPKI have four; [RFC5280 4.1.2.2] allows twenty."""

OFFSET_OCTETS: Final = 4

_HEAD: Final = struct.Struct("<8sI32s")
_HASH: Final = 32
_PAGE: Final = 4096
_MAX_FACTS: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Facts:
    """What an index says of the list it was made from.

    ``crl``: SHA-256 of the whole list. ``signer``: SHA-256 of the SubjectPublicKeyInfo that
    its signature was checked with. ``point``: DER names of its distribution point, None for a
    list of all users. ``width``: octets of a key. ``tables``: SHA-256 of the tables.
    """

    environment: str
    crl: bytes = field(repr=False)
    size: int
    issuer_der: bytes = field(repr=False)
    key_id: bytes = field(repr=False)
    signer: bytes = field(repr=False)
    point: tuple[bytes, ...] | None = field(repr=False)
    number: int
    this_update: datetime
    next_update: datetime
    width: int
    count: int
    tables: bytes = field(repr=False, default=b"")

    @property
    def blocks(self) -> int:
        return -(-self.count // BLOCK)

    @property
    def table_size(self) -> int:
        """Octets of the tables."""
        return self.blocks * (self.width + 2 * _HASH)

    def to_json(self) -> bytes:
        """The facts as they stand in the file."""
        content = {
            "version": VERSION,
            "order": sys.byteorder,
            "block": BLOCK,
            "environment": self.environment,
            "crl": _text(self.crl),
            "size": self.size,
            "issuer": _text(self.issuer_der),
            "key_id": _text(self.key_id),
            "signer": _text(self.signer),
            "point": None if self.point is None else [_text(name) for name in self.point],
            "number": self.number,
            "this_update": int(self.this_update.timestamp()),
            "next_update": int(self.next_update.timestamp()),
            "width": self.width,
            "count": self.count,
            "tables": _text(self.tables),
        }
        return json.dumps(content, separators=(",", ":")).encode()


class Places(NamedTuple):
    """Where the parts of an index begin (octets from its start)."""

    tables: int
    keys: int
    offsets: int
    end: int

    @classmethod
    def of(cls, facts: Facts, facts_size: int) -> Places:
        tables = _round(_HEAD.size + facts_size, 64)
        keys = _round(tables + facts.table_size, _PAGE)
        offsets = _round(keys + facts.count * facts.width, 64)
        return cls(tables, keys, offsets, offsets + facts.count * OFFSET_OCTETS)


def pieces(facts: Facts, columns: Columns) -> Iterator[bytes | bytearray | memoryview]:
    """The octets of an index. ``facts.tables`` is filled in here."""
    tables = b"".join(_tables(columns))
    values = {name: getattr(facts, name) for name in Facts.__slots__}
    filled = Facts(**(values | {"tables": hashlib.sha256(tables).digest()}))
    content = filled.to_json()
    at = Places.of(filled, len(content))
    yield _HEAD.pack(MAGIC, len(content), hashlib.sha256(content).digest())
    yield content + bytes(at.tables - _HEAD.size - len(content))
    yield tables + bytes(at.keys - at.tables - len(tables))
    yield columns.keys
    yield bytes(at.offsets - at.keys - len(columns.keys))
    yield columns.offsets


def _tables(columns: Columns) -> Iterable[bytes]:
    keys, offsets = memoryview(columns.keys), memoryview(columns.offsets)
    stride, step = BLOCK * columns.width, BLOCK * OFFSET_OCTETS
    starts = range(0, len(keys), stride)
    yield b"".join(bytes(keys[at : at + columns.width]) for at in starts)
    yield b"".join(hashlib.sha256(keys[at : at + stride]).digest() for at in starts)
    places = range(0, len(offsets), step)
    yield b"".join(hashlib.sha256(offsets[at : at + step]).digest() for at in places)


def read_facts(data: memoryview, size: int) -> tuple[Facts, Places]:
    """Facts and places of the index that ``data`` begins, of ``size`` octets in all.

    Raises RevocationDataError unless they are whole and as they were written. The tables and
    blocks are for the caller to prove.
    """
    try:
        magic, length, digest = _HEAD.unpack_from(data)
        content = bytes(data[_HEAD.size : _HEAD.size + length])
        whole = magic == MAGIC and length <= _MAX_FACTS and len(content) == length
        if not whole or hashlib.sha256(content).digest() != digest:
            raise damaged()
        facts = _facts(json.loads(content))
    except (struct.error, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise damaged() from None
    at = Places.of(facts, length)
    if at.end != size or facts.width not in WIDTHS or facts.count < 0:
        raise damaged()
    return facts, at


def _facts(content: Mapping[str, Any]) -> Facts:
    known = (VERSION, sys.byteorder, BLOCK)
    if (content["version"], content["order"], content["block"]) != known:
        raise RevocationDataError(reason="other_index", source="crl")
    point = content["point"]
    return Facts(
        environment=str(content["environment"]),
        crl=_octets(content["crl"]),
        size=int(content["size"]),
        issuer_der=_shared(content["issuer"]),
        key_id=_shared(content["key_id"]),
        signer=_shared(content["signer"]),
        point=None if point is None else tuple(map(_octets, point)),
        number=int(content["number"]),
        this_update=_moment(content["this_update"]),
        next_update=_moment(content["next_update"]),
        width=int(content["width"]),
        count=int(content["count"]),
        tables=_octets(content["tables"]),
    )


def damaged() -> RevocationDataError:
    """The error for an index that is not as it was written."""
    return RevocationDataError(reason="index_damaged", source="crl")


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


# Thousands of lists have the same issuer and times: held once, they stay in the processor's
# cache whichever list is asked.
_shared = functools.lru_cache(maxsize=256)(_octets)


@functools.lru_cache(maxsize=256)
def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _round(size: int, unit: int) -> int:
    return -(-size // unit) * unit
