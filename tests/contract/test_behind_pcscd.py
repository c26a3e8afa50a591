# SPDX-License-Identifier: Apache-2.0
"""The contract behind a real pcscd, through the options that a real card is tested with."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract_bench import Bench, ProcessBench, identity
from pcsc_bed import PcscBed

pytestmark = pytest.mark.system

SUITE = Path(__file__).with_name("test_connection.py")
READER = "Virtual PCD 00 00"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PcscBed]:
    with PcscBed() as bed:
        bed.plug_in("hanako")
        yield bed


def _card_id(bed: PcscBed) -> str:
    """As a person would find it."""
    shown = bed.run("jpki", "cert", "show", "auth", "--reveal", "serial").stdout
    found = re.search(r"SHA-256 +([0-9A-F]{64})", shown)
    assert found
    return found[1]


def _suite(bed: PcscBed, *options: str, status: int = 0, stdin: str = "") -> str:
    # -s: otherwise pytest closes descriptor 0 before anybody can read a PIN from it.
    words = ["-m", "pytest", "-n0", "-q", "-s", "-p", "no:cacheprovider", str(SUITE)]
    return bed.run(
        sys.executable, *words, "--reader", READER, *options, status=status, stdin=stdin
    ).stdout


def test_all_of_it(bed: PcscBed) -> None:
    out = _suite(
        bed, "--card", _card_id(bed), "--auth-pin-fd", "0", "--spend-a-try", stdin="1234\n"
    )
    assert re.search(r"\b17 passed", out)
    assert "deselected" not in out


def test_without_leave_no_pin_is_presented(bed: PcscBed) -> None:
    card = _card_id(bed)
    assert re.search(r"\b14 passed, 3 deselected", _suite(bed, "--card", card[:16]))
    given = _suite(bed, "--card", card, "--auth-pin-fd", "0", stdin="1234\n")
    assert re.search(r"\b16 passed, 1 deselected", given)


def test_an_empty_pin_is_not_presented(bed: PcscBed) -> None:
    for line in ("", "12345\n"):
        out = _suite(bed, "--card", _card_id(bed), "--auth-pin-fd", "0", status=4, stdin=line)
        assert "passed" not in out


@pytest.mark.parametrize("card", ["", "0" * 64, "6147"])
def test_another_card_is_not_touched(bed: PcscBed, card: str) -> None:
    out = _suite(bed, "--card", card, "--spend-a-try", status=4)
    assert "passed" not in out
    assert _card_id(bed)[:16].lower() not in out.lower()


def test_the_id_is_the_hash_of_the_certificate() -> None:
    bench: Bench = ProcessBench()
    with bench.open() as connection:
        assert len(identity(connection)) == 2 * hashlib.sha256().digest_size
