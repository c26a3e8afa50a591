# SPDX-License-Identifier: Apache-2.0
"""The committed transcripts are what their script makes today, and a field problem stays solved."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import VirtualConnection, load_card
from jpki.open import published_names
from jpki_apdu.replay import read_replay
from jpki_apdu.tracing import Recorder
from jpki_apdu.transcript import Trace, compare, read_trace

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "transcripts"
FIELD = FIXTURES / "short-replies.trace"


@pytest.mark.checkout
def test_generated_anew_they_are_the_same(tmp_path: Path, root: Path) -> None:
    script = root / "fixtures" / "transcripts" / "generate.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True, text=True, timeout=100, check=False, cwd=root,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    made = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*.*")}
    kept = {
        str(p.relative_to(FIXTURES)): p.read_bytes()
        for p in FIXTURES.rglob("*.*")
        if p.suffix in (".replay", ".trace")
    }
    assert sorted(made) == sorted(kept)
    assert [name for name in kept if made[name] != kept[name]] == []


def test_every_recording_is_synthetic_and_says_who_made_it() -> None:
    found = sorted(FIXTURES.rglob("*.replay"))
    assert len(found) > 15
    for path in found:
        headers = read_replay(path).headers
        assert headers["origin"] == "synthetic"
        assert headers["card"] == "hanako"
        assert headers["made-by"].endswith("generate.py")


# A field problem: all that reached us is a trace. ---------------------------------------


def _job(folder: Path, quirks: str, faults: tuple[str, ...]) -> Trace:
    """The job of the trace, on the card of somebody else with these quirks and faults."""
    card_file = folder / "card.toml"
    card_file.write_text(CARD + quirks, encoding="utf-8")
    card = load_card(str(card_file), faults=faults)
    numbers = itertools.count(1)
    path = folder / f"{next(numbers)}.trace"
    with (
        Recorder(path, names=published_names(), overwrite=True) as recorder,
        Card(recorder.wrap(VirtualConnection(card))) as reader,
    ):
        reader.info()
        reader.jpki.certificate("auth")
        reader.pins.verify(PinKind.TEXT, bytearray(b"1234"))
        reader.text.attributes()
    return read_trace(path)


CARD = """
schema = "jpki.card/1"
name = "twin"
[holder]
name = "仮名　一"
address = "東京都清瀬市中里一丁目"
birth = 2001-02-03
sex = "female"
number = "900000000770"
[municipality]
code = "13221"
[dates]
month_day = "10-27"
days_before = 365
[keys]
slot = 4
"""
NO_SFI = "[quirks]\nsfi = false\n"
SHORT = ("reader:6700=128",)


def test_an_emulated_card_with_the_same_quirks_and_faults_leaves_the_same_trace(
    tmp_path: Path,
) -> None:
    field = read_trace(FIELD)
    assert field.commands > 40
    assert compare(field, _job(tmp_path, NO_SFI, SHORT), lengths=False) is None


@pytest.mark.parametrize(
    ("quirks", "faults"),
    [("", ()), ("", SHORT), (NO_SFI, ()), (NO_SFI, ("reader:6700=224",)),
     (NO_SFI, ("reader:trim=128",)), (NO_SFI, (*SHORT, "card:6F00"))],
)  # fmt: skip
def test_with_others_it_does_not(quirks: str, faults: tuple[str, ...], tmp_path: Path) -> None:
    assert compare(read_trace(FIELD), _job(tmp_path, quirks, faults), lengths=False) is not None


def test_sizes_count_unless_told_otherwise(tmp_path: Path) -> None:
    difference = compare(read_trace(FIELD), _job(tmp_path, NO_SFI, SHORT))
    assert difference is not None
    assert "lc=" in str(difference) or "len=" in str(difference)
