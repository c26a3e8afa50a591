# SPDX-License-Identifier: Apache-2.0
"""Whether records are genuine: every way to be wrong, and no altered byte that passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from card_files import (
    CA_ID,
    Keys,
    ap_key_file,
    attributes_file,
    cv_file,
    digests_file,
    number_file,
    sign,
)
from card_script import ScriptedConnection, line
from jpki.card import authenticity
from jpki.card.authenticity import TextEvidence, TextResult, VerifiedKey, check_card_present
from jpki.card.cv_certificate import parse_cv_certificate
from jpki.card.jpki_ap import sha256_digest_info
from jpki.card.records import RsaNumbers
from jpki.card.text_records import parse_ap_key, parse_attributes, parse_digests, parse_number
from jpki.card_map import SURFACE_AP, TEXT_AP
from jpki.errors import CardDataError
from jpki.verdict import Check, Outcome
from jpki_apdu.channel import Channel
from jpki_apdu.errors import CardRemovedError, MalformedResponseError, TransportError

SELECT_TEXT = "00A4040C0AD3921000310001010408"
CHALLENGE = bytes(range(32))
Files = dict[str, bytes]


@pytest.fixture(scope="session")
def files(keys: Keys) -> Files:
    """One card's files by id."""
    number, attributes = number_file(), attributes_file()
    return {
        "0001": number,
        "0002": attributes,
        "0003": digests_file(keys.city, number, attributes[14:]),
        "0004": cv_file(keys.ca, keys.city),
        "0007": ap_key_file(keys.city, keys.ap),
    }


def evidence(files: Files) -> TextEvidence:
    return TextEvidence(
        cv_certificate=parse_cv_certificate(files["0004"], "text"),
        digests=parse_digests(files["0003"]),
        attributes=parse_attributes(files["0002"]),
        number=parse_number(files["0001"]),
        ap_key=parse_ap_key(files["0007"]),
    )


def checked(files: Files, keys: Keys) -> TextResult:
    return authenticity.check_text(evidence(files), keys.trusted)


def codes(result: TextResult) -> list[tuple[str, str]]:
    return [(str(check.outcome), check.code) for check in result.checks]


def test_genuine(files: Files, keys: Keys) -> None:
    result = checked(files, keys)
    assert codes(result) == [("valid", "text_data_genuine"), ("valid", "number_genuine")]
    values = {"municipality": "1322121/000", "ca": "9000033/001"}
    assert [dict(check.values) for check in result.checks] == [values, values]
    assert [check.name for check in result.checks] == ["text_data", "text_number"]
    assert result.key is not None
    assert result.key.key == numbers(keys.ap)
    assert result.key_problem is None


def numbers(key: rsa.RSAPrivateKey) -> RsaNumbers:
    public = key.public_key().public_numbers()
    return RsaNumbers(public.n, public.e)


def test_what_was_not_read_is_not_run(files: Files, keys: Keys) -> None:
    bare = replace(evidence(files), attributes=None, number=None, ap_key=None)
    result = authenticity.check_text(bare, keys.trusted)
    assert codes(result) == [("not_run", "attributes_not_read"), ("not_run", "number_not_read")]
    assert result.key is None
    assert result.key_problem is not None
    assert result.key_problem.outcome is Outcome.CANNOT_TELL
    assert result.key_problem.code == "no_verified_key"


@pytest.mark.parametrize("trusted", [{}, {CA_ID[:-1] + b"\xa8": (3, 3)}])
def test_an_unknown_ca_key_proves_nothing(
    files: Files, trusted: dict[bytes, tuple[int, int]]
) -> None:
    result = authenticity.check_text(evidence(files), trusted)
    assert codes(result) == [("cannot_tell", "cv_unknown_key")] * 2
    assert result.key is None
    assert result.key_problem is not None
    assert (result.key_problem.name, result.key_problem.code) == ("card_present", "cv_unknown_key")


def test_a_ca_key_of_another_application_proves_nothing(files: Files, keys: Keys) -> None:
    issuer = CA_ID.replace(b"33", b"23")
    changed = files | {"0004": cv_file(keys.ca, keys.city, issuer=issuer)}
    result = authenticity.check_text(evidence(changed), {issuer: keys.trusted[CA_ID]})
    assert codes(result) == [("cannot_tell", "cv_wrong_chain")] * 2
    assert result.key is None


@pytest.mark.parametrize(
    ("file", "made_by", "expected", "key"),
    [
        ("0004", "cv", ["cv_signature_wrong", "cv_signature_wrong"], "cv_signature_wrong"),
        ("0003", "digests", ["digest_signature_wrong", "digest_signature_wrong"], None),
        ("0002", "attributes", ["digest_mismatch", "number_genuine"], None),
        ("0001", "number", ["text_data_genuine", "digest_mismatch"], None),
        ("0007", "key", ["text_data_genuine", "number_genuine"], "ap_key_signature_wrong"),
    ],
)
def test_each_forgery_has_its_reason(
    files: Files, keys: Keys, file: str, made_by: str, expected: list[str], key: str | None
) -> None:
    forged = {
        "cv": lambda: cv_file(keys.other, keys.city),
        "digests": lambda: digests_file(keys.other, files["0001"], files["0002"][14:]),
        "attributes": lambda: attributes_file(name="番号\u3000太郎"),
        "number": lambda: number_file("537686677189"),
        "key": lambda: ap_key_file(keys.other, keys.other),
    }[made_by]()
    result = checked(files | {file: forged}, keys)
    assert [check.code for check in result.checks] == expected
    for check in result.checks:
        assert (check.outcome is Outcome.VALID) == check.code.endswith("genuine")
    assert (result.key_problem and result.key_problem.code) == key
    assert (result.key_problem and result.key_problem.outcome) == (key and Outcome.INVALID)
    assert (result.key is None) == (key is not None)


def test_a_forged_chain_is_said_also_where_no_key_was_read(files: Files, keys: Keys) -> None:
    forged = files | {"0004": cv_file(keys.other, keys.city)}
    result = authenticity.check_text(replace(evidence(forged), ap_key=None), keys.trusted)
    assert result.key_problem is not None
    assert result.key_problem.code == "cv_signature_wrong"
    assert result.key_problem.outcome is Outcome.INVALID


def test_a_signed_number_with_a_wrong_check_digit(files: Files, keys: Keys) -> None:
    number = number_file("537686677189")
    digests = digests_file(keys.city, number, files["0002"][14:])
    result = checked(files | {"0001": number, "0003": digests}, keys)
    assert codes(result)[1] == ("invalid", "number_check_digit")


@pytest.mark.parametrize("file", ["0001", "0002", "0003", "0004", "0007"])
def test_no_altered_byte_passes(files: Files, keys: Keys, file: str) -> None:
    """Every byte of every file, each of two bits: refused, unreadable or without a key."""
    survived = []
    for place in range(len(files[file])):
        for bit in (0x01, 0x80):
            changed = bytearray(files[file])
            changed[place] ^= bit
            try:
                result = checked(files | {file: bytes(changed)}, keys)
            except CardDataError:
                continue
            whole = all(check.outcome is Outcome.VALID for check in result.checks)
            if whole and result.key is not None:
                survived.append(place)
    assert not survived


# The challenge.


@pytest.fixture(autouse=True)
def _known_challenge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", lambda size: CHALLENGE[:size])


def challenge(answer: bytes | Exception) -> ScriptedConnection:
    info = sha256_digest_info(CHALLENGE).hex()
    return ScriptedConnection(
        [
            line(SELECT_TEXT, "9000"),
            (bytes.fromhex("802A000033" + info + "00"), answer),
        ]
    )


def present(connection: ScriptedConnection, key: VerifiedKey | None) -> Check:
    return check_card_present(Channel(connection), TEXT_AP, key)


def test_a_card_that_answers(keys: Keys) -> None:
    connection = challenge(sign(keys.ap, CHALLENGE) + b"\x90\x00")
    check = present(connection, VerifiedKey(numbers(keys.ap), "text"))
    assert (check.name, check.outcome, check.code) == (
        "card_present",
        Outcome.VALID,
        "challenge_answered",
    )
    assert connection.used_up


@pytest.mark.parametrize("answer", ["other key", "other challenge", "long", "zeros"])
def test_a_card_that_answers_wrongly(keys: Keys, answer: str) -> None:
    right = sign(keys.ap, CHALLENGE)
    wrong = {
        "other key": sign(keys.other, CHALLENGE),
        "other challenge": sign(keys.ap, CHALLENGE + b"\0"),
        "long": right + b"\0",
        "zeros": bytes(256),
    }[answer]
    check = present(challenge(wrong + b"\x90\x00"), VerifiedKey(numbers(keys.ap), "text"))
    assert (check.outcome, check.code) == (Outcome.INVALID, "challenge_wrong")


def test_no_altered_byte_of_an_answer_passes(keys: Keys) -> None:
    right = sign(keys.ap, CHALLENGE)
    key = VerifiedKey(numbers(keys.ap), "text")
    for place in range(256):
        wrong = bytearray(right)
        wrong[place] ^= 0x10
        assert present(challenge(bytes(wrong) + b"\x90\x00"), key).outcome is Outcome.INVALID


@pytest.mark.parametrize("word", ["6982", "6A88", "6D00", "6F00"])
def test_a_card_that_refuses(keys: Keys, word: str) -> None:
    check = present(challenge(bytes.fromhex(word)), VerifiedKey(numbers(keys.ap), "text"))
    assert (check.outcome, check.code) == (Outcome.CANNOT_TELL, "challenge_unanswered")
    assert check.values["sw"] == word


def test_an_answer_that_did_not_arrive_whole(keys: Keys) -> None:
    """It is the reader or the link that cuts answers off: nothing is said against the card."""
    key = VerifiedKey(numbers(keys.ap), "text")
    right = sign(keys.ap, CHALLENGE)
    for answer in (b"", right[:128], right[:255]):
        check = present(challenge(answer + b"\x90\x00"), key)
        assert (check.outcome, check.code) == (Outcome.CANNOT_TELL, "challenge_incomplete")
    assert present(challenge(MalformedResponseError()), key).code == "challenge_incomplete"


def test_a_card_that_leaves(keys: Keys) -> None:
    with pytest.raises(TransportError):
        present(challenge(CardRemovedError()), VerifiedKey(numbers(keys.ap), "text"))


def test_without_a_verified_key_nothing_is_sent(keys: Keys) -> None:
    connection = ScriptedConnection([])
    check = present(connection, None)
    assert (check.outcome, check.code) == (Outcome.CANNOT_TELL, "no_verified_key")
    problem = Check("card_present", Outcome.INVALID, "ap_key_signature_wrong")
    assert check_card_present(Channel(connection), TEXT_AP, None, problem=problem) is problem
    assert not connection.events


def test_a_key_is_for_its_own_application(keys: Keys) -> None:
    key = VerifiedKey(numbers(keys.ap), "text")
    with pytest.raises(ValueError, match="another application"):
        check_card_present(Channel(ScriptedConnection([])), SURFACE_AP, key)
