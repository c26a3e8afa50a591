# SPDX-License-Identifier: Apache-2.0
"""OCSP answers of a form that was read before: read the same, believed no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from der_edit import Item, decode, resigned_answer
from jpki.certificate import Certificate, Family, parse_certificate
from jpki.errors import RevocationDataError
from jpki.synth.keystore import stored_key
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator, ocsp_reader
from jpki.validation.ocsp import BasicAnswer, parse_ocsp
from jpki.validation.ocsp_reader import OcspReader, _Form
from jpki.validation.ocsp_store import KnownResponders, OcspStore
from jpki.validation.times import Moment
from jpki.validation.trust import Anchor
from jpki.verdict import Outcome

Make = Callable[..., bytes]
Build = Callable[..., Validator]
NONCES = [None, b"\x05" * 16]
# Extensions: one, not critical, that nobody knows.
PLAIN = bytes.fromhex("300b300906038837010402" + "0500")


def carefully(data: bytes) -> BasicAnswer | str:
    """The answer, or why there is none."""
    try:
        return parse_ocsp(data)
    except RevocationDataError as error:
        return str(error.values["reason"])


def again(reader: OcspReader, data: bytes) -> BasicAnswer | str:
    try:
        return reader.read(data)
    except RevocationDataError as error:
        return str(error.values["reason"])


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a reader did: read carefully, tried a form that fits, or one that does not."""
    done: list[str] = []
    read = _Form.read

    def noted(form: _Form, data: bytes) -> BasicAnswer | None:
        found = read(form, data)
        done.append("other form" if found is None else "form fits")
        return found

    def slowly(data: bytes) -> BasicAnswer | str:
        done.append("carefully")
        return parse_ocsp(data)

    monkeypatch.setattr(_Form, "read", noted)
    monkeypatch.setattr(ocsp_reader, "parse_ocsp", slowly)
    return done


@pytest.mark.parametrize("nonce", NONCES)
@pytest.mark.parametrize("responder", ["delegated", "ca"])
def test_what_differs_is_read(
    pki: SynthPki, make: Make, steps: list[str], responder: str, nonce: bytes | None
) -> None:
    reader = OcspReader()
    for day, serial in enumerate((0x07000001, 0x0700FFFF, 0x06ABCDEF)):
        at = pki.at - timedelta(days=day)
        answer = pki.ocsp_response(
            make(Family.AUTH, serial=serial),
            "good",
            responder=responder,
            nonce=nonce and bytes([day]) * len(nonce),
            produced_at=at,
            this_update=at,
            next_update=at + timedelta(days=9),
        )
        steps.clear()
        assert reader.read(answer) == parse_ocsp(answer)
        # The first one tries the form that it taught.
        assert steps == (["form fits"] if day else ["carefully", "form fits"])


def test_other_answers_are_read_carefully(pki: SynthPki, make: Make) -> None:
    reader = OcspReader()
    certificates = [make(f, g, serial=0x0700ABCD) for f in Family for g in (2, 3)]
    certificates += [make(Family.AUTH, serial=serial) for serial in (5, 0x80, 0x8000)]
    for _ in range(2):
        for data in certificates:
            for status in ("good", "revoked", "unknown"):
                answer = pki.ocsp_response(data, status)
                assert reader.read(answer) == parse_ocsp(answer)


def without_end(whole: Item) -> None:
    """No nextUpdate; what follows then are extensions of the answer about this certificate."""
    whole.parts[0].parts[2].parts[0].parts[3] = Item(0xA1, parts=decode(PLAIN))


def before_the_nonce(whole: Item) -> None:
    """An extension more, the first one."""
    whole.parts[0].parts[-1].parts[0].parts[:0] = decode(PLAIN)[0].parts


@pytest.mark.parametrize("edit", [without_end, before_the_nonce])
def test_what_stands_where_something_else_is_usual(
    pki: SynthPki, make: Make, edit: Callable[[Item], None]
) -> None:
    reader = OcspReader()
    answer = pki.ocsp_response(make(Family.AUTH), "good", nonce=b"\x05" * 16)
    changed = resigned_answer(answer, stored_key("ocsp-auth-3"), edit)
    wanted = parse_ocsp(changed)
    assert isinstance(wanted, BasicAnswer)
    for data in (answer, changed, changed):
        assert reader.read(data) == parse_ocsp(data)


@pytest.mark.parametrize(
    ("serial", "other"), [(0x80, "007f"), (0xFF80, "00007f"), (0x4321, "ffff")]
)
def test_a_serial_that_is_not_minimal_is_refused_in_a_known_form_too(
    pki: SynthPki, make: Make, steps: list[str], serial: int, other: str
) -> None:
    reader = OcspReader()
    answer = pki.ocsp_response(make(Family.AUTH, serial=serial), "good")
    read = reader.read(answer)
    assert isinstance(read, BasicAnswer)
    old = read.answers[0].cert_id.serial.reveal()
    new = bytes.fromhex(other)
    head = bytes([2, len(old)])
    assert len(new) == len(old)
    assert answer.count(head + old) == 1
    with pytest.raises(RevocationDataError) as caught:
        reader.read(answer.replace(head + old, head + new))
    assert caught.value.values["reason"] == "not_minimal"
    assert steps[-1] == "carefully"


def test_forms_of_so_many_lengths_are_kept_and_no_more(
    pki: SynthPki, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocsp_reader, "_MAX_LENGTHS", 2)
    reader = OcspReader()
    kept = []
    for size in (1, 2, 3, 4):
        reader.read(pki.ocsp_response(make(Family.AUTH), "good", nonce=b"\x05" * size))
        kept.append(len(reader._forms))
    assert kept == [1, 2, 1, 2]


@pytest.mark.parametrize("nonce", NONCES)
def test_every_wrong_octet_is_read_as_the_careful_way_does(
    pki: SynthPki, make: Make, nonce: bytes | None
) -> None:
    reader = OcspReader()
    answer = pki.ocsp_response(make(Family.AUTH), "good", nonce=nonce)
    reader.read(answer)
    for at in range(len(answer)):
        broken = answer[:at] + bytes([answer[at] ^ 1 << at % 8]) + answer[at + 1 :]
        fresh = OcspReader()
        fresh._forms = dict(reader._forms)
        assert again(fresh, broken) == carefully(broken), at


def test_damage_is_never_good_once_the_responder_is_known(
    pki: SynthPki, trust: TrustStore, make: Make
) -> None:
    data = make(Family.AUTH)
    certificate, anchor, moment = asked(trust, data, pki)
    known = KnownResponders()
    answer = pki.ocsp_response(data, "good")

    def outcomes(octets: bytes) -> set[Outcome]:
        store = OcspStore([octets], known)
        return {f.outcome for f in store.check(certificate, anchor, moment, lambda _: False)}

    assert outcomes(answer) == {Outcome.VALID}
    for at in range(0, len(answer), 3):
        broken = bytearray(answer)
        broken[at] ^= 0x21
        assert outcomes(bytes(broken)) == {Outcome.CANNOT_TELL}, at
    assert outcomes(answer) == {Outcome.VALID}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({}, "ocsp_good"),
        ({"produced_at": timedelta(days=-400)}, "ocsp_responder"),
        ({"responder": "expired"}, "ocsp_responder"),
        ({"responder": "other-generation"}, "ocsp_responder"),
        ({"responder": "no-nocheck"}, "ocsp_responder"),
        ({"responder": "rogue"}, "ocsp_responder"),
        ({"damage_signature": True}, "ocsp_signature"),
    ],
)
def test_a_known_responder_is_believed_no_more(
    pki: SynthPki, trust: TrustStore, make: Make, wrong: dict[str, object], code: str
) -> None:
    data = make(Family.AUTH)
    certificate, anchor, moment = asked(trust, data, pki)
    known = KnownResponders()
    options = {
        name: pki.at + value if isinstance(value, timedelta) else value
        for name, value in wrong.items()
    }
    for turn in ({}, {"responder": "other-generation"}, options, options):
        answer = pki.ocsp_response(data, "good", **turn)
        store = OcspStore([answer], known)
        found = [f.code for f in store.check(certificate, anchor, moment, lambda _: False)]
    assert found == [code]


def asked(trust: TrustStore, data: bytes, pki: SynthPki) -> tuple[Certificate, Anchor, Moment]:
    certificate = parse_certificate(data)
    anchor = Validator(trust).anchor_of(certificate)
    assert anchor is not None
    return certificate, anchor, Moment(pki.at, pki.at)
