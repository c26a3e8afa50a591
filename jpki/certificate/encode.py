# SPDX-License-Identifier: Apache-2.0
"""The little DER this side writes: elements around content that is DER already."""

from __future__ import annotations


def tlv(tag: int, *content: bytes) -> bytes:
    """One element; ``tag`` is its identifier octet, the parts of ``content`` are joined."""
    body = b"".join(content)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body
