# SPDX-License-Identifier: Apache-2.0
"""The keyed index: every part of a certificate's name counts, and no key gives another's."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import jpki.mapping
from jpki.card.records import RsaNumbers
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import CertificateError
from jpki.mapping.errors import KeyFileError
from jpki.mapping.index import (
    CertificateRef,
    StoredCertificate,
    card_index_of,
    index_of,
    next_index,
    open_card_key,
    open_certificate,
    reference_from,
    reference_object,
    seal_card_key,
    seal_certificate,
)
from jpki.mapping.key_file import new_keys
from jpki.mapping.keys import ServiceKeys
from jpki.validation.named import NamedCertificate


def serial(value: bytes = b"\x01\x02\x03") -> SerialRef:
    return SerialRef(RefKind.CERTIFICATE_SERIAL, value)


REF = CertificateRef(Environment.TEST, Family.AUTH, Medium.CARD, bytes(32), bytes(20), serial())
FILE = new_keys(Environment.TEST, ("library", "pool"))
KEYS = FILE.service("library")


@pytest.mark.parametrize(
    "other",
    [
        replace(REF, environment=Environment.PRODUCTION),
        replace(REF, family=Family.SIGN),
        replace(REF, issuer=bytes(31) + b"\x01"),
        replace(REF, key_id=bytes(19) + b"\x01"),
        replace(REF, serial=serial(b"\x01\x02\x04")),
        # The same bytes, cut elsewhere.
        replace(REF, key_id=bytes(20) + b"\x01", serial=serial(b"\x02\x03")),
    ],
)
def test_every_part_counts(other: CertificateRef) -> None:
    assert index_of(KEYS, REF).current != index_of(KEYS, other).current


def test_the_medium_is_a_property_not_a_name() -> None:
    assert index_of(KEYS, REF) == index_of(KEYS, replace(REF, medium=Medium.PHONE))


def test_another_key_gives_another_index() -> None:
    here, there = index_of(KEYS, REF), index_of(FILE.service("pool"), REF)
    assert {here.current, here.previous}.isdisjoint({there.current, there.previous})
    assert len(here.current) == 32


def test_epochs_follow_from_one_another_without_the_serial() -> None:
    first = index_of(KEYS, REF)
    keys = FILE.rotated("library").service("library")
    second = index_of(keys, REF)
    assert (second.epoch, second.previous) == (2, first.current)
    assert next_index(keys, first.current) == second.current != first.current


@pytest.mark.parametrize("kind", [k for k in RefKind if k is not RefKind.CERTIFICATE_SERIAL])
def test_only_serials(kind: RefKind) -> None:
    with pytest.raises(CertificateError):
        index_of(KEYS, replace(REF, serial=SerialRef(kind, b"\x01")))


def test_nothing_is_shown() -> None:
    shown = repr(REF) + repr(index_of(KEYS, REF))
    for secret in (REF.issuer, REF.key_id, index_of(KEYS, REF).current):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


NAMED = NamedCertificate(
    b"issuer", REF.key_id, serial(), (b"list one", b"list two"),
    datetime(2031, 4, 1, 2, 3, 4, tzinfo=UTC),
)  # fmt: skip
CARD_KEY = RsaNumbers(0xC0FFEE5EED, 65537)


def kept_certificate(keys: ServiceKeys, sealed: bytes, handle: bytes) -> object:
    return open_certificate(keys, sealed, handle, 1)


def kept_key(keys: ServiceKeys, sealed: bytes, handle: bytes) -> object:
    return open_card_key(keys, sealed, handle, 1)


@pytest.mark.parametrize(
    ("sealed", "again", "value"),
    [
        (
            seal_certificate(KEYS, StoredCertificate(REF, NAMED), b"h" * 16),
            kept_certificate,
            StoredCertificate(REF, NAMED),
        ),
        (seal_card_key(KEYS, CARD_KEY, b"h" * 16), kept_key, CARD_KEY),
    ],
    ids=["certificate", "card key"],
)
def test_what_is_sealed_is_of_one_handle_and_one_key(
    sealed: bytes, again: Callable[[ServiceKeys, bytes, bytes], object], value: object
) -> None:
    assert again(KEYS, sealed, b"h" * 16) == value
    for secret in (b"\x01\x02\x03", b"010203", b"c0ffee5eed", b"issuer"):
        assert secret not in sealed
    for keys, handle in ((KEYS, b"x" * 16), (FILE.service("pool"), b"h" * 16)):
        with pytest.raises(KeyFileError):
            again(keys, sealed, handle)
    for cut in range(len(sealed)):
        with pytest.raises(KeyFileError):
            again(KEYS, sealed[:cut], b"h" * 16)


def test_a_card_is_found_by_its_number_and_by_nothing_else() -> None:
    number = SerialRef(RefKind.CARD_NUMBER, b"123456789012345")
    other = SerialRef(RefKind.CARD_NUMBER, b"123456789012346")
    found = [
        card_index_of(keys, ref, environment).current
        for keys in (KEYS, FILE.service("pool"))
        for ref in (number, other)
        for environment in (Environment.TEST, Environment.PRODUCTION)
    ]
    assert len(set(found)) == 8
    # Never the index of a certificate whose serial has the same bytes.
    same = replace(REF, serial=serial(b"123456789012345"))
    assert index_of(KEYS, same).current not in found
    with pytest.raises(CertificateError):
        card_index_of(KEYS, serial(), Environment.TEST)


def test_a_reference_goes_to_a_platform_and_comes_back() -> None:
    assert reference_from(reference_object(REF)) == REF
    for name in reference_object(REF):
        raw = reference_object(REF)
        raw[name] = "no such thing"
        with pytest.raises(ValueError, match=r"no such thing|hex"):
            reference_from(raw)
        with pytest.raises(KeyError):
            reference_from({k: v for k, v in raw.items() if k != name})


def test_only_the_index_looks_inside_a_serial() -> None:
    """``reveal`` is called in index.py and nowhere else in the map."""
    folder = Path(jpki.mapping.__path__[0])
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    }
    assert found == {"index.py"}
