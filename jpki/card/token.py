# SPDX-License-Identifier: Apache-2.0
"""What carries the JPKI application: token information (EF 0006) and certificates present."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from jpki.card.cv_certificate import CV_HEAD_SIZE, CvChain, issuer_in_head
from jpki.card.layout import TODAY, CardLayout
from jpki.card.opaque import CardSerial
from jpki.card.recognition import SeenCard, recognise
from jpki.card.records import Place
from jpki.card.selection import read_file, select_application
from jpki.card_map import SURFACE_AP, TEXT_AP, Application, TokenKind
from jpki.errors import NotOurCardError, UnsupportedTokenError
from jpki_apdu.channel import Channel
from jpki_apdu.errors import FileNotFoundOnCardError, StatusWordError

TOKEN_INFO_SIZE = 160  # bytes; PKCS#11 CK_TOKEN_INFO, 32-bit big-endian [MC], grade B
_LABEL = 32
_HEAD = 64  # bytes that detection reads: label and manufacturer, and not the serial
_PLACE = Place("jpki", 0x0006)
_PRESENT, _ABSENT = 0x8F, 0x00
_CHAINS: dict[bytes, CvChain] = {TEXT_AP.aid: "text", SURFACE_AP.aid: "surface"}
_TEST_IDS = (b"6", b"9")  # key ids of J-LIS's tests [MC], and of the test PKI here


@dataclass(frozen=True, slots=True)
class TokenDetails:
    """EF 0006 after label and manufacturer. PIN lengths in characters; versions as written."""

    model: str
    serial: CardSerial = field(repr=False)
    flags: int
    max_pin_length: int
    min_pin_length: int
    hardware_version: str
    firmware_version: str


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """EF 0006, or what was read of it. ``manufacturer`` is empty and ``details`` is None
    where that is too little.
    """

    label: str
    manufacturer: str
    details: TokenDetails | None


@dataclass(frozen=True, slots=True)
class Token:
    """A token of ours: its kind and what it says of itself."""

    kind: TokenKind
    info: TokenInfo

    @property
    def medium(self) -> str:
        """``card`` or ``phone``."""
        return "phone" if self.kind in (TokenKind.ANDROID, TokenKind.IPHONE) else "card"

    @property
    def is_test(self) -> bool:
        """Whether the card calls itself a test card, as emulated ones do in EF 0006.

        A label for people, never a reason to trust or distrust.
        """
        return "TEST" in self.info.manufacturer


@dataclass(frozen=True, slots=True)
class Recognised:
    """That a card is ours, and of which kind. ``is_test``: as of :class:`Token`, or the key
    that issued its CV certificate is one for tests."""

    kind: TokenKind
    is_test: bool


class Presence(StrEnum):
    """Whether a certificate is on the card."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Availability:
    """EF 0008: which certificates the card holds. Source: [MC], grade B."""

    sign: Presence
    auth: Presence


def parse_token_info(data: bytes) -> TokenInfo:
    """EF 0006. The label is needed (32 bytes); the rest only if the file is whole.

    Source: [MC] layout, grade B; label [MY] [MC] [PM], grade A. Raises CardDataError.
    """
    if len(data) < _LABEL:
        raise _PLACE.error("truncated", len(data))
    label = _text(data, 0, _LABEL)
    manufacturer = _text(data, _LABEL, _HEAD - _LABEL) if len(data) >= _HEAD else ""
    if len(data) < TOKEN_INFO_SIZE:
        return TokenInfo(label, manufacturer, None)
    return TokenInfo(
        label,
        manufacturer,
        TokenDetails(
            model=_text(data, 64, 16),
            serial=CardSerial(_text(data, 80, 16)),
            flags=int.from_bytes(data[96:100], "big"),
            max_pin_length=int.from_bytes(data[116:120], "big"),
            min_pin_length=int.from_bytes(data[120:124], "big"),
            hardware_version=_text(data, 140, 2),
            firmware_version=_text(data, 142, 2),
        ),
    )


def _text(data: bytes, start: int, length: int) -> str:
    """Printable ASCII, padded at the end with spaces (cards) or NULs (imitations)."""
    raw = data[start : start + length].rstrip(b" \0")
    if not all(0x20 <= byte < 0x7F for byte in raw):
        raise _PLACE.error("bad_text", start)
    return raw.decode("ascii")


def detect(channel: Channel, layout: CardLayout = TODAY) -> Token:
    """Recognise the card: SELECT JPKI, read the head of EF 0006. Never by ATR, which
    readers invent.

    ``layout``: what kind of card to look for. Raises NotOurCardError (``seen``: a
    :class:`SeenCard`), UnsupportedTokenError for a label that is not known, CardDataError.
    """
    try:
        select_application(channel, layout.jpki)
    except StatusWordError as exc:
        raise NotOurCardError(seen=recognise(channel).value) from exc
    try:
        data = read_file(channel, layout.jpki, "token-info", _HEAD)
    except StatusWordError as exc:
        raise NotOurCardError(seen=SeenCard.UNKNOWN.value) from exc
    info = parse_token_info(data)
    kind = next((kind for kind in layout.tokens if kind.value == info.label), None)
    if kind is None:
        # The label is a fact about a kind of token, not about a person: it may be shown.
        raise UnsupportedTokenError(label=info.label)
    if kind is TokenKind.JUKI_CARD:
        raise NotOurCardError(seen=SeenCard.JUKI_CARD.value)
    return Token(kind, info)


def recognise_by(channel: Channel, application: Application) -> Recognised | None:
    """Recognise a card by an application that only today's cards have (text, surface), from
    the head of its CV certificate, which is free to read; with nothing selected twice where a
    job begins there. None: not so; :func:`detect` then says what it is. Raises TransportError.
    """
    chain = _CHAINS.get(application.aid)
    if chain is None:
        return None
    try:
        head = read_file(channel, application, "cv-certificate", CV_HEAD_SIZE)
    except StatusWordError:
        return None
    issuer = issuer_in_head(head, chain)
    if issuer is None:
        return None
    return Recognised(TokenKind.CARD, issuer[:1] in _TEST_IDS)


def token_info(channel: Channel, layout: CardLayout = TODAY) -> TokenInfo:
    """All of EF 0006, the serial of the token included."""
    return parse_token_info(read_file(channel, layout.jpki, "token-info", TOKEN_INFO_SIZE))


def parse_availability(data: bytes) -> Availability:
    """EF 0008: byte 0 sign, byte 1 auth; 8F present, 00 absent, others unknown."""
    if len(data) < 2:
        raise Place("jpki", 0x0008).error("truncated", len(data))
    return Availability(_presence(data[0]), _presence(data[1]))


def _presence(byte: int) -> Presence:
    return {_PRESENT: Presence.PRESENT, _ABSENT: Presence.ABSENT}.get(byte, Presence.UNKNOWN)


def availability(channel: Channel, layout: CardLayout = TODAY) -> Availability:
    """Which certificates are present. Unknown where the token has no EF 0008."""
    try:
        return parse_availability(read_file(channel, layout.jpki, "certificate-availability", 3))
    except FileNotFoundOnCardError:
        return Availability(Presence.UNKNOWN, Presence.UNKNOWN)
