# SPDX-License-Identifier: Apache-2.0
"""OCSP answers: who may give them, what they are about, how old they are.

Traps with a source: [BoringSSL] and [OpenSSL] test suites, where other validators fell in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509.ocsp import load_der_ocsp_request

from der_edit import Item, decode, resigned_answer
from jpki.certificate import Environment, Family, parse_certificate
from jpki.errors import RevocationDataError
from jpki.synth import ocsp as synth_ocsp
from jpki.synth.keystore import stored_key
from jpki.synth.municipalities import KIYOSE
from jpki.synth.pki import SynthPki
from jpki.validation import OcspAnswer, TrustStore, Validator, build_ocsp_request
from jpki.validation.ocsp import parse_ocsp
from jpki.verdict import Check, Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]
CASES = [(family, generation) for family in Family for generation in (2, 3)]


def check(validator: Validator, certificate: bytes) -> Check:
    found = validator.validate(certificate).check("revocation")
    assert found is not None
    return found


def result(validator: Validator, certificate: bytes) -> tuple[Outcome, str]:
    found = check(validator, certificate)
    return found.outcome, found.code


@pytest.fixture(scope="module")
def certificate(make: Make) -> bytes:
    return make(Family.AUTH)


@pytest.mark.parametrize(("family", "generation"), CASES)
@pytest.mark.parametrize("responder", ["delegated", "ca"])
@pytest.mark.parametrize("cert_id_hash", ["sha1", "sha256"])
def test_good_and_revoked(
    validator: Build,
    pki: SynthPki,
    make: Make,
    family: Family,
    generation: int,
    responder: str,
    cert_id_hash: str,
) -> None:
    data = make(family, generation)

    def respond(status: str, reason: int | None = None) -> bytes:
        return pki.ocsp_response(
            data, status, reason=reason, responder=responder, cert_id_hash=cert_id_hash
        )

    good = check(validator(ocsp=[respond("good")]), data)
    assert (good.outcome, good.code) == (Outcome.VALID, "ocsp_good")
    assert good.values["this_update"] == "2026-11-21T00:00:00Z"
    answer = respond("revoked", 6)
    found = check(validator(ocsp=[answer]), data)
    assert (found.outcome, found.code) == (Outcome.INVALID, "revoked")
    assert dict(found.values) == {
        "reason": "certificate_hold",
        "date": "2026-11-20T00:00:00Z",
        "source": "ocsp",
    }


@pytest.mark.parametrize(("family", "generation"), CASES)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"status": "unknown"}, "ocsp_unknown"),
        ({"responder": "other-generation"}, "ocsp_responder"),
        ({"responder": "no-eku"}, "ocsp_responder"),
        ({"responder": "expired"}, "ocsp_responder"),
        ({"responder": "no-certificate"}, "ocsp_responder"),
        ({"responder": "rogue"}, "ocsp_responder"),
        ({"damage_signature": True}, "ocsp_signature"),
        ({"damage_signature": True, "responder": "ca"}, "ocsp_signature"),
        ({"serial": 0x1234}, "ocsp_other_certificate"),
        ({"next_update": datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)}, "ocsp_stale"),
        (
            {
                "this_update": datetime(2026, 11, 21, 0, 1, 1, tzinfo=UTC),
                "next_update": datetime(2026, 11, 22, tzinfo=UTC),
            },
            "ocsp_future",
        ),
        ({"produced_at": datetime(2026, 11, 21, 0, 1, 1, tzinfo=UTC)}, "ocsp_future"),
    ],
)
def test_unusable(
    validator: Build,
    pki: SynthPki,
    make: Make,
    family: Family,
    generation: int,
    wrong: dict[str, object],
    code: str,
) -> None:
    data = make(family, generation)
    options: dict[str, object] = {"status": "good", **wrong}
    answer = pki.ocsp_response(data, **options)  # type: ignore[arg-type]
    assert result(validator(ocsp=[answer]), data) == (Outcome.CANNOT_TELL, code)


def test_about_another_family_or_generation(validator: Build, pki: SynthPki, make: Make) -> None:
    serial = 0x0700ABCD
    certificates = [make(f, g, serial=serial) for f, g in CASES]
    for asked in certificates:
        answers = [pki.ocsp_response(c, "good") for c in certificates if c != asked]
        assert result(validator(ocsp=answers), asked)[1] == "ocsp_other_certificate"
        full = [*answers, pki.ocsp_response(asked, "good")]
        assert result(validator(ocsp=full), asked)[1] == "ocsp_good"


@pytest.mark.parametrize("word", ["tryLater", "internalError", "unauthorized", "malformedRequest"])
def test_refusals(validator: Build, certificate: bytes, word: str) -> None:
    answer = synth_ocsp.error(word)
    assert result(validator(ocsp=[answer]), certificate) == (Outcome.CANNOT_TELL, "ocsp_refused")


def test_nonce(validator: Build, pki: SynthPki, certificate: bytes) -> None:
    sent = b"\x07" * 16
    with_it = pki.ocsp_response(certificate, "good", nonce=sent)
    other = pki.ocsp_response(certificate, "good", nonce=b"\x08" * 16)
    without = pki.ocsp_response(certificate, "good")
    for answer, code in ((with_it, "ocsp_good"), (other, "ocsp_nonce"), (without, "ocsp_nonce")):
        checked = validator(ocsp=[OcspAnswer(answer, sent)])
        assert result(checked, certificate)[1] == code
    assert result(validator(ocsp=[other]), certificate)[1] == "ocsp_good"  # none was sent


def test_responder_without_nocheck_needs_a_list(
    validator: Build, pki: SynthPki, certificate: bytes
) -> None:
    """Nobody else says that the responder itself is in force. [RFC6960 4.2.2.2.1]"""
    answer = pki.ocsp_response(certificate, "good", responder="no-nocheck")
    assert result(validator(ocsp=[answer]), certificate)[1] == "ocsp_responder"
    # A list of all users clears it; the CRL of a municipality does not speak of it.
    revoked = pki.ocsp_response(certificate, "revoked", responder="no-nocheck")
    serial = 0x70000000 + pki.at.toordinal()
    own = (serial, pki.at - timedelta(days=2), 1)
    for lists, code in (
        (pki.crl(Family.AUTH, 3, None, []), "revoked"),
        (pki.crl(Family.AUTH, 3, KIYOSE, []), "crl_good"),
        (pki.crl(Family.AUTH, 3, None, [own]), "crl_good"),
    ):
        assert result(validator(ocsp=[revoked], crls=[lists]), certificate)[1] == code


def test_disagreement(validator: Build, pki: SynthPki, make: Make) -> None:
    """Revoked wins, wherever it is said; «unknown» is not outweighed by a list."""
    data = make(Family.AUTH, serial=0x0700ABCD)
    day = pki.at - timedelta(days=3)
    listed = pki.crl(Family.AUTH, 3, KIYOSE, [(0x0700ABCD, day, 4)])
    clean = pki.crl(Family.AUTH, 3, KIYOSE, [])
    good, revoked, unknown = (
        pki.ocsp_response(data, word) for word in ("good", "revoked", "unknown")
    )
    assert result(validator(ocsp=[good], crls=[listed]), data)[1] == "revoked"
    assert result(validator(ocsp=[revoked], crls=[clean]), data)[1] == "revoked"
    assert result(validator(ocsp=[unknown], crls=[listed]), data)[1] == "revoked"
    assert result(validator(ocsp=[unknown], crls=[clean]), data)[1] == "ocsp_unknown"
    assert result(validator(ocsp=[good, revoked]), data)[1] == "revoked"
    assert result(validator(ocsp=[good], crls=[clean]), data)[0] is Outcome.VALID
    # What cannot be believed takes nothing away from what can.
    stale = pki.ocsp_response(data, "good", next_update=day)
    assert result(validator(ocsp=[stale], crls=[clean]), data)[1] == "crl_good"
    assert result(validator(ocsp=[good], crls=[b"\x30\x00"]), data)[1] == "ocsp_good"


def data_of(whole: Item) -> Item:
    return whole.parts[0]


def answers_of(whole: Item) -> Item:
    return data_of(whole).parts[2]


def second_answer(tag: int, value: bytes) -> Callable[[Item], None]:
    def edit(whole: Item) -> None:
        (again,) = decode(answers_of(whole).parts[0].encode())
        again.parts[1] = decode(bytes([tag, len(value)]) + value)[0]
        answers_of(whole).parts.append(again)

    return edit


REVOKED = b"\x18\x0f20261120000000Z"
CRITICAL = bytes.fromhex("300e300c0603883701" + "0101ff" + "04020500")
PLAIN = bytes.fromhex("300b30090603883701" + "04020500")


def extend(octets: bytes) -> Callable[[Item], None]:
    def edit(whole: Item) -> None:
        data_of(whole).parts.append(Item(0xA1, parts=decode(octets)))

    return edit


def extend_single(octets: bytes) -> Callable[[Item], None]:
    def edit(whole: Item) -> None:
        answers_of(whole).parts[0].parts.append(Item(0xA1, parts=decode(octets)))

    return edit


def drop_next_update(whole: Item) -> None:
    del answers_of(whole).parts[0].parts[3]


def outer_algorithm(octets: str) -> Callable[[Item], None]:
    def edit(whole: Item) -> None:
        whole.parts[1] = decode(bytes.fromhex(octets))[0]

    return edit


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda _: None, "ocsp_good"),
        # Two answers for one certificate: revoked wins. [BoringSSL]
        (second_answer(0xA1, REVOKED), "revoked"),
        (second_answer(0x82, b""), "ocsp_unknown"),
        # Critical extensions nobody understands. [BoringSSL]
        (extend(CRITICAL), "ocsp_critical_extension"),
        (extend_single(CRITICAL), "ocsp_critical_extension"),
        (extend(PLAIN), "ocsp_good"),
        (extend_single(PLAIN), "ocsp_good"),
        (drop_next_update, "ocsp_no_next_update"),
        (outer_algorithm("300d06092a864886f70d0101050500"), "ocsp_signature"),  # SHA-1
    ],
)
def test_edited(
    validator: Build,
    pki: SynthPki,
    certificate: bytes,
    edit: Callable[[Item], None],
    code: str,
) -> None:
    answer = resigned_answer(
        pki.ocsp_response(certificate, "good"), stored_key("ocsp-auth-3"), edit
    )
    assert result(validator(ocsp=[answer]), certificate)[1] == code


def replace_single(place: int, tag: int, value: bytes) -> Callable[[Item], None]:
    def edit(whole: Item) -> None:
        answers_of(whole).parts[0].parts[place] = Item(tag, value)

    return edit


def no_answers(whole: Item) -> None:
    answers_of(whole).parts.clear()


def written_version(whole: Item) -> None:
    data_of(whole).parts.insert(0, Item(0xA0, parts=[Item(2, b"\x00")]))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (no_answers, "bad_answers"),
        (written_version, "version"),
        (replace_single(1, 0x80, b"\x00"), "bad_null"),
        (replace_single(1, 0x83, b""), "wrong_tag"),
        (replace_single(2, 0x17, b"261121000000Z"), "bad_time"),
        (replace_single(2, 0x18, b"20261121000000.5Z"), "bad_time"),
        (extend(b"\x30\x00"), "no_extensions"),
    ],
)
def test_malformed(
    validator: Build,
    pki: SynthPki,
    certificate: bytes,
    edit: Callable[[Item], None],
    reason: str,
) -> None:
    answer = resigned_answer(
        pki.ocsp_response(certificate, "good"), stored_key("ocsp-auth-3"), edit
    )
    with pytest.raises(RevocationDataError) as caught:
        parse_ocsp(answer)
    assert caught.value.values == {"reason": reason, "source": "ocsp"}
    found = check(validator(ocsp=[answer]), certificate)
    assert (found.outcome, found.code) == (Outcome.CANNOT_TELL, "ocsp_malformed")


def test_every_truncation_is_refused(pki: SynthPki, certificate: bytes) -> None:
    answer = pki.ocsp_response(certificate, "good", nonce=b"\x01" * 8)
    for size in range(len(answer)):
        with pytest.raises(RevocationDataError):
            parse_ocsp(answer[:size])
    with pytest.raises(RevocationDataError, match="trailing_bytes"):
        parse_ocsp(answer + b"\x00")


def test_damage_anywhere_is_never_good(validator: Build, pki: SynthPki, certificate: bytes) -> None:
    answer = pki.ocsp_response(certificate, "good")
    (response,) = decode(answer)
    enclosed = decode(response.parts[1].parts[0].parts[1].value)[0].parts[3].encode()
    start = answer.index(enclosed)
    for place in range(0, len(answer), 3):
        broken = bytearray(answer)
        broken[place] ^= 0x21
        outcome, code = result(validator(ocsp=[bytes(broken)]), certificate)
        assert outcome is Outcome.CANNOT_TELL, (place, start, code)


def test_max_age(validator: Build, pki: SynthPki, certificate: bytes) -> None:
    old = pki.ocsp_response(
        certificate,
        "good",
        this_update=pki.at - timedelta(hours=2),
        next_update=pki.at + timedelta(hours=2),
    )
    assert result(validator(ocsp=[old]), certificate)[1] == "ocsp_good"
    short = validator(ocsp=[old], max_age=timedelta(hours=1))
    assert result(short, certificate) == (Outcome.CANNOT_TELL, "ocsp_too_old")


def test_before_the_revocation(validator: Build, pki: SynthPki, certificate: bytes) -> None:
    when = pki.at - timedelta(days=30)
    answer = pki.ocsp_response(certificate, "revoked", revoked_at=when)
    before = validator(ocsp=[answer], at=when - timedelta(seconds=1))
    assert result(before, certificate) == (Outcome.VALID, "revoked_later")
    assert result(validator(ocsp=[answer], at=when), certificate)[1] == "revoked"


@pytest.mark.parametrize("nonce", [None, b"\x05" * 16])
@pytest.mark.parametrize("family", Family)
def test_request(
    validator: Build, pki: SynthPki, make: Make, family: Family, nonce: bytes | None
) -> None:
    """What we ask, an independent reader understands; and the answer fits."""
    data = make(family)
    certificate = parse_certificate(data)
    store = TrustStore(Environment.TEST, pki.trust_anchors())
    anchor = Validator(store).anchor_of(certificate)
    assert anchor is not None
    request = build_ocsp_request(certificate, anchor, nonce)
    serial = int.from_bytes(certificate.serial.reveal(), "big")
    assert load_der_ocsp_request(request).serial_number == serial
    answer = OcspAnswer(pki.ocsp_answer(request), nonce)
    assert result(validator(ocsp=[answer]), data)[1] == "ocsp_good"
