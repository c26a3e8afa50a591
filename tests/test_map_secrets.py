# SPDX-License-Identifier: Apache-2.0
"""One person's life in a map, from the command line, and a search of all that came out of it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from secret_card import CARD, NUMBER, PINS, WRONG
from secret_runs import hits, marks_of, run, run_one


@pytest.fixture
def card_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "secrets.toml"
    path.write_text(CARD, encoding="utf-8")
    return path


MAP = "--db map.db --key-file map.keys --policy city-id --trust test"
LOGIN = f"{MAP} --purpose login --actor terminal-1"
RECORDS = f"{MAP} --purpose records --actor terminal-1"
ENTRY = "--db map.gate.db --key-file map.gate --policy entry --trust test"
GATE = f"{ENTRY} --purpose enter --actor gate-1"
MAP_RUNS = [
    run(f"map init {MAP}"),
    run(f"map enrol {LOGIN}", PINS["sign"]),
    run(f"map enrol {LOGIN} --json --debug", PINS["sign"], exit=1),
    run(f"map resolve {LOGIN} --debug", WRONG["auth"], exit=4),
    run(f"map resolve {LOGIN} --key sign", PINS["sign"]),
    run(f"map resolve {LOGIN} --json --debug", PINS["auth"], exit=1),
    run(f"map link {RECORDS} --kind sign-auth --key auth", PINS["sign"], PINS["auth"]),
    run(f"map resolve {LOGIN} --json", PINS["auth"]),
    run(f"map resolve {LOGIN} --receiver {NUMBER} --json --debug", PINS["auth"], exit=1),
    run(f"map suspend {MAP} --actor staff-1 --document {NUMBER} --pseudonym {NUMBER}", exit=1),
    run(f"map consent give {LOGIN} --item {NUMBER} --debug", PINS["sign"], exit=1),
    run(f"map disclose {RECORDS}", PINS["auth"]),
    run(f"map disclose {RECORDS} --json", PINS["auth"]),
    run(f"map challenge {MAP} --purpose login --operation resolve --out c.json"),
    run("auth respond c.json --key sign --out r.json", PINS["sign"]),
    run(f"map resolve {LOGIN} --presentation r.json --json --debug"),
    run(f"map resolve {LOGIN} --presentation r.json --debug", exit=1),
    run("map report --db map.db --key-file map.keys --json --debug"),
    run("map ledger verify --db map.db --key-file map.keys --debug"),
    run("map ledger checkpoint --db map.db --key-file map.keys --out kept.json"),
    run("map rotate --db map.db --key-file map.keys --json --debug"),
    run(f"map erase {RECORDS} --json", PINS["auth"]),
    run(f"map init {ENTRY}"),
    run(f"map enrol {GATE} --bind-card --debug", PINS["text"], PINS["auth"]),
    run(f"map resolve {GATE} --proof tap --json --debug"),
    run(f"map recheck {GATE} --json --debug", exit=1),
]


def test_the_map(card_file: Path, tmp_path: Path) -> None:
    """Nothing of the person is shown, logged, or stored in the clear."""
    marks = marks_of(card_file)
    for one, lang in zip(MAP_RUNS, itertools.cycle(["en", "ja"]), strict=False):
        code, out, err, log = run_one(one, card_file, tmp_path, lang)
        assert code == one.exit, (one.command, err)
        for text in (out, err, log):
            # Four digits of a hash are no PIN.
            assert hits(re.sub("[0-9a-f]{32,}", "", text), marks, frozenset()) == [], one.command
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("map.*")).decode("latin-1")
        lasting = {group: forms for group, forms in marks.items() if group != "pins"}
        assert hits(stored, lasting, frozenset()) == [], one.command
