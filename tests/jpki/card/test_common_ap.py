# SPDX-License-Identifier: Apache-2.0
"""共通カードAP and 住基AP beyond the card record: key references, internal authentication."""

from __future__ import annotations

import pytest

from card_bench import opened
from card_script import ScriptedConnection, line
from jpki.card import Card
from jpki.card.common_ap import check_internal_authentication
from jpki.card.cv_certificate import signature_fits
from jpki.card.records import RsaNumbers
from jpki.card_map import COMMON_AP, JUKI_AP, FileKind
from jpki.emulator import EmulatedCard
from jpki.errors import CardDataError
from jpki.messages import LANGUAGES, text
from jpki.synth import card_key
from jpki.verdict import Outcome
from jpki_apdu.errors import StatusWordError

SELECT = "00A4040C0AD3921000310001010100"
REFERENCE = "39303030303234 0805 303031 00000000"


def common_key(slot: int) -> RsaNumbers:
    numbers = card_key(slot, "common").public_key().public_numbers()
    return RsaNumbers(numbers.n, numbers.e)


def test_both_applications_name_the_same_key(hanako: EmulatedCard) -> None:
    with opened(hanako) as card:
        assert card.common.key_reference().name == card.juki.key_reference() == "9000024/001"


@pytest.mark.parametrize("length", range(16))
def test_a_cut_key_reference(length: int) -> None:
    reply = bytes.fromhex(REFERENCE)[:length].hex() + "9000"
    script = [(SELECT, "9000"), ("00B0820010", reply)]
    script += [(f"00B000{length:02X}{16 - length:02X}", "6B00")] if length else []
    card = Card(ScriptedConnection([line(*one) for one in script]))
    with pytest.raises(CardDataError) as caught:
        card.common.key_reference()
    assert caught.value.values["reason"] == "truncated"


def test_internal_authentication_needs_no_pin(hanako: EmulatedCard) -> None:
    """``00 88 00 99``: RSASSA-PKCS1-v1_5 with SHA-256 over the challenge, the same every time."""
    with opened(hanako) as card:
        answer = card.common.internal_authenticate(b"a challenge")
        assert answer == card.common.internal_authenticate(b"a challenge")
    assert len(answer) == 256
    assert signature_fits(common_key(0), answer, b"a challenge")
    assert hanako.apdus == 3


def test_the_command_as_it_is_sent() -> None:
    script = [(SELECT, "9000"), ("0088009903AABBCC00", "01029000")]
    card = Card(ScriptedConnection([line(*one) for one in script]))
    assert card.common.internal_authenticate(bytes.fromhex("AABBCC")) == b"\x01\x02"


@pytest.mark.parametrize("size", [0, 256])
def test_sizes_that_are_not_sent(size: int) -> None:
    card = Card(ScriptedConnection([]))
    with pytest.raises(ValueError, match="1 to 255"):
        card.common.internal_authenticate(bytes(size))


def test_without_the_public_key_nothing_is_sent_and_nothing_is_said() -> None:
    connection = ScriptedConnection([])
    check = check_internal_authentication(Card(connection).common)
    assert (check.outcome, check.code) == (Outcome.CANNOT_TELL, "key_not_public")
    assert connection.sent == []


@pytest.mark.parametrize(
    ("slot", "outcome", "code"),
    [
        (0, Outcome.VALID, "internal_authentication_right"),
        (1, Outcome.INVALID, "internal_authentication_wrong"),
    ],
)
def test_with_a_key_from_elsewhere(
    hanako: EmulatedCard, slot: int, outcome: Outcome, code: str
) -> None:
    with opened(hanako) as card:
        check = check_internal_authentication(card.common, common_key(slot))
    assert (check.outcome, check.code) == (outcome, code)


def test_a_card_that_refuses() -> None:
    class Refusing(ScriptedConnection):
        def transmit(self, apdu: bytes | bytearray):  # type: ignore[no-untyped-def]
            from jpki_apdu.status import StatusWord

            return b"", StatusWord(0x9000 if apdu[1] == 0xA4 else 0x6985)

    card = Card(Refusing([]))
    check = check_internal_authentication(card.common, common_key(0))
    assert (check.outcome, check.code) == (Outcome.CANNOT_TELL, "challenge_unanswered")
    with pytest.raises(StatusWordError):
        card.common.internal_authenticate(b"x")


# What of the two applications is read, and what is not, and why.
READ = {
    ("common", 0x0001): "CommonAp.card_record",
    ("common", 0x0002): "CommonAp.key_reference",
    ("common", 0x0019): "CommonAp.internal_authenticate",
    ("juki", 0x0002): "JukiAp.key_reference",
}
NOT_READ = {
    ("common", 0x001C): "a PIN: pin status",
    ("common", 0x001E): "answers a retry query; what it guards nobody knows [MC]",
    ("juki", 0x001C): "a PIN: pin status",
}


def test_every_file_of_both_is_accounted_for() -> None:
    files = {(a.name, fid): entry for a in (COMMON_AP, JUKI_AP) for fid, entry in a.files.items()}
    assert set(files) == set(READ) | set(NOT_READ)
    assert {files[key].kind for key in NOT_READ} == {FileKind.PIN}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_words(lang: str) -> None:
    assert text("check.internal_authentication", lang)
    assert text("reason.key_not_public", lang)
