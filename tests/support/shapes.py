# SPDX-License-Identifier: Apache-2.0
"""Hostile inputs of about any size: deep, long, many, or small and claiming to be large."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

from fuzz_targets import CORPUS
from jpki_apdu import tlv

EMPTY_LIST: Final = CORPUS / "crl" / "empty"


def nested_tlv(size: int) -> bytes:
    """Sequences in sequences, each length true."""
    count = size // 6
    return b"".join(b"\x30\x84" + (6 * left).to_bytes(4, "big") for left in reversed(range(count)))


def nested_open(size: int) -> bytes:
    """Indefinite lengths in each other."""
    return b"\x30\x80" * (size // 2)


def huge_length(size: int) -> bytes:
    """A length of four gigabytes, and less."""
    return b"\x30\x84\xff\xff\xff\xff" + bytes(size - 6)


def many_nulls(size: int) -> bytes:
    """One sequence of as many elements as fit."""
    return tlv.encode(0x30, b"\x05\x00" * (size // 2))


def many_elements(size: int) -> bytes:
    """The same without the sequence, as files of a card have it."""
    return b"\xdf\x21\x00" * (size // 3)


def many_entries(size: int) -> bytes:
    """Entries of a revocation list, with serials that all differ."""
    date = b"\x17\x0d260101000000Z"
    entries = (
        tlv.encode(0x30, b"\x02\x04" + (0x10000000 + n).to_bytes(4, "big") + date)
        for n in range(size // 23)
    )
    return b"".join(entries)


def million_list(size: int) -> bytes:
    """A whole revocation list with as many entries: 4.5 million of them in 100 MB."""
    tbs, algorithm, bits = tlv.parse_all(tlv.parse_one(EMPTY_LIST.read_bytes()).value)
    *fields, extensions = tlv.parse_all(tbs.value)
    entries = tlv.encode(0x30, many_entries(size))
    whole = [tlv.encode(one.tag, one.value) for one in fields]
    body = tlv.encode(0x30, b"".join(whole) + entries + tlv.encode(0xA0, extensions.value))
    return tlv.encode(0x30, body + b"".join(tlv.encode(o.tag, o.value) for o in (algorithm, bits)))


def long_oid(size: int) -> bytes:
    """An object identifier of one endless arc."""
    return tlv.encode(0x30, tlv.encode(0x06, b"\x81" * size + b"\x01"))


def deep_json(size: int) -> bytes:
    return b"[" * size


def many_members(size: int) -> bytes:
    return b"{" + b",".join(b'"%07d":0' % n for n in range(size // 12)) + b"}"


def long_number(size: int) -> bytes:
    return b'{"schema": ' + b"9" * size + b"}"


def deep_toml(size: int) -> bytes:
    return b"a = " + b"[" * size


def dotted_toml(size: int) -> bytes:
    return b"a" + b".a" * (size // 2) + b" = 1\n"


def many_rows(size: int) -> bytes:
    row = b'{"key": "a", "handle": "h", "status": "good"}\n'
    return row * (size // len(row))


def many_tables(size: int) -> bytes:
    return b"".join(b"[t%07d]\na=1\n" % n for n in range(size // 15))


def armour_without_end(size: int) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" * (size // 28)


def many_blocks(size: int) -> bytes:
    one = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    return one * (size // len(one))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(size: int) -> bytes:
    """A picture of 30000 × 30000 points; what is compressed unfolds a thousandfold."""
    head = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(size * 1000 if size < 1 << 17 else 1 << 27), 9)
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg2000_bomb(size: int) -> bytes:
    """A code stream that says it is 60000 × 60000 points large."""
    siz = struct.pack(">HIIIIIIIIH", 0, 60000, 60000, 0, 0, 60000, 60000, 0, 0, 1) + b"\x07\x01\x01"
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(siz) + 2) + siz + bytes(size)


def laughs(size: int) -> bytes:
    """Entities of entities."""
    rows = ['<!ENTITY a0 "lol">']
    rows += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)]
    padding = " " * size
    return f"<!DOCTYPE x [{''.join(rows)}]><x>&a11;{padding}</x>".encode()


def deep_xml(size: int) -> bytes:
    return b"<a>" * (size // 3)


def many_references(size: int) -> bytes:
    """A signature with as many references as fit, none of which leads anywhere."""
    one = b'<Reference URI="#a"/>'
    head = b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>'
    return b"<x>" + head + one * (size // len(one)) + b"</SignedInfo></Signature></x>"


def many_attributes(size: int) -> bytes:
    return b"<x " + b" ".join(b'a%07d="1"' % n for n in range(size // 13)) + b"/>"


def deep_pdf(size: int) -> bytes:
    return b"%PDF-1.7\n1 0 obj\n" + b"[" * size + b"\nendobj\nstartxref\n9\n%%EOF\n"


def pdf_stream_bomb(size: int) -> bytes:
    """An xref stream that unfolds a thousandfold."""
    packed = zlib.compress(bytes(min(size * 1000, 1 << 28)), 9)
    head = f"1 0 obj\n<< /Type /XRef /Size 9 /W [1 2 1] /Filter /FlateDecode /Length {len(packed)}"
    body = head.encode() + b" /Root 1 0 R >>\nstream\n" + packed + b"\nendstream\nendobj\n"
    return b"%PDF-1.7\n" + body + b"startxref\n9\n%%EOF\n"


def many_objects(size: int) -> bytes:
    return b"%PDF-1.7\n" + b"".join(b"%d 0 obj\n1\nendobj\n" % n for n in range(size // 22))


def many_lines(size: int) -> bytes:
    line = b"1.000000 1 > 00A4040C\n"
    return b"# jpki-trace/1\n" + line * (size // len(line))


def long_line(size: int) -> bytes:
    return b"# jpki-replay/1\n1.000000 1 > " + b"00 " * (size // 3)


def many_frames(size: int) -> bytes:
    return b"\x27" + b"\x00\x01\x02" * (size // 3)


def many_headers(size: int) -> bytes:
    return b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * (size // 8) + b"\r\n"


def long_address(size: int) -> bytes:
    return b"GET /static/" + b"a" * size + b" HTTP/1.1\r\n\r\n"


def many_words(size: int) -> bytes:
    return b"GET /?" + b"a=b&" * (size // 4) + b" HTTP/1.1\r\n\r\n"


def long_body(size: int) -> bytes:
    """JSON without end, to whoever takes any, with the token that is asked for."""
    head = b" HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\nX-Presentation: TOKEN\r\n\r\n"
    return b"POST /v1/present" + head + deep_json(size)


def long_answer(size: int) -> bytes:
    return long_body(size).replace(b"/v1/present", b"/answer", 1)


Shape = Callable[[int], bytes]
DER: Final[tuple[Shape, ...]] = (
    nested_tlv, nested_open, huge_length, many_nulls, many_elements, many_entries, long_oid,
)  # fmt: skip
JSON: Final[tuple[Shape, ...]] = (deep_json, many_members, long_number)
TOML: Final[tuple[Shape, ...]] = (deep_toml, dotted_toml, many_tables)
SHAPES: Final[dict[str, tuple[Shape, ...]]] = {
    **dict.fromkeys(
        ("tlv", "ef-text", "ef-surface", "ef-others", "ef-licence", "cv-certificate",
         "certificate", "der", "general", "ocsp", "stamp", "cms"), DER,
    ),
    **dict.fromkeys(("crl", "crl-columns"), (*DER, million_list)),
    "certificate-files": (armour_without_end, many_blocks),
    "images": (png_bomb, jpeg2000_bomb, huge_length),
    "xml": (laughs, deep_xml, many_references, many_attributes),
    "pdf": (deep_pdf, pdf_stream_bomb, many_objects),
    "issued": (deep_pdf, many_objects),
    **dict.fromkeys(("policy", "card-toml", "kept-text"), TOML),
    **dict.fromkeys(("presentation", "json", "replies", "operator", "queue"), JSON),
    "kept-json": (*JSON, many_rows),
    "transcript": (many_lines, long_line), "replay": (many_lines, long_line),
    "vpcd": (many_frames, huge_length),
    **dict.fromkeys(
        ("http-half", "http-page", "http-presentation"),
        (many_headers, long_address, many_words, long_body, long_answer),
    ),
}  # fmt: skip
"""What each target of the fuzzers is measured with."""
