# SPDX-License-Identifier: Apache-2.0
"""Return codes of PC/SC and what each means to us. Source: [PCSC winscard.h], [obs vpcd bed]."""

from __future__ import annotations

from jpki_apdu.errors import (
    CardError,
    CardRemovedError,
    CardResetError,
    CardUnresponsiveError,
    MalformedResponseError,
    NoCardError,
    NoReaderError,
    NoServiceError,
    ReaderBusyError,
    TransportError,
    TransportTimeoutError,
)

SUCCESS = 0
CANCELLED = 0x80100002
INVALID_HANDLE = 0x80100003
INSUFFICIENT_BUFFER = 0x80100008
UNKNOWN_READER = 0x80100009
TIMEOUT = 0x8010000A
SHARING_VIOLATION = 0x8010000B
NO_SMARTCARD = 0x8010000C
PROTO_MISMATCH = 0x8010000F
SYSTEM_CANCELLED = 0x80100012
COMM_ERROR = 0x80100013
NOT_TRANSACTED = 0x80100016
READER_UNAVAILABLE = 0x80100017
SHUTDOWN = 0x80100018
NO_SERVICE = 0x8010001D
SERVICE_STOPPED = 0x8010001E
UNEXPECTED = 0x8010001F
NO_READERS = 0x8010002E
COMM_DATA_LOST = 0x8010002F
UNSUPPORTED_CARD = 0x80100065
UNRESPONSIVE_CARD = 0x80100066
UNPOWERED_CARD = 0x80100067
RESET_CARD = 0x80100068
REMOVED_CARD = 0x80100069
SECURITY_VIOLATION = 0x8010006A

# What Windows answers with when the reader itself is pulled out [inferred].
_WINDOWS_GONE = (22, 31, 1117, 1167)

_NO_SERVICE = (NO_SERVICE, SERVICE_STOPPED, COMM_ERROR)
_NO_READER = (NO_READERS, UNKNOWN_READER, READER_UNAVAILABLE)
_UNRESPONSIVE = (UNSUPPORTED_CARD, UNRESPONSIVE_CARD, UNPOWERED_CARD)
_REMOVED = (REMOVED_CARD, NOT_TRANSACTED, INVALID_HANDLE, COMM_DATA_LOST, *_WINDOWS_GONE)
_CANCELLED = (CANCELLED, SYSTEM_CANCELLED, SHUTDOWN)

_ERRORS: dict[int, type[TransportError]] = {
    **dict.fromkeys(_NO_SERVICE, NoServiceError),
    **dict.fromkeys(_NO_READER, NoReaderError),
    **dict.fromkeys(_UNRESPONSIVE, CardUnresponsiveError),
    **dict.fromkeys(_REMOVED, CardRemovedError),
    NO_SMARTCARD: NoCardError,
    SHARING_VIOLATION: ReaderBusyError,
    RESET_CARD: CardResetError,
    TIMEOUT: TransportTimeoutError,
}


def error_for(code: int, reader: str, *, talking: bool = False) -> CardError:
    """The error for a return code. ``talking``: the card was open, so its absence is a loss."""
    code &= 0xFFFFFFFF
    shown = f"{code:08X}"
    if code == SECURITY_VIOLATION:
        return NoServiceError("access_denied", reader=reader, pcsc=shown)
    if code == PROTO_MISMATCH:
        return CardUnresponsiveError("protocol", reader=reader, pcsc=shown)
    if code == INSUFFICIENT_BUFFER:
        return MalformedResponseError(reason="reply_too_long", pcsc=shown)
    if code in _CANCELLED:
        return TransportError("cancelled", reader=reader, pcsc=shown)
    kind = _ERRORS.get(code, TransportError)
    if talking and kind in (NoReaderError, NoCardError):
        kind = CardRemovedError
    return kind(reader=reader, pcsc=shown)
