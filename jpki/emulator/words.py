# SPDX-License-Identifier: Apache-2.0
"""The status words the emulated card gives, ready to send. Source: [MC] [JICSAP] [ISO4 5.6]."""

from __future__ import annotations

from typing import Final

OK: Final = b"\x90\x00"
END_OF_FILE: Final = b"\x62\x82"
MEMORY_FAILURE: Final = b"\x65\x81"
SM_NOT_CONFIGURED: Final = b"\x66\xf1"
WRONG_LENGTH: Final = b"\x67\x00"
CHANNEL_UNSUPPORTED: Final = b"\x68\x81"
SM_UNSUPPORTED: Final = b"\x68\x82"
INCOMPATIBLE_FILE: Final = b"\x69\x81"
SECURITY_STATUS: Final = b"\x69\x82"
BLOCKED: Final = b"\x69\x84"
CONDITIONS: Final = b"\x69\x85"
NO_CURRENT_FILE: Final = b"\x69\x86"
SM_OBJECTS_MISSING: Final = b"\x69\x87"
SM_OBJECTS_WRONG: Final = b"\x69\x88"
SM_NO_SESSION: Final = b"\x69\xfc"
BAD_DATA: Final = b"\x6a\x80"
FUNCTION_UNSUPPORTED: Final = b"\x6a\x81"
NOT_FOUND: Final = b"\x6a\x82"
RECORD_NOT_FOUND: Final = b"\x6a\x83"
WRONG_P1P2: Final = b"\x6a\x86"
REFERENCE_NOT_FOUND: Final = b"\x6a\x88"
INS_UNSUPPORTED: Final = b"\x6d\x00"
CLA_UNSUPPORTED: Final = b"\x6e\x00"
INTERNAL: Final = b"\x6f\x00"


def tries(left: int) -> bytes:
    """63Cx: ``left`` tries remain (count; the nibble says at most 15)."""
    return bytes((0x63, 0xC0 | min(left, 15)))


def exact_length(size: int) -> bytes:
    """6Cxx: ask again with Le = ``size`` (1-256; 256 is sent as 00)."""
    return bytes((0x6C, size & 0xFF))


def more(size: int) -> bytes:
    """61xx: ``size`` further bytes wait for GET RESPONSE (256 or more is sent as 00)."""
    return bytes((0x61, size if size < 256 else 0))
