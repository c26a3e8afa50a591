# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in, used as a stranger's project uses it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = """
from jpki.card_map import PinKind


def test_login(emulated_card):
    with emulated_card.open() as card:
        card.pins.verify(PinKind.AUTH, bytearray(emulated_card.pins["auth"], "ascii"))
        assert len(card.jpki.authenticate(b"a challenge")) == 256


def test_two_cards_are_two_cards(card_factory):
    one, other = card_factory("hanako"), card_factory("child")
    assert one.uri != other.uri


def test_a_fresh_card_for_each_test(emulated_card):
    assert emulated_card.apdus == 0


def test_pki_is_marked_as_test(test_pki):
    assert b"JPKI-SYNTH" in test_pki.trust_anchors()[0]


def test_ejected_card_is_gone(emulated_card):
    import pytest
    from jpki_apdu.errors import CardRemovedError
    with emulated_card.open() as card:
        emulated_card.eject()
        with pytest.raises(CardRemovedError):
            card.detect()
"""

LAZY = """
import sys


def test_nothing_of_ours_is_loaded():
    loaded = {name for name in sys.modules if name.partition(".")[0] in ("jpki", "jpki_apdu")}
    assert loaded == {"jpki", "jpki.testing", "jpki.testing.plugin"}
    assert not {"cryptography", "asn1crypto", "click", "rich", "smartcard"} & set(sys.modules)
"""


def run(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_example.py").write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_fixtures_work_for_a_stranger(tmp_path: Path) -> None:
    done = run(tmp_path, EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_nothing_is_loaded_until_a_fixture_is_used(tmp_path: Path) -> None:
    done = run(tmp_path, LAZY)
    assert done.returncode == 0, done.stdout + done.stderr
