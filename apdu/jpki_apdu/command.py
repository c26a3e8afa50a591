# SPDX-License-Identifier: Apache-2.0
"""Command APDUs in all four cases, short and extended. Source: [ISO3 12.1], [ISO4 5.1]."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """One command.

    ``data``: command data, at most 255 bytes short, 65535 extended; it may hold a PIN and
    is never shown. ``le``: response bytes asked for; None leaves the field out (cases 1
    and 3), 256 is sent as 00 in short form, 65536 as 0000 in extended form.
    ``extended`` forces the extended form; it is implied when ``data`` or ``le`` need it.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes | bytearray = field(default=b"", repr=False)
    le: int | None = None
    extended: bool = False

    def __post_init__(self) -> None:
        for name in ("cla", "ins", "p1", "p2"):
            if not 0 <= getattr(self, name) <= 0xFF:
                raise ValueError(f"{name} is one byte")
        if len(self.data) > 0xFFFF:
            raise ValueError("command data has at most 65535 bytes")
        if self.le is not None and not 1 <= self.le <= 0x10000:
            raise ValueError("le is 1 to 65536, or None")

    @property
    def is_extended(self) -> bool:
        return self.extended or len(self.data) > 255 or (self.le or 0) > 256

    @property
    def case(self) -> int:
        """ISO 7816-3 case: 1 nothing, 2 Le, 3 data, 4 both."""
        return 1 + (self.le is not None) + 2 * bool(self.data)

    @property
    def header(self) -> bytes:
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def to_bytes(self) -> bytes:
        """The bytes as sent."""
        return bytes(self.to_bytearray())

    def to_bytearray(self) -> bytearray:
        """The bytes as sent, in a buffer that the caller can wipe."""
        out = bytearray(self.header)
        if self.is_extended and self.case != 1:
            out.append(0)
            if self.data:
                out += len(self.data).to_bytes(2, "big") + self.data
            if self.le is not None:
                out += (self.le & 0xFFFF).to_bytes(2, "big")
            return out
        if self.data:
            out.append(len(self.data))
            out += self.data
        if self.le is not None:
            out.append(self.le & 0xFF)
        return out

    @classmethod
    def from_bytes(cls, raw: bytes) -> CommandApdu:
        """Parse the bytes as sent (the emulator's side). Raises ValueError for bad lengths."""
        if len(raw) < 4:
            raise ValueError("a command has at least 4 bytes")
        cla, ins, p1, p2 = raw[:4]
        data, le, extended = _body(bytes(raw[4:]))
        return cls(cla, ins, p1, p2, data, le, extended)


def _body(body: bytes) -> tuple[bytes, int | None, bool]:
    """Data, Le and whether the form is extended, from what follows the header."""
    if not body:
        return b"", None, False
    if len(body) == 1:
        return b"", body[0] or 256, False
    if body[0]:
        return _short_body(body)
    if len(body) == 3:
        return b"", int.from_bytes(body[1:], "big") or 65536, True
    lc = int.from_bytes(body[1:3], "big")
    if lc and len(body) == 3 + lc:
        return body[3:], None, True
    if lc and len(body) == 5 + lc:
        return body[3:-2], int.from_bytes(body[-2:], "big") or 65536, True
    raise ValueError("extended Lc does not fit the length")


def _short_body(body: bytes) -> tuple[bytes, int | None, bool]:
    lc = body[0]
    if len(body) == 1 + lc:
        return body[1:], None, False
    if len(body) == 2 + lc:
        return body[1:-1], body[-1] or 256, False
    raise ValueError("Lc does not fit the length")
