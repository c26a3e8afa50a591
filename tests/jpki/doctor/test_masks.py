# SPDX-License-Identifier: Apache-2.0
"""What is masked in a reader's name, and what is left of a version."""

from __future__ import annotations

import pytest

from jpki.doctor import Finding, Level, masks

# As pcscd and Windows name readers; the numbers are invented.
NAMES = [
    ("SCM Microsystems Inc. SCR 3310 [CCID Interface] (21120518203155) 00 00",
     "SCM Microsystems Inc. SCR 3310 [CCID Interface] (…) 00 00"),
    ("Gemalto PC Twin Reader (70D7E2EE) 00 00", "Gemalto PC Twin Reader (…) 00 00"),
    ("Gemalto Prox-DU Contact_11700318 00 00", "Gemalto Prox-DU Contact_… 00 00"),
    ("HID Global OMNIKEY 5022 Smart Card Reader (K0Z13XAB91) 01 00",
     "HID Global OMNIKEY 5022 Smart Card Reader (…) 01 00"),
    ("Reader K0Z13X4B91 00 00", "Reader … 00 00"),
    ("Reader 7KQ9D4E2 0", "Reader … 0"),
    ("Reader (ABCDEF) 00 00", "Reader (…) 00 00"),
    ("SONY FeliCa RC-S300/P (1234567) 00 00", "SONY FeliCa RC-S300/P (…) 00 00"),
    ("Sony FeliCa Port/PaSoRi 4.0 0", "Sony FeliCa Port/PaSoRi 4.0 0"),
    ("ACS ACR122U PICC Interface 00 00", "ACS ACR122U PICC Interface 00 00"),
    ("SCM Microsystems SCR3310v2.0 00 00", "SCM Microsystems SCR3310v2.0 00 00"),
    ("Identiv uTrust 3700 F (Contactless) 0", "Identiv uTrust 3700 F (Contactless) 0"),
    ("Virtual PCD 00 01", "Virtual PCD 00 01"),
    ("a\x1b[31mred\u202e", "a…[31mred…"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shown"), NAMES)
def test_reader_names(name: str, shown: str) -> None:
    assert masks.reader_name(name) == shown


def test_a_reader_name_has_a_length() -> None:
    assert len(masks.reader_name("R " * 400)) <= 97


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("2.3.1", "2.3.1"),
        ("3.5.4 30 Sep 2025", "3.5.4"),
        ("1.0+built.on.my-laptop", "1.0"),
        ("3.14.0rc2", "3.14.0rc2"),
        ("my-laptop", "?"),
        ("", "?"),
        (None, "?"),
    ],
)
def test_versions(told: str | None, shown: str) -> None:
    assert masks.version(told) == shown


@pytest.mark.parametrize(
    ("told", "shown"), [("debian", "debian"), ("opensuse-leap", "opensuse-leap"), ("a b", "?")]
)
def test_words(told: str, shown: str) -> None:
    assert masks.word(told) == shown


def test_names_of_people_and_machines_are_taken_out() -> None:
    finding = Finding("readers", Level.OK, "reader_empty", {"reader": "Tanaka's desk", "n": 3})
    shown = masks.scrubbed(finding, ["tanaka", "de"])
    assert dict(shown.values) == {"reader": "…'s desk", "n": 3}
