# SPDX-License-Identifier: Apache-2.0
"""Secure messaging, the reader's side: a vector made by OpenSSL, the emulated card, tampering."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from card_script import ScriptedConnection, line
from jpki.card import Card, NumberPurpose, TextEvidence, check_text
from jpki.card.records import RsaNumbers
from jpki.card.secure_messaging import SecureMessaging
from jpki.card_map import JPKI_AP, TEXT_AP, PinKind
from jpki.emulator import VirtualConnection, load_card
from jpki.errors import CardDataError, SecureMessagingError
from jpki.messages import LANGUAGES, text
from jpki.synth import SynthPki
from jpki.verdict import Outcome
from jpki_apdu.channel import Channel
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import CardError, FileNotFoundOnCardError, StatusWordError
from jpki_apdu.status import StatusWord

PIN = b"1234"
SELECT_TEXT = line("00A4040C0AD3921000310001010408", "9000")


def fixed(size: int) -> bytes:
    """A seed that is the same each time, so that what tampering garbles is too."""
    return bytes(range(size))


class Link(VirtualConnection):
    """An emulated card whose replies and commands can be changed on their way.

    ``reply``: told each command and its reply, gives the reply that arrives. ``command``:
    gives the command that the card gets. ``seen``: every byte both ways.
    """

    def __init__(self, name: str = "hanako", limits: ReplyLimits | None = None) -> None:
        super().__init__(load_card(name), limits)
        self.seen: list[bytes] = []
        self.command: Callable[[bytes], bytes] = lambda apdu: apdu
        self.reply: Callable[[bytes, bytes], bytes] = lambda apdu, reply: reply

    def transmit(self, apdu: bytes | bytearray) -> tuple[bytes, StatusWord]:
        sent = self.command(bytes(apdu))
        data, sw = super().transmit(sent)
        whole = self.reply(sent, data + int(sw).to_bytes(2, "big"))
        self.seen += [sent, whole]
        return whole[:-2], StatusWord.from_bytes(whole[-2:])


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def card(link: Link) -> Card:
    """Text PIN presented, nothing more."""
    card = Card(link)
    card.pins.verify(PinKind.TEXT, bytearray(PIN))
    return card


def test_vector() -> None:
    """Ciphertext made with ``openssl enc``, key 00…0F, counters 1 to 4. Source: [MC] for the form.

    A file that ends within a block, and one that fills it: padding is always there.
    """
    connection = ScriptedConnection(
        [
            SELECT_TEXT,
            line("08A4020C13 861101 c102e0acb67aaba0e85bdfd63b3fb5b2", "9000"),
            line(
                "08B00000 000005 9603000000 0000",
                "862101 d99e65fa6017ce8a34503c0796418286702e72b66f9fc5dcfcf2e851d9163869 9000",
            ),
            line("08A4020C13 861101 cbfed4d48791919385bfbf6cc24a9abf", "9000"),
            line(
                "08B00000 000005 9603000000 0000",
                "862101 07ba4a4053b0d0fe6f0306d91f2b5694d4c7f6e3256baf2cd0775f3ab489202e 9000",
            ),
        ]
    )
    channel = Channel(connection)
    channel.select(TEXT_AP.aid)
    session = SecureMessaging(channel, TEXT_AP, bytes(range(16)))
    assert session.read_file("number", 17) == bytes.fromhex("ff100c353337363836363737313838ffff")
    assert session.read_file("basic-info") == bytes.fromhex("ff400e00112233445566778899aabbcc")
    assert connection.used_up


def everything(card: Card) -> list[object]:
    ap = card.text
    number = ap.number(NumberPurpose.own_card())
    return [ap.attributes(), ap.digests(), ap.basic_info(), ap.cv_certificate(), ap.ap_key(),
            ap.session_key(), number.physical]  # fmt: skip


def test_reads_what_is_read_in_the_clear(card: Card) -> None:
    clear = everything(card)
    card.text.begin_secure_messaging()
    before = card.channel.apdus
    assert everything(card) == clear
    assert card.channel.apdus - before == 2 * len(clear)
    card.text.end_secure_messaging()
    assert everything(card) == clear


def test_nothing_but_the_pin_is_in_the_clear(link: Link, card: Card) -> None:
    assert any(PIN in apdu for apdu in link.seen)  # before the session, as the card wants it
    card.text.begin_secure_messaging()
    link.seen.clear()
    attributes = card.text.attributes()
    number = card.text.number(NumberPurpose.own_card()).number.reveal()
    wire = b"".join(link.seen)
    for value in (attributes.name, attributes.address, "19800217", number):
        assert value.encode() not in wire
    assert all(apdu[0] == 0x08 for apdu in link.seen[::2])


def test_the_seed_is_new_each_time(link: Link, card: Card) -> None:
    def first() -> bytes:
        card.text.end_secure_messaging()
        card.text.begin_secure_messaging()
        link.seen.clear()
        card.text.basic_info()
        return link.seen[0]

    assert len({first() for _ in range(4)}) == 4


def test_a_refused_file_does_not_end_it(card: Card) -> None:
    """The counter grows with a command that fails, on both sides."""
    card.text.begin_secure_messaging()
    session = card.text._secure
    assert session is not None
    with pytest.raises(StatusWordError) as refused:
        session.read_file("ap-key")
    assert refused.value.sw == 0x6981
    assert session.is_open
    assert card.text.attributes().name


def test_an_absent_file_is_named(link: Link, card: Card) -> None:
    card.text.begin_secure_messaging()
    link.reply = lambda apdu, reply: b"\x6a\x82" if apdu[1] == 0xA4 else reply
    with pytest.raises(FileNotFoundOnCardError) as absent:
        card.text.attributes()
    assert absent.value.code == "file_absent"
    assert absent.value.values["record"] == "attributes"


@pytest.mark.parametrize("end", ["other", "same", "power"])
def test_what_ends_a_session(card: Card, end: str) -> None:
    """Never in the clear after that: not before it is asked for, and not without the PIN."""
    card.text.begin_secure_messaging()
    card.text.attributes()
    if end == "power":
        card.channel.power_off()
    else:
        card.channel.select(JPKI_AP.aid)
    if end == "same":
        card.channel.select(TEXT_AP.aid)
    for _ in range(2):
        with pytest.raises(SecureMessagingError) as over:
            card.text.attributes()
        assert over.value.code == "sm_ended"
    with pytest.raises(SecureMessagingError) as again:
        card.text.begin_secure_messaging()
    assert again.value.code == "sm_needs_pin"
    card.pins.verify(PinKind.TEXT, bytearray(PIN))
    card.text.begin_secure_messaging()
    assert card.text.attributes().name


def test_needs_the_text_pin() -> None:
    card = Card(Link())
    with pytest.raises(SecureMessagingError, match="sm_needs_pin"):
        card.text.begin_secure_messaging()
    card.pins.verify(PinKind.NUMBER_A, bytearray(b"537686677188"), application=TEXT_AP)
    with pytest.raises(SecureMessagingError, match="sm_needs_pin"):
        card.text.begin_secure_messaging()
    # Not begun: what the reference number opens is still read, in the clear.
    assert card.text.number(NumberPurpose.own_card()).number.check_digit_ok


def test_needs_extended_length() -> None:
    link = Link(limits=ReplyLimits(256, 0))
    card = Card(link)
    card.pins.verify(PinKind.TEXT, bytearray(PIN))
    sent = len(link.seen)
    with pytest.raises(SecureMessagingError, match="sm_needs_extended"):
        card.text.begin_secure_messaging()
    assert len(link.seen) == sent


BEGIN = [
    ("66F1", "sm_not_supported"), ("6D00", "sm_not_supported"), ("6E00", "sm_not_supported"),
    ("6882", "sm_not_supported"), ("6982", "sm_needs_pin"), ("6A80", "sm_refused"),
    ("6F00", "sm_refused"), ("6700", "sm_refused"),
]  # fmt: skip
LATER = [
    ("6987", "sm_objects_missing"), ("6988", "sm_objects_wrong"), ("69FC", "sm_ended"),
    ("6882", "sm_ended"),
]  # fmt: skip


@pytest.mark.parametrize(("sw", "code"), BEGIN)
def test_refusals_at_the_beginning(link: Link, card: Card, sw: str, code: str) -> None:
    link.reply = lambda apdu, reply: bytes.fromhex(sw) if apdu[1] == 0xAE else reply
    with pytest.raises(SecureMessagingError) as refused:
        card.text.begin_secure_messaging()
    assert (refused.value.code, refused.value.values["sw"]) == (code, sw)


@pytest.mark.parametrize(("sw", "code"), LATER)
@pytest.mark.parametrize("ins", [0xA4, 0xB0])
def test_refusals_later(link: Link, card: Card, ins: int, sw: str, code: str) -> None:
    card.text.begin_secure_messaging()
    link.reply = lambda apdu, reply: bytes.fromhex(sw) if apdu[1] == ins else reply
    with pytest.raises(SecureMessagingError) as refused:
        card.text.attributes()
    assert refused.value.code == code
    sent = len(link.seen)
    with pytest.raises(SecureMessagingError, match="sm_ended"):
        card.text.attributes()
    assert len(link.seen) == sent


@pytest.mark.parametrize("key", [RsaNumbers(2**1023 + 1, 65537), RsaNumbers(2**2047 + 1, 4)])
def test_a_key_that_is_none(link: Link, key: RsaNumbers) -> None:
    with pytest.raises(SecureMessagingError, match="sm_bad_key"):
        SecureMessaging.begin(Channel(link), TEXT_AP, key, fixed)
    assert link.seen == []


def test_the_card_takes_the_key_of_ef_0006_only(card: Card) -> None:
    """A seed under another key is refused by the card: 6A80."""
    other = SynthPki().municipality_key("13221").public_key().public_numbers()
    with pytest.raises(SecureMessagingError) as refused:
        SecureMessaging.begin(card.channel, TEXT_AP, RsaNumbers(other.n, other.e), fixed)
    assert refused.value.code in ("sm_refused", "sm_not_supported")


def evidence(card: Card) -> TextEvidence:
    ap = card.text
    return TextEvidence(ap.cv_certificate(), ap.digests(), ap.attributes(), None, ap.ap_key())


def test_every_altered_byte_of_a_reply(link: Link, card: Card) -> None:
    """There is no MAC: what the form does not tell, the municipality's signature does."""
    clear = evidence(card)
    keys = SynthPki().cv_ca_keys()
    assert check_text(clear, keys).checks[0].outcome is Outcome.VALID
    size, unnoticed = 1, 0
    at = 0
    while at < size:
        card.text.begin_secure_messaging(fixed)

        def flipped(apdu: bytes, reply: bytes, at: int = at) -> bytes:
            nonlocal size
            if apdu[:2] != b"\x08\xb0":
                return reply
            size = len(reply) - 2
            return reply[:at] + bytes((reply[at] ^ 0x01,)) + reply[at + 1 :]

        link.reply = flipped
        try:
            altered = card.text.attributes()
        except (SecureMessagingError, CardDataError):
            pass
        else:
            unnoticed += 1
            found = TextEvidence(clear.cv_certificate, clear.digests, altered, None, clear.ap_key)
            assert check_text(found, keys).checks[0].outcome is not Outcome.VALID
        card.text.end_secure_messaging()
        at += 1
        link.reply = lambda apdu, reply: reply
    assert size > 100
    assert unnoticed < size // 4


def test_every_truncated_reply(link: Link, card: Card) -> None:
    card.text.begin_secure_messaging(fixed)
    link.seen.clear()
    card.text.attributes()
    whole = link.seen[-1]
    for size in range(len(whole) - 2):
        card.text.begin_secure_messaging(fixed)

        def cut(apdu: bytes, reply: bytes, size: int = size) -> bytes:
            return reply[:size] + reply[-2:] if apdu[:2] == b"\x08\xb0" else reply

        link.reply = cut
        with pytest.raises((SecureMessagingError, CardDataError)):
            card.text.attributes()
        card.text.end_secure_messaging()
        link.reply = lambda apdu, reply: reply


def test_every_altered_byte_of_a_command(link: Link, card: Card) -> None:
    """The card ends the session, or selects nothing that could pass for the record."""
    for at in range(5, 24):
        card.text.begin_secure_messaging(fixed)

        def flipped(apdu: bytes, at: int = at) -> bytes:
            if apdu[:2] != b"\x08\xa4":
                return apdu
            return apdu[:at] + bytes((apdu[at] ^ 0x01,)) + apdu[at + 1 :]

        link.command = flipped
        with pytest.raises(CardError):
            card.text.attributes()
        card.text.end_secure_messaging()
        link.command = lambda apdu: apdu


@pytest.mark.parametrize(
    "reply", ["8711", "861102", "861001", "8601 01", "8600", "86", "8611 01", "04"]
)
def test_replies_of_the_wrong_form(link: Link, card: Card, reply: str) -> None:
    card.text.begin_secure_messaging()
    body = bytes.fromhex(reply) + bytes(16) * (len(reply) == 4 or reply == "861102")
    link.reply = lambda apdu, good: body + b"\x90\x00" if apdu[1] == 0xB0 else good
    with pytest.raises(SecureMessagingError, match="sm_garbled"):
        card.text.attributes()


def test_an_empty_reply_is_an_empty_file(link: Link, card: Card) -> None:
    card.text.begin_secure_messaging()
    link.reply = lambda apdu, reply: b"\x90\x00" if apdu[1] == 0xB0 else reply
    with pytest.raises(CardDataError):
        card.text.attributes()


CODES = {code for _, code in BEGIN + LATER} | {"sm_needs_extended", "sm_bad_key", "sm_garbled"}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", sorted(CODES))
def test_words(code: str, lang: str) -> None:
    words = text(f"error.{code}", lang, sw="6988")
    assert words
    assert "{" not in words
