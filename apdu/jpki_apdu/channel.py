# SPDX-License-Identifier: Apache-2.0
"""ISO 7816-4 over a connection: chaining, sizing, selection, files and reference data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jpki_apdu.command import CommandApdu
from jpki_apdu.connection import CardConnection, ReplyLimits
from jpki_apdu.status import StatusWord

SizeOf = Callable[[bytes], int | None]
"""Total bytes wanted, from the first bytes of a file; None = read to the end of the file."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected now, as far as this channel knows."""

    aid: bytes | None = None
    fid: int | None = None


class Channel:
    """Talks ISO 7816-4 to one card and knows what is selected.

    ``limits``: overrides what the connection says its reader carries.
    ``sfi``: None = try short EF identifiers once per application and remember a refusal;
    False = never; True = always.
    """

    def __init__(
        self,
        connection: CardConnection,
        *,
        limits: ReplyLimits | None = None,
        sfi: bool | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def connection(self) -> CardConnection:
        raise NotImplementedError

    @property
    def selection(self) -> Selection:
        raise NotImplementedError

    @property
    def apdus(self) -> int:
        """Commands sent through this channel (count)."""
        raise NotImplementedError

    def transmit(self, command: CommandApdu) -> tuple[bytes, StatusWord]:
        """Send one command; follow 61xx and 6Cxx (never for VERIFY and CHANGE REFERENCE DATA)."""
        raise NotImplementedError

    def exchange(self, command: CommandApdu) -> bytes:
        """``transmit``, and raise the typed StatusWordError unless the answer is 9000."""
        raise NotImplementedError

    def select(self, aid: bytes) -> None:
        """SELECT an application by AID. Raises FileNotFoundOnCardError. No APDU if current."""
        raise NotImplementedError

    def select_file(self, fid: int) -> None:
        """SELECT EF under the current application. No APDU if it is current."""
        raise NotImplementedError

    def read_file(self, aid: bytes, fid: int, size: SizeOf | int | None = None) -> bytes:
        """Read an EF of application ``aid`` (selected if it is not), whole or ``size`` bytes.

        ``size``: exact bytes, or a function of the first bytes read (a certificate's header);
        bytes after it are not read. Short chunk is not end of file: reading goes on until
        ``size`` bytes, 6B00, 6282 or an empty reply.
        """
        raise NotImplementedError

    def read_record(self, aid: bytes, fid: int, record: int) -> bytes:
        """READ RECORD ``record`` (1-254)."""
        raise NotImplementedError

    def query_reference(self, aid: bytes, fid: int) -> StatusWord:
        """VERIFY without data: the counter (63Cx). Costs no try. Raises for nothing but the link."""
        raise NotImplementedError

    def verify(self, aid: bytes, fid: int, value: bytearray) -> StatusWord:
        """VERIFY, sent exactly once, never retried or chained. ``value`` must not be empty.

        By SFI only if ``query_reference`` on the same file was answered by SFI in this
        selection; else the file is selected first. The APDU buffer is wiped.
        """
        raise NotImplementedError

    def change_reference(
        self,
        aid: bytes,
        fid: int,
        value: bytearray,
        *,
        cla: int = 0x00,
        ins: int = 0x24,
        p1: int = 1,
    ) -> StatusWord:
        """CHANGE REFERENCE DATA (new value only) on the file verified last; sent exactly once."""
        raise NotImplementedError

    def compute_signature(self, aid: bytes, fid: int | None, data: bytes, *, p1: int = 0) -> bytes:
        """COMPUTE DIGITAL SIGNATURE (80 2A) with the key in ``fid``; None = the AP's default key."""
        raise NotImplementedError

    def get_challenge(self, size: int) -> bytes:
        """GET CHALLENGE, 1-256 bytes."""
        raise NotImplementedError

    def get_data(self, tag: int) -> bytes:
        """GET DATA; a large object answered with 6700 is asked for again in extended form."""
        raise NotImplementedError
