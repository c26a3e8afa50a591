# SPDX-License-Identifier: Apache-2.0
"""Damaged certificates in the general profile: a verdict at once, whatever they hold."""

from __future__ import annotations

import tracemalloc

import pytest
from cryptography import x509

from der_edit import decode
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
