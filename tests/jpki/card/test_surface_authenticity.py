# SPDX-License-Identifier: Apache-2.0
"""Whether records of the surface application are genuine; no altered byte that is signed passes."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from card_files import CA_ID, Keys, cv_file
from card_script import ScriptedConnection, line
from jpki.card.authenticity import CvKeys, VerifiedKey, check_card_present
from jpki.card.cv_certificate import parse_cv_certificate
from jpki.card.jpki_ap import sha256_digest_info
from jpki.card.records import RsaNumbers
from jpki.card.surface_authenticity import (
    PRESENT,
    SurfaceEvidence,
    SurfaceResult,
    check_surface,
    segments_fit,
)
from jpki.card.surface_records import parse_age, parse_face, parse_number_image
from jpki.card_map import SURFACE_AP
from jpki.errors import CardDataError
from jpki.verdict import Outcome
from jpki_apdu.channel import Channel
from surface_card_files import (
    SURFACE_CA_ID,
    age_file,
    face_file,
    number_image_file,
    raw_sign,
    segment_block,
    surface_cv_file,
    trusted,
)

Files = dict[str, bytes]
SIGNED = {"0001": "surface_age", "0002": "surface_face", "0005": "surface_number"}


@pytest.fixture(scope="module")
def files(keys: Keys) -> Files:
    return {
        "0001": age_file(keys.city, keys.ap),
        "0002": face_file(keys.city, keys.ap),
        "0004": surface_cv_file(keys),
        "0005": number_image_file(keys.city, keys.ap),
    }


def evidence(files: Files) -> SurfaceEvidence:
    return SurfaceEvidence(
        cv_certificate=parse_cv_certificate(files["0004"], "surface"),
        face=parse_face(files["0002"]) if "0002" in files else None,
        age=parse_age(files["0001"]) if "0001" in files else None,
        number_image=parse_number_image(files["0005"]) if "0005" in files else None,
    )


def checked(files: Files, ca_keys: CvKeys) -> SurfaceResult:
    return check_surface(evidence(files), ca_keys)


def numbers(key: rsa.RSAPrivateKey) -> RsaNumbers:
    public = key.public_key().public_numbers()
    return RsaNumbers(public.n, public.e)


def codes(result: SurfaceResult) -> dict[str, tuple[str, str]]:
    return {check.name: (check.outcome.value, check.code) for check in result.checks}


def test_genuine(files: Files, keys: Keys) -> None:
    result = checked(files, trusted(keys))
    assert codes(result) == {
        "surface_face": ("valid", "record_genuine"),
        "surface_age": ("valid", "record_genuine"),
        "surface_number": ("valid", "record_genuine"),
        "surface_keys": ("valid", "surface_keys_agree"),
    }
    assert dict(result.checks[0].values) == {"municipality": "1322121/000", "ca": "9000023/001"}
    assert result.key == VerifiedKey(numbers(keys.ap), "surface")
    assert result.binds_person
    assert result.key_problem is None


@pytest.mark.parametrize(("file", "name"), SIGNED.items())
def test_each_alone(files: Files, keys: Keys, file: str, name: str) -> None:
    result = checked({file: files[file], "0004": files["0004"]}, trusted(keys))
    assert codes(result) == {name: ("valid", "record_genuine")}
    assert result.binds_person is (file == "0002")


def test_nothing_read_proves_nothing(files: Files, keys: Keys) -> None:
    result = checked({"0004": files["0004"]}, trusted(keys))
    assert result.checks == ()
    assert result.key is None
    assert result.key_problem is not None
    assert (result.key_problem.name, result.key_problem.code) == (PRESENT, "no_verified_key")
    assert result.key_problem.outcome is Outcome.CANNOT_TELL


def test_chains_that_prove_nothing(files: Files, keys: Keys) -> None:
    unknown = checked(files, {})
    assert set(codes(unknown).values()) == {("cannot_tell", "cv_unknown_key")}
    assert unknown.key is None
    assert unknown.key_problem is not None
    assert unknown.key_problem.values == unknown.checks[0].values != {}
    # A CV certificate under the text application's CA is for the text application.
    other = files | {"0004": cv_file(keys.ca, keys.city, CA_ID)}
    wrong = checked(other, {CA_ID: trusted(keys)[SURFACE_CA_ID]})
    assert set(codes(wrong).values()) == {("cannot_tell", "cv_wrong_chain")}
    forged = checked(files | {"0004": surface_cv_file(keys, keys.other)}, trusted(keys))
    assert set(codes(forged).values()) == {("invalid", "cv_signature_wrong")}
    assert forged.key_problem is not None
    assert forged.key_problem.outcome is Outcome.INVALID


def test_records_signed_by_another_key(files: Files, keys: Keys) -> None:
    made = {
        "0001": age_file(keys.other, keys.ap),
        "0002": face_file(keys.other, keys.ap),
        "0005": number_image_file(keys.other, keys.ap),
    }
    for file, name in SIGNED.items():
        result = checked(files | {file: made[file]}, trusted(keys))
        assert codes(result)[name] == ("invalid", "record_signature_wrong")
    assert checked(made | {"0004": files["0004"]}, trusted(keys)).key is None


def test_a_key_from_another_record_when_the_face_is_forged(files: Files, keys: Keys) -> None:
    result = checked(files | {"0002": face_file(keys.other, keys.other)}, trusted(keys))
    assert result.key == VerifiedKey(numbers(keys.ap), "surface")
    assert not result.binds_person
    assert codes(result)["surface_keys"] == ("invalid", "surface_keys_differ")


def test_records_of_two_cards(files: Files, keys: Keys) -> None:
    mixed = checked(files | {"0001": age_file(keys.city, keys.other)}, trusted(keys))
    assert codes(mixed)["surface_age"] == ("valid", "record_genuine")
    assert codes(mixed)["surface_keys"] == ("invalid", "surface_keys_differ")


# The signature over 96 bytes.


def segments(files: Files) -> tuple[bytes, bytes, bytes]:
    return parse_face(files["0002"]).segments


def test_the_block_is_the_documented_one(files: Files, keys: Keys) -> None:
    # [MC]: 0001 FF.. 00, 3071300D060960864801650304020105000460, three SHA-256.
    record = parse_face(files["0002"])
    public = keys.city.public_key()
    n, e = public.public_numbers().n, public.public_numbers().e
    opened = pow(int.from_bytes(record.signature, "big"), e, n).to_bytes(256, "big")
    assert opened[:3].hex() == "0001ff"
    assert opened[-116:-96].hex() == "00" + "3071300d060960864801650304020105000460"
    assert opened[-96:] == b"".join(hashlib.sha256(s).digest() for s in record.segments)
    # cryptography's own reading of the same signature: SHA-256 named, 96 bytes of digest.
    recovered = public.recover_data_from_signature(record.signature, padding.PKCS1v15(), None)
    assert recovered == opened[-115:]
    assert segments_fit(numbers(keys.city), record.signature, record.segments)


def _without_null(info: bytes) -> bytes:
    """The same DigestInfo with the NULL after the hash's name left out."""
    return b"\x30\x6f\x30\x0b" + info[4:15] + info[17:]


def _blocks(right: bytes) -> dict[str, bytes]:
    info = right[-115:]
    return {
        "short padding": b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + bytes(130),
        "garbage before": b"\x00\x01" + b"\xff" * 40 + b"\x00" + bytes(98) + info,
        "type 2": b"\x00\x02" + right[2:],
        "zero in the padding": right[:50] + b"\x00" + right[51:],
        "leading byte": b"\x01" + right[1:],
        "no parameters": right[:3] + b"\xff\xff" + right[3:-115] + _without_null(info),
        "another hash named": right.replace(
            bytes.fromhex("0304020105"), bytes.fromhex("0304020205")
        ),
        "digests swapped": right[:-96] + right[-64:-32] + right[-96:-64] + right[-32:],
        "one digest thrice": right[:-96] + right[-32:] * 3,
    }


@pytest.mark.parametrize("name", sorted(_blocks(bytes(256))))
def test_other_blocks_do_not_pass(files: Files, keys: Keys, name: str) -> None:
    parts = segments(files)
    right = segment_block(parts)
    wrong = _blocks(right)[name]
    assert len(wrong) == 256
    assert wrong != right
    key = numbers(keys.city)
    if int.from_bytes(wrong, "big") < key.n:
        assert not segments_fit(key, raw_sign(keys.city, wrong), parts)
    assert segments_fit(key, raw_sign(keys.city, right), parts)


def test_usual_signatures_do_not_pass_for_it(files: Files, keys: Keys) -> None:
    parts = segments(files)
    key = numbers(keys.city)
    for data in (b"".join(parts), b"".join(hashlib.sha256(p).digest() for p in parts)):
        made = keys.city.sign(data, padding.PKCS1v15(), hashes.SHA256())
        assert not segments_fit(key, made, parts)


def test_numbers_outside_the_key(files: Files, keys: Keys) -> None:
    parts, key = segments(files), numbers(keys.city)
    right = int.from_bytes(parse_face(files["0002"]).signature, "big")
    beyond = right + key.n
    if beyond.bit_length() <= 2048:
        assert not segments_fit(key, beyond.to_bytes(256, "big"), parts)
    longer = right.to_bytes(257, "big")  # the same number
    for signature in (b"", bytes(255), bytes(256), bytes(257), b"\xff" * 256, longer):
        assert not segments_fit(key, signature, parts)


# Every byte.


def unsigned_places(data: bytes) -> range:
    """EF 0002 behind the signature: expiry and image of the security code."""
    return range(data.index(b"\xdf\x29\x08"), len(data))


@pytest.mark.parametrize("file", ["0001", "0002", "0004", "0005"])
def test_every_altered_byte(files: Files, keys: Keys, file: str) -> None:
    """Signed: never valid. Structure: a typed error. Issuer key id: cannot_tell.

    What is not signed changes no outcome.
    """
    seen = {"invalid": 0, "cannot_tell": 0, "error": 0, "valid": 0}
    ca_keys = trusted(keys)
    for place in range(len(files[file])):
        for bit in (0x01, 0x80):
            changed = bytearray(files[file])
            changed[place] ^= bit
            outcome = _outcome(files | {file: bytes(changed)}, ca_keys, SIGNED.get(file))
            seen[outcome] += 1
            if outcome == "valid":
                assert file == "0002", place
                assert place in unsigned_places(files[file]), place
            if outcome == "cannot_tell":
                assert file == "0004", place
                assert place - files[file].index(SURFACE_CA_ID) < 16, place
    assert seen["invalid"] > 400
    assert seen["error"] > 10
    assert bool(seen["valid"]) is (file == "0002")
    assert bool(seen["cannot_tell"]) is (file == "0004")


def _outcome(files: Files, ca_keys: CvKeys, name: str | None) -> str:
    try:
        result = checked(files, ca_keys)
    except CardDataError:
        return "error"
    if name is None:  # the CV certificate decides on all of them
        outcomes = {check.outcome.value for check in result.checks if check.name in SIGNED.values()}
        assert len(outcomes) == 1
        return outcomes.pop()
    return codes(result)[name][0]


# The challenge.


def test_the_card_answers_with_the_key_of_its_face(
    files: Files, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = bytes(range(32))
    monkeypatch.setattr("os.urandom", lambda size: challenge[:size])
    command = "802A000033" + sha256_digest_info(challenge).hex() + "00"
    key = checked(files, trusted(keys)).key
    for signer, outcome in ((keys.ap, Outcome.VALID), (keys.other, Outcome.INVALID)):
        answer = signer.sign(challenge, padding.PKCS1v15(), hashes.SHA256())
        connection = ScriptedConnection(
            [
                line("00A4040C0AD3921000310001010402", "9000"),
                (bytes.fromhex(command), answer + b"\x90\x00"),
            ]
        )
        check = check_card_present(Channel(connection), SURFACE_AP, key, name=PRESENT)
        assert (check.name, check.outcome) == (PRESENT, outcome)
        assert connection.used_up
