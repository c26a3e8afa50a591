# SPDX-License-Identifier: Apache-2.0
"""Damaged certificates in the general profile: a verdict at once, whatever they hold."""

from __future__ import annotations

import tracemalloc

import pytest
from cryptography import x509

from der_edit import Item, decode, resigned
from general_checks import path_check
from general_pki import (
    AT,
    AUTHORITY,
    HOLDER,
    LEAF,
    LEAF_DER,
    MIDDLE,
    MIDDLE_DER,
    ROOT,
    ROOT_DER,
    certificate,
)
from jpki.certificate import Environment
from jpki.synth import der
from jpki.validation import TrustStore, Validator
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator
from jpki.verdict import Outcome, Verdict

UNREADABLE = ("certificate", Outcome.INVALID, "certificate_unreadable")


def _general() -> GeneralValidator:
    options = GeneralOptions(at=AT, chain=(MIDDLE_DER,), revocation=RevocationMode.NONE)
    return GeneralValidator([ROOT_DER], options)


def _first(verdict: Verdict) -> tuple[str, Outcome, str]:
    check = verdict.checks[0]
    return check.name, check.outcome, check.code


KNOWN = [f"2.5.29.{arc}" for arc in (14, 15, 17, 18, 19, 30, 31, 32, 33, 35, 36, 37, 46, 54)]
CONTENTS = "0500 3000 3100 a000 0101ff 30020500 30023000 3002a400 3004a4020500 3006a00430020500"


@pytest.mark.parametrize("oid", [*KNOWN, "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.48.1.5"])
def test_any_content_of_a_known_extension_has_a_verdict(oid: str) -> None:
    """It may be refused or not be looked at; it is not stumbled over."""
    for content in map(bytes.fromhex, CONTENTS.split()):
        own = (x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), content), False)
        holder, authority = (
            [*(one for one in usual if one[0].oid.dotted_string != oid), own]
            for usual in (HOLDER, AUTHORITY)
        )
        last = certificate("Leaf", "Middle", LEAF, MIDDLE, holder)
        above = certificate("Middle", "Root", MIDDLE, ROOT, authority, serial=2)
        for check in (path_check(last, MIDDLE_DER), path_check(LEAF_DER, above)):
            assert check.name == "path"


def _deep(levels: int) -> bytes:
    data = der.NULL
    for _ in range(levels):
        data = der.sequence(data)
    return data


def _with_extensions(count: int) -> bytes:
    one = der.sequence(bytes.fromhex("06032a0304"), der.octet_string(b"\x05\x00"))
    (whole,) = decode(LEAF_DER)
    whole.parts[0].parts[-1].parts[0].value = b""
    extensions = der.explicit(3, der.sequence(one * count))
    fields = b"".join(part.encode() for part in whole.parts[0].parts[:-1])
    tail = b"".join(part.encode() for part in whole.parts[1:])
    return der.sequence(der.sequence(fields, extensions), tail)


@pytest.mark.parametrize(
    "data",
    [_deep(10), _deep(20_000), _with_extensions(1_000_000), b"\x30\x84\xff\xff\xff\xff", b""],
    ids=["10 levels", "20,000 levels", "1,000,000 extensions", "claims 4 GiB", "nothing"],
)
def test_monsters_are_refused_at_once_in_both_profiles(data: bytes) -> None:
    jpki = Validator(TrustStore(Environment.CUSTOM), clock=lambda: AT)
    tracemalloc.start()
    try:
        found = [_general().validate(data), jpki.validate(data)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [_first(one) for one in found] == [UNREADABLE, UNREADABLE]
    assert peak < 2 * len(data) + 2_000_000


def _tagged(place: tuple[int, ...], tag: int) -> bytes:
    """The leaf with another tag at a place of its signed part, signed anew."""

    def edit(whole: Item) -> None:
        item = whole.parts[0]
        for step in place:
            item = item.parts[step]
        item.tag = tag

    return resigned(LEAF_DER, MIDDLE, edit)


# Places in the signed part: its fields, and into them.
SERIAL, ISSUER_NAME, DATES, SUBJECT_NAME, KEY, EXTENSIONS = (1,), (3,), (4,), (5,), (6,), (7,)
COMMON_NAME = (5, 0, 0, 1)
WRONG_TAGS = [
    # As a unique identifier, extensions would go unread [RFC5280 4.1.2.8].
    *((EXTENSIONS, tag) for tag in (0x81, 0x82, 0xA1, 0xA2, 0xA4)),
    # A common name is text [RFC5280 4.1.2.4].
    *((COMMON_NAME, tag) for tag in (0x02, 0x04, 0x06, 0x17, 0x80, 0x87)),
    *((place, 0x31) for place in (ISSUER_NAME, DATES, SUBJECT_NAME, KEY)),
    *((place, 0x30) for place in ((5, 0), (7, 0, 0, 2))),
    *((SERIAL, tag) for tag in (0x0A, 0x82)),
]


@pytest.mark.parametrize(("place", "tag"), WRONG_TAGS)
def test_a_wrong_tag_is_unreadable(place: tuple[int, ...], tag: int) -> None:
    """[OpenSSL] cannot read them either."""
    assert _first(_general().validate(_tagged(place, tag))) == UNREADABLE


@pytest.mark.parametrize(
    ("oid", "content"),
    [
        ("2.5.29.32", "3006a10406022a03"),  # a policy that is no SEQUENCE
        ("2.5.29.33", "300aa10806022a0306022a04"),
        ("2.5.29.30", "300ea00c870a8208612e6578616d706c"),
        ("2.5.29.30", "3016a0143012a410300e310c300a06035504038003616263"),
        ("2.5.29.17", "30028800"),  # a registered number without a number
        ("2.5.29.17", "3012a410300e310c300a06035504038003616263"),  # a name that is no text
    ],
)
def test_items_have_their_own_tag(oid: str, content: str) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), bytes.fromhex(content))
    above = certificate(
        "Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, (extension, oid == "2.5.29.30")), serial=2
    )
    assert path_check(LEAF_DER, above).outcome is Outcome.INVALID


def test_every_truncation_is_unreadable() -> None:
    general = _general()
    for size in range(len(LEAF_DER)):
        assert _first(general.validate(LEAF_DER[:size])) == UNREADABLE, size


def test_no_wrong_byte_is_accepted() -> None:
    data, general = bytearray(LEAF_DER), _general()
    for place in range(len(data)):
        data[place] ^= 0x01
        assert general.validate(bytes(data)).outcome is not Outcome.VALID, place
        data[place] ^= 0x01
