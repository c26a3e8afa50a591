# SPDX-License-Identifier: Apache-2.0
"""The error tree below a card. Errors carry a code and named values; words are made above."""

from __future__ import annotations

from typing import ClassVar

from jpki_apdu.status import StatusWord


class Coded(Exception):
    """An error with a stable ``code`` and ``values`` that may be shown to anyone.

    ``values`` never hold a PIN, card data or an identifier of a person.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, code: str | None = None, **values: object) -> None:
        self.code = code or self.default_code
        self.values = values
        super().__init__(self.code)

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.values.items())
        return f"{self.code} ({facts})" if facts else self.code


class CardError(Coded):
    """Root of everything that goes wrong between us and a card."""

    default_code = "card_error"


class TransportError(CardError):
    """No answer: no reader, no card, or the card left."""

    default_code = "transport"


class PcscMissingError(TransportError):
    """The ``pcsc`` extra (pyscard) is not installed, or cannot be loaded."""

    default_code = "pcsc_missing"


class NoServiceError(TransportError):
    """The PC/SC service (pcscd, SCardSvr) does not run or cannot be reached."""

    default_code = "no_service"


class NoReaderError(TransportError):
    """No reader at all, or none whose name matches."""

    default_code = "no_reader"


class NoCardError(TransportError):
    """The reader is there; no card is in it."""

    default_code = "no_card"


class ReaderBusyError(TransportError):
    """Another program holds the card (sharing violation)."""

    default_code = "reader_busy"


class SeveralReadersError(TransportError):
    """Several readers hold a card of ours; a PIN is not presented to a guess. ``names``."""

    default_code = "several_readers"


class CardRemovedError(TransportError):
    """The card left, or the link broke, while we were talking to it."""

    default_code = "card_removed"


class CardResetError(TransportError):
    """Another program reset the card: what was verified before is gone."""

    default_code = "card_reset"


class CardUnresponsiveError(TransportError):
    """A card is in the reader and does not answer."""

    default_code = "card_unresponsive"


class TransportTimeoutError(TransportError):
    """No answer, or no card, within the time limit."""

    default_code = "transport_timeout"


class ReaderUriError(CardError):
    """A reader URI that cannot be understood. Nothing was opened."""

    default_code = "reader_uri"


class TranscriptError(CardError):
    """A transcript that cannot be replayed: not synthetic, malformed, or not what was sent."""

    default_code = "transcript"


class MalformedResponseError(CardError):
    """An answer that breaks its own format."""

    default_code = "malformed_response"


class TlvError(MalformedResponseError):
    """BER-TLV that does not fit its bounds. ``offset`` says where (bytes from the start)."""

    default_code = "tlv"


class StatusWordError(CardError):
    """The card answered, and refused."""

    default_code = "status_word"

    def __init__(self, sw: StatusWord, ins: int, code: str | None = None) -> None:
        self.sw = sw
        self.ins = ins
        super().__init__(code, sw=f"{int(sw):04X}", ins=f"{ins:02X}")


class FileNotFoundOnCardError(StatusWordError):
    """6A82: no such application or file."""

    default_code = "file_not_found"


class SecurityStatusError(StatusWordError):
    """6982: a PIN has to be verified first."""

    default_code = "security_status"


class StaleSessionError(CardError):
    """Another application was selected meanwhile; nothing was sent to it by mistake."""

    default_code = "stale_session"


def status_error(sw: StatusWord, ins: int) -> StatusWordError:
    """The typed error for a refusing status word."""
    if sw == 0x6A82:
        return FileNotFoundOnCardError(sw, ins)
    if sw == 0x6982:
        return SecurityStatusError(sw, ins)
    return StatusWordError(sw, ins)


def require_ok(sw: StatusWord, ins: int) -> None:
    """Raise the typed StatusWordError unless the answer is 9000."""
    if sw != 0x9000:
        raise status_error(sw, ins)
