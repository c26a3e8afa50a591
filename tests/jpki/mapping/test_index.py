# SPDX-License-Identifier: Apache-2.0
"""The keyed index: every part of a certificate's name counts, and no key gives another's."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import jpki.mapping
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.serial import RefKind, SerialRef
from jpki.errors import CertificateError
from jpki.mapping.errors import KeyFileError
from jpki.mapping.index import CertificateRef, index_of, next_index, open_serial, seal_serial
from jpki.mapping.keys import new_keys


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


def test_a_sealed_serial_is_of_one_handle_and_one_key() -> None:
    sealed = seal_serial(KEYS, serial(), b"h" * 16)
    assert b"\x01\x02\x03" not in sealed
    assert open_serial(KEYS, sealed, b"h" * 16, 1) == serial()
    assert seal_serial(KEYS, serial(), b"h" * 16) != sealed
    for keys, handle in ((KEYS, b"x" * 16), (FILE.service("pool"), b"h" * 16)):
        with pytest.raises(KeyFileError):
            open_serial(keys, sealed, handle, 1)
    for cut in range(len(sealed)):
        with pytest.raises(KeyFileError):
            open_serial(KEYS, sealed[:cut], b"h" * 16, 1)


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
