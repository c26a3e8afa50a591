# SPDX-License-Identifier: Apache-2.0
"""The form of OCSP answers, part by part: what stands where nothing may, and what is too much."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from der_edit import Item, decode, resigned
from jpki.certificate import Family, parse_certificate
from jpki.errors import RevocationDataError
from jpki.synth import der
from jpki.synth.keystore import any_stored_key
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator
from jpki.validation.ocsp import MAX_SIZE, BasicAnswer, parse_ocsp
from jpki.validation.ocsp_store import KnownResponders

Make = Callable[..., bytes]
Edit = Callable[[Item], None]
NULL = Item(5)


@pytest.fixture(scope="module")
def answer(pki: SynthPki, make: Make) -> bytes:
    return pki.ocsp_response(make(Family.AUTH), "revoked", reason=1, nonce=b"\x05" * 16)


def outside(edit: Edit) -> Callable[[bytes], bytes]:
    """Change the OCSPResponse."""

    def change(data: bytes) -> bytes:
        (response,) = decode(data)
        edit(response)
        return response.encode()

    return change


def inside(edit: Edit) -> Callable[[bytes], bytes]:
    """Change the BasicOCSPResponse; nobody looks at its signature here."""

    def change(data: bytes) -> bytes:
        (response,) = decode(data)
        octets = response.parts[1].parts[0].parts[1]
        (basic,) = decode(octets.value)
        edit(basic)
        octets.value = basic.encode()
        return response.encode()

    return change


def behind(*path: int) -> Edit:
    """Put a NULL at the end of a part."""

    def edit(whole: Item) -> None:
        for step in path:
            whole = whole.parts[step]
        whole.parts.append(NULL)

    return edit


def status(value: int, *, body: bool) -> Edit:
    def edit(response: Item) -> None:
        response.parts[0].value = bytes([value])
        if not body:
            del response.parts[1]

    return edit


def other_kind(response: Item) -> None:
    response.parts[1].parts[0].parts[0].value = b"\x2a\x03"


def responder(octets: bytes) -> Edit:
    """Named by ``octets``."""

    def edit(basic: Item) -> None:
        basic.parts[0].parts[0] = decode(octets)[0]

    return edit


def certificates(*octets: bytes) -> Edit:
    def edit(basic: Item) -> None:
        del basic.parts[3:]
        basic.parts += decode(der.explicit(0, der.sequence(*octets)))

    return edit


def answers(count: int) -> Edit:
    def edit(basic: Item) -> None:
        basic.parts[0].parts[2].parts *= count

    return edit


SINGLE = (0, 2, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (outside(behind()), "trailing_bytes"),
        (outside(behind(1)), "trailing_bytes"),
        (outside(behind(1, 0)), "trailing_bytes"),
        (outside(other_kind), "not_basic"),
        (outside(status(0, body=False)), "bad_status"),
        (outside(status(4, body=False)), "bad_status"),
        (outside(status(4, body=True)), "bad_status"),
        (outside(status(6, body=True)), "bad_status"),
        (inside(behind()), "trailing_bytes"),
        (inside(behind(0)), "trailing_bytes"),
        (inside(behind(*SINGLE)), "trailing_bytes"),
        (inside(behind(*SINGLE, 0)), "trailing_bytes"),  # the CertID
        (inside(behind(*SINGLE, 0, 0)), "trailing_bytes"),  # its algorithm: one NULL may be
        (inside(behind(*SINGLE, 1)), "trailing_bytes"),  # the revocation
        (inside(responder(der.explicit(3, der.octet_string(b"")))), "wrong_tag"),
        (inside(certificates(b"\x01\x01\x01")), "bad_boolean"),
        (inside(certificates(*[der.sequence()] * 9)), "too_many"),
        (inside(answers(0)), "bad_answers"),
        (inside(answers(257)), "bad_answers"),
        (inside(certificates(der.octet_string(bytes(MAX_SIZE)))), "too_large"),
    ],
)
def test_malformed(answer: bytes, change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(RevocationDataError) as caught:
        parse_ocsp(change(answer))
    assert caught.value.values == {"reason": reason, "source": "ocsp"}


def test_a_refusal_is_a_word(answer: bytes) -> None:
    assert parse_ocsp(outside(status(6, body=False))(answer)) == "unauthorized"


@pytest.mark.parametrize(
    ("change", "count", "enclosed"),
    [
        (inside(answers(1)), 1, 1),
        (inside(answers(256)), 256, 1),
        (inside(certificates(*[der.sequence()] * 8)), 1, 8),
        (inside(lambda basic: basic.parts.pop()), 1, 0),  # type: ignore[arg-type]
    ],
)
def test_as_many_as_there_may_be(
    answer: bytes, change: Callable[[bytes], bytes], count: int, enclosed: int
) -> None:
    found = parse_ocsp(change(answer))
    assert isinstance(found, BasicAnswer)
    assert (len(found.answers), len(found.certificates)) == (count, enclosed)


def test_whom_an_answer_is_about(pki: SynthPki, trust: TrustStore, make: Make) -> None:
    certificate = parse_certificate(make(Family.AUTH, serial=5))
    others = [make(Family.AUTH, serial=6), make(Family.AUTH, 2, serial=5), make(serial=5)]
    anchor = Validator(trust).anchor_of(certificate)
    assert anchor is not None
    for hashed in ("sha1", "sha256"):
        found = parse_ocsp(pki.ocsp_response(certificate.der, "good", cert_id_hash=hashed))
        assert isinstance(found, BasicAnswer)
        about = found.answers[0].cert_id
        assert about.is_of(certificate, anchor)
        assert not replace(about, hash_name=None).is_of(certificate, anchor)
        for other in map(parse_certificate, others):
            root = Validator(trust).anchor_of(other)
            assert root is not None
            assert not about.is_of(other, root)


def test_who_gave_an_answer(pki: SynthPki, make: Make, answer: bytes) -> None:
    one, other = (parse_certificate(pki.ca_certificate(family, 3)) for family in Family)
    key = der.octet_string(hashlib.sha1(one.key_bits, usedforsecurity=False).digest())
    for named in (der.explicit(1, one.subject_der), der.explicit(2, key)):
        found = parse_ocsp(inside(responder(named))(answer))
        assert isinstance(found, BasicAnswer)
        assert found.names(one)
        assert not found.names(other)


def no_change(whole: Item) -> None:
    pass


def extended(octets: str) -> Edit:
    """One more extension."""

    def edit(whole: Item) -> None:
        whole.parts[0].parts[-1].parts[0].parts += decode(bytes.fromhex(octets))

    return edit


def usage(octets: str) -> Edit:
    """Another keyUsage, or none."""

    def edit(whole: Item) -> None:
        listed = whole.parts[0].parts[-1].parts[0]
        listed.parts = [one for one in listed.parts if one.parts[0].value.hex() != "551d0f"]
        listed.parts += decode(bytes.fromhex(octets))

    return edit


def other_issuer(whole: Item) -> None:
    whole.parts[0].parts[3].parts.pop()


def weak_key(whole: Item) -> None:
    key = any_stored_key("weak-1024").public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    whole.parts[0].parts[6] = decode(spki)[0]


@pytest.mark.parametrize(
    ("edit", "may"),
    [
        (no_change, True),
        (other_issuer, False),
        (weak_key, False),
        (usage("300e0603551d0f0101ff040403020780"), True),  # digitalSignature
        (usage("300e0603551d0f0101ff040403020106"), False),  # keyCertSign, cRLSign
        (usage(""), True),
        (extended("300f0603551d130101ff040530030101ff"), False),  # an authority
        (extended("300e06038837010101ff04020500"), False),  # critical, and nobody's
        (extended("300906038837010402" + "0500"), True),
    ],
)
def test_who_may_answer_in_a_root_s_place(
    pki: SynthPki, trust: TrustStore, make: Make, edit: Edit, may: bool
) -> None:
    """[RFC6960 4.2.2.2]: signed by the root, and still not everybody."""
    asked = parse_certificate(make(Family.AUTH))
    anchor = Validator(trust).anchor_of(asked)
    found = parse_ocsp(pki.ocsp_response(asked.der, "good", responder="delegated"))
    assert anchor is not None
    assert isinstance(found, BasicAnswer)
    changed = resigned(found.certificates[0], pki.ca_key(Family.AUTH, 3), edit)
    assert (KnownResponders().delegate(changed, anchor) is not None) is may
