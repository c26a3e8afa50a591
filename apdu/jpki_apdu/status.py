# SPDX-License-Identifier: Apache-2.0
"""Status words. Source: [ISO4 5.6] for the meanings, [JICSAP] for 63Cx and 6300."""

from __future__ import annotations


class StatusWord(int):
    """The two bytes that end every response. An ``int``: an unknown word is still a value."""

    def __new__(cls, value: int) -> StatusWord:
        if not 0 <= value <= 0xFFFF:
            raise ValueError("a status word has 16 bits")
        return super().__new__(cls, value)

    @classmethod
    def from_bytes(cls, data: bytes) -> StatusWord:  # type: ignore[override]
        """From SW1 SW2 (exactly 2 bytes)."""
        if len(data) != 2:
            raise ValueError("a status word has two bytes")
        return cls(data[0] << 8 | data[1])

    @property
    def sw1(self) -> int:
        return self >> 8

    @property
    def sw2(self) -> int:
        return self & 0xFF

    @property
    def is_ok(self) -> bool:
        """9000 and nothing else."""
        return self == 0x9000

    @property
    def attempts_left(self) -> int | None:
        """Tries left (count, 0-15), or None if this word does not say.

        6983 says 0 by definition; 6300 (unlimited counter) says nothing. 6984 is
        left to the caller: what it means depends on the card. Source: [ISO4 table 6].
        """
        if self == 0x6983:
            return 0
        return self & 0xF if self & 0xFFF0 == 0x63C0 else None

    def __repr__(self) -> str:
        return f"StatusWord(0x{int(self):04X})"

    def __str__(self) -> str:
        return f"{int(self):04X}"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec) if not spec or spec[-1] == "s" else format(int(self), spec)


OK = StatusWord(0x9000)
