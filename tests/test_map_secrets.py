# SPDX-License-Identifier: Apache-2.0
"""One person's life in a map, from the command line, and a search of all that came out of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from jpki.card import Card
from jpki.card_map import PinKind
from jpki.emulator import VirtualConnection, load_card
from jpki.synth import SynthPki
from jpki.testing.platform_server import PlatformServer
from jpki_cli.clicks import Tree
from jpki_cli.tree import TREE
from secret_card import ADDRESS, CARD, NAME, NUMBER, PINS, WRONG
from secret_runs import Run, hits, marks_of, run, run_one


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
KYC = "--db map.kyc.db --key-file map.kyc --policy kyc --trust test"
CUSTOMER = f"{KYC} --purpose latest-info --actor web-1 --key sign"
EVIDENCE = "--evidence-db map.evidence.db"
KEPT = f"{KYC} {EVIDENCE} --reference C-81 --at LATER"
ITEMS = "--item name --item address"
OPERATOR = "--platform operator.toml --at LATER"
WHO = f"--document {NUMBER} --pseudonym {NUMBER}"
MAP_RUNS = [
    run("map policy check --policy city-id --json --debug"),
    run(f"map policy explain --policy kyc --operation resolve --actor {NUMBER} --debug", exit=1),
    run("map policy diff city-id kyc --debug"),
    run(f"map init {MAP}"),
    run(f"map enrol {LOGIN}", PINS["sign"]),
    run(f"map enrol {LOGIN} --json --debug", PINS["sign"], exit=1),
    run(f"map resolve {LOGIN} --debug", WRONG["auth"], exit=4),
    run(f"map resolve {LOGIN} --key sign", PINS["sign"]),
    run(f"map resolve {LOGIN} --json --debug", PINS["auth"], exit=1),
    run(f"map link {RECORDS} --kind sign-auth --key auth", PINS["sign"], PINS["auth"]),
    run(f"map resolve {LOGIN} --json", PINS["auth"]),
    run(f"map resolve {LOGIN} --receiver {NUMBER} --json --debug", PINS["auth"], exit=1),
    run(f"map refresh {RECORDS} --json --debug", PINS["auth"], PINS["sign"], exit=1),
    run(f"map refresh {RECORDS} --debug", PINS["auth"], WRONG["auth"] + "AB", exit=4),
    run(f"map suspend {MAP} --actor staff-1 {WHO}", exit=1),
    run(f"map suppress {MAP} --actor staff-1 {WHO} --json --debug", exit=1),
    run(f"map close {MAP} --actor staff-1 {WHO} --json --debug", exit=1),
    run(f"map consent list {MAP} --actor staff-1 {WHO} --json --debug", exit=1),
    run(f"map consent due {MAP} --actor staff-1 --document 2026-1 --json --debug"),
    run(f"map consent give {LOGIN} --item {NUMBER} --debug", PINS["sign"], exit=1),
    run(f"map consent withdraw {LOGIN} --json --debug", PINS["auth"]),
    run(f"map consent give {LOGIN} --debug", PINS["sign"]),
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
]
KYC_RUNS = [
    run(f"map init {KYC} {EVIDENCE}"),
    run(f"map enrol {KYC} --purpose identity-proofing --actor web-1", PINS["sign"]),
    run(f"map consent give {CUSTOMER} {ITEMS} --debug", PINS["sign"]),
    run(
        f"map latest-info {CUSTOMER} --reveal attributes {ITEMS} {OPERATOR} --debug",
        PINS["sign"],
        shows="name person",
    ),
    run(
        f"map latest-info {CUSTOMER} --reveal attributes --item name {OPERATOR} --json --debug",
        PINS["sign"],
        shows="name",
    ),
    run(
        f"map latest-info {CUSTOMER} --reveal attributes {OPERATOR} --json --debug",
        PINS["sign"],
        exit=1,
    ),
    run(
        f"map evidence keep {KEPT} --ends 2027-03-31T00:00:00Z --actor web-1 --debug", PINS["sign"]
    ),
    run(f"map evidence show {KEPT} --actor staff-1 --document 2026-1 --out kept.json --debug"),
    run(f"map evidence purge --db map.kyc.db --key-file map.kyc {EVIDENCE} --json --debug"),
]
GATE_RUNS = [
    run(f"map init {ENTRY}"),
    run(f"map enrol {GATE} --bind-card --debug", PINS["text"], PINS["auth"]),
    run(f"map resolve {GATE} --proof tap --json --debug"),
    run(f"map recheck {GATE} --json --debug", exit=1),
]


@pytest.fixture
def operator(card_file: Path, tmp_path: Path) -> Iterator[None]:
    """A platform operator that knows the person, and ``operator.toml`` to ask it."""
    with Card(VirtualConnection(load_card(str(card_file)))) as card:
        card.pins.verify(PinKind.SIGN, bytearray(PINS["sign"], "ascii"))
        sign = card.jpki.certificate("sign")
    with PlatformServer(SynthPki()) as server:
        server.know(sign, info={"name": NAME, "address": ADDRESS}, consented=["name", "address"])
        key = load_der_public_key(server.key)
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
        path = tmp_path / "operator.toml"
        path.write_text(f'url = "{server.url}"\nkey = """{pem}"""\n', encoding="utf-8")
        path.chmod(0o600)
        yield


def test_every_command_is_run() -> None:
    """A new command that is not among them fails here."""

    def verbs(tree: Tree, *noun: str) -> Iterator[str]:
        for name, below in tree.items():
            if isinstance(below, Mapping):
                yield from verbs(below, *noun, name)
            else:
                yield " ".join((*noun, name))

    known = TREE["map"]
    assert isinstance(known, Mapping)
    run = [one.command for one in (*MAP_RUNS, *KYC_RUNS, *GATE_RUNS)]
    missing = [v for v in verbs(known, "map") if not any(c.startswith(f"{v} ") for c in run)]
    assert missing == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("runs", [MAP_RUNS, KYC_RUNS, GATE_RUNS], ids=["map", "kyc", "gate"])
def test_a_life_in_a_map(card_file: Path, tmp_path: Path, operator: None, runs: list[Run]) -> None:
    """Nothing of the person is shown, logged, or stored in the clear."""
    marks = marks_of(card_file)
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="seconds")
    dated = [replace(one, command=one.command.replace("LATER", later)) for one in runs]
    for one, lang in zip(dated, itertools.cycle(["en", "ja"]), strict=False):
        code, out, err, log = run_one(one, card_file, tmp_path, lang)
        assert code == one.exit, (one.command, err)
        for text, shows in ((out, one.shows), (err, frozenset()), (log, frozenset())):
            # Four digits of a hash are no PIN.
            assert hits(re.sub("[0-9a-f]{32,}", "", text), marks, shows) == [], one.command
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("map.*")).decode("latin-1")
        lasting = {group: forms for group, forms in marks.items() if group != "pins"}
        assert hits(stored, lasting, frozenset()) == [], one.command
