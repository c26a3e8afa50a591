# SPDX-License-Identifier: Apache-2.0
"""Marked secrets through every path, then a search of everything that came out.

One invented card with values that stand nowhere else. Each command runs in a process of
its own with every logger at its lowest level; what may show a value says so by name.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from document_bench import XML, small_pdf
from jpki.card import Card, NumberPurpose
from jpki.card.free_area import read_free_area
from jpki.card.free_area_file import parse_applications
from jpki.card.overview import overview
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.emulator import VirtualConnection, load_card
from jpki.errors import PinError
from secret_card import (
    ADDRESS,
    AT,
    BIRTH_KEY,
    BORN,
    CARD,
    CONDITION,
    FREE_AREA_CODE,
    FREE_AREA_PIN,
    LICENCE,
    NAME,
    NEW,
    NUMBER,
    PINS,
    REGISTRY,
    WRONG,
)

# Runs the command line with every log record of every logger going to a file of its own.
DRIVER = """
import logging, sys
logging.basicConfig(filename=sys.argv[1], level=1, format="%(name)s %(message)s")
sys.argv[:2] = ["jpki"]
from jpki_cli.main import main
main()
"""


@dataclass(frozen=True)
class Run:
    """One command. ``lines``: for --pin-fd. ``shows``: groups of values stdout may hold."""

    command: str
    lines: tuple[str, ...] = ()
    shows: frozenset[str] = frozenset()
    exit: int = 0


def run(command: str, *lines: str, shows: str = "", exit: int = 0) -> Run:
    return Run(command, lines, frozenset(shows.split()), exit)


TRUST = "--trust test"
RUNS = [
    run("card info"),
    run("card info --json"),
    run("card info --applications REGISTRY"),
    run("card info --applications REGISTRY --json --debug"),
    run("card read attributes", PINS["text"], shows="person"),
    run("card read attributes --json", PINS["text"], shows="person"),
    run("card read name", PINS["text"], shows="name"),
    run("card read attributes --secure-messaging", PINS["text"], shows="person"),
    run("card read number --secure-messaging --json", PINS["text"]),
    run("card read number --secure-messaging --debug", WRONG["text"], exit=4),
    run("card read number", PINS["text"]),
    run("card read number --json", PINS["text"]),
    run("card read number --reveal number", PINS["text"], shows="number"),
    run("card read face", NUMBER, shows="birth"),
    run("card read face --number --json", NUMBER, shows="birth"),
    run("card read photo", NUMBER),
    run("card read photo --debug", NUMBER[:-1], exit=4),
    run("card read age", BIRTH_KEY, shows="birth"),
    run("card read age --at-least 20", BIRTH_KEY),
    run("card read age --at-least 99 --json --debug", BIRTH_KEY, exit=1),
    run("card read age --debug", "011230", exit=4),
    run(f"card check {TRUST} --with number-a,birth --number", NUMBER, BIRTH_KEY, shows="birth"),
    run(f"card check {TRUST} --with text,birth,sign --json", PINS["text"], BIRTH_KEY, PINS["sign"],
        shows="person"),
    run("card read all --with text,sign", PINS["text"], PINS["sign"], shows="person"),
    run(f"card check {TRUST}"),
    run(f"card check {TRUST} --with text,auth,sign", PINS["text"], PINS["auth"], PINS["sign"],
        shows="person"),
    run(f"card check {TRUST} --with text,auth --number --json", PINS["text"], PINS["auth"],
        shows="person"),
    run(f"card check {TRUST} --with text", WRONG["text"], exit=4),
    run(f"card check {TRUST} --with text --debug", WRONG["text"], exit=4),
    run(f"card check {TRUST} --with text --json --debug", WRONG["text"], exit=4),
    run("card check --with text,auth", PINS["text"], PINS["auth"], shows="person", exit=1),
    run("cert show auth"),
    run("cert show auth --json"),
    run("cert show sign", PINS["sign"], shows="person"),
    run("cert show auth --reveal serial", shows="auth"),
    run("cert show auth-ca"),
    run("card read licence", PINS["licence"], shows="licence"),
    run("card read licence --json", PINS["licence"], shows="licence"),
    run("card read licence", WRONG["auth"], exit=4),
    run("card read licence --debug --json", WRONG["auth"], exit=4),
    run("pin check licence", PINS["licence"]),
    run("pin status"),
    run("pin status --json"),
    run("pin check auth", PINS["auth"]),
    run("pin check auth", WRONG["auth"], exit=4),
    run("pin check auth --debug --json", WRONG["auth"], exit=4),
    run("pin check auth", PINS["auth"] + "0", exit=4),
    run("pin check sign --debug", PINS["sign"][:4], exit=4),
    run("pin change auth", PINS["auth"], NEW["auth"]),
    run("pin change sign --json", PINS["sign"], NEW["sign"]),
    run("pin change auth --debug", WRONG["auth"], NEW["auth"], exit=4),
    run("trace --out /dev/full --force -- pin status", exit=1),
    run("map policy explain --policy library --purpose lend --operation resolve --actor terminal-1 "
        f"--item {NUMBER} --receiver {NUMBER} --json --debug", exit=1),
    run("reader list", exit=3),
    # jpki doctor is fed secrets of its own kind in tests/jpki/doctor/test_safe_to_post.py.
    run("reader probe"),
    run("reader probe --json"),
]  # fmt: skip


@pytest.fixture(scope="module")
def card_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "secrets.toml"
    path.write_text(CARD, encoding="utf-8")
    path.with_name("registry.toml").write_text(REGISTRY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def marks(card_file: Path) -> dict[str, list[str]]:
    """Every form a value could take in a text, by group."""
    card = load_card(str(card_file), at=AT)
    found: dict[str, list[str]] = {"pins": [], "name": [NAME, NAME.split("\u3000")[0], "漏子"]}
    known = card.pins()
    pins = [*PINS.values(), *NEW.values(), *WRONG.values(), known["number_b"], known["birth"]]
    found["pins"] = [form for pin in pins for form in (pin, pin.encode().hex())]
    found["number"] = [
        NUMBER,
        NUMBER.encode().hex(),
        " ".join(NUMBER[i : i + 4] for i in (0, 4, 8)),
    ]
    found["licence"] = [LICENCE, LICENCE[::-1], CONDITION, "2029-03-07", "5110307"]
    found["person"] = [*found["name"], ADDRESS, "秘匿町", *BORN]
    found["birth"] = [*BORN, *(form.encode().hex() for form in BORN)]
    with Card(VirtualConnection(card)) as reader:
        reader.pins.verify(PinKind.SIGN, bytearray(PINS["sign"], "ascii"))
        found["auth"] = _identifiers(reader.jpki.certificate("auth"))
        found["sign"] = _identifiers(reader.jpki.certificate("sign"))
        number = reader.mf.card_number()
        assert number is not None
        found["chip"] = [reader.common.card_record().serial.reveal(), number.reveal()]
    found["free area"] = [FREE_AREA_CODE, FREE_AREA_PIN, FREE_AREA_CODE.encode().hex()]
    return found


def _identifiers(der: bytes) -> list[str]:
    """What follows a person as a serial number does."""
    certificate = x509.load_der_x509_certificate(der)
    common_name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    serial = certificate.serial_number
    key_id = parse_certificate(der).key_id
    digests = [hashlib.new(name, der).hexdigest() for name in ("sha1", "sha256")]
    return [
        str(serial), f"{serial:x}", f"{serial:08x}", f"{serial:08x}".upper(), str(common_name),
        key_id.hex(), key_id.hex(":"), *digests, *(d.upper() for d in digests),
    ]  # fmt: skip


def _hits(text: str, marks: dict[str, list[str]], shows: frozenset[str]) -> list[str]:
    """Groups of which ``text`` holds a value it may not hold."""
    allowed = set(shows)
    if "person" in shows:
        allowed |= {"name", "birth"}
    permitted = {form for group in allowed for form in marks[group]}
    return [
        group
        for group, forms in marks.items()
        if any(form in text and form not in permitted for form in forms)
    ]


def _run(one: Run, card_file: Path, folder: Path, lang: str) -> tuple[int, str, str, str]:
    log = folder / "log"
    command = one.command.replace("REGISTRY", str(card_file.with_name("registry.toml")))
    words = [*command.split(), "--lang", lang]
    if words[:2] != ["reader", "list"]:
        words += ["--reader", f"virtual:{card_file}"]
        words += (
            ["--at", "2026-11-21T09:00:00Z"] if words[1] == "check" and words[0] == "card" else []
        )
    inside, outside = os.pipe()
    os.write(outside, "".join(line + "\n" for line in one.lines).encode())
    os.close(outside)
    words += ["--pin-fd", str(inside)] if one.lines else []
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JPKI_")}
    environment["PCSCLITE_CSOCK_NAME"] = str(folder / "no-such-socket")
    try:
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, str(log), *words],
            capture_output=True, pass_fds=(inside,), timeout=60, check=False, cwd=folder,
            env=environment, encoding="utf-8",
        )  # fmt: skip
    finally:
        os.close(inside)
    return done.returncode, done.stdout, done.stderr, log.read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("one", RUNS, ids=lambda one: one.command)
def test_nothing_leaks(
    one: Run, lang: str, card_file: Path, marks: dict[str, list[str]], tmp_path: Path
) -> None:
    code, out, err, log = _run(one, card_file, tmp_path, lang)
    assert code == one.exit, err
    assert _hits(out, marks, one.shows) == []
    assert _hits(err, marks, frozenset()) == []
    assert _hits(log, marks, frozenset()) == []
    assert "Traceback" not in out
    for shown in one.shows:
        assert any(form in out for form in marks[shown]), f"{shown} should be shown"
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "log"]
    assert left == []


def test_the_log_is_not_empty(card_file: Path, tmp_path: Path) -> None:
    # Or the search above would prove nothing.
    log = _run(run("pin status"), card_file, tmp_path, "en")[3]
    assert "63C3" in log


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--ocsp http://127.0.0.1:1/ --prefer both",
        "--profile rfc5280",
        "--profile rfc5280 --json",
    ],
)
def test_a_certificate_in_a_file(
    card_file: Path, marks: dict[str, list[str]], tmp_path: Path, options: str
) -> None:
    path = tmp_path / "sign.der"
    made = run(f"cert export sign --format der --out {path}", PINS["sign"])
    assert _run(made, card_file, tmp_path, "en")[0] == 0
    code, out, err, log = _run(
        run(f"chain check {path} {TRUST} {options} --debug"), card_file, tmp_path, "en"
    )
    assert code in (0, 5), err
    for text in (out, err, log):
        assert _hits(text, marks, frozenset()) == []


def test_login_files(card_file: Path, marks: dict[str, list[str]], tmp_path: Path) -> None:
    challenge, response = tmp_path / "c.json", tmp_path / "r.json"
    made = run(f"auth challenge --origin https://a.example --purpose test --out {challenge}")
    answered = run(f"auth respond {challenge} --out {response}", PINS["auth"])
    checked = run(f"auth verify {response} --challenge {challenge} {TRUST}")
    for one in (made, answered, checked):
        code, out, err, log = _run(one, card_file, tmp_path, "en")
        assert code == 0, err
        for text in (out, err, log):
            assert _hits(text, marks, frozenset()) == []
    assert response.stat().st_mode & 0o777 == 0o600
    assert _hits(response.read_text(), {k: marks[k] for k in ("pins", "number", "person")},
                 frozenset()) == []  # fmt: skip


DOCUMENT_RUNS = [
    run("sign a.pdf --as pdf --visible --debug", PINS["sign"], shows="person"),
    run("sign a.pdf --as pdf --out b.pdf --json --debug", PINS["sign"]),
    run("sign a.pdf --as pdf --out c.pdf --debug", "WRONG1", exit=4),
    run("sign a.pdf --as pdf --pdf-profile pades-lt --debug", PINS["sign"], exit=1),
    run("sign a.xml --as xml --debug", PINS["sign"], shows="person"),
    run("sign a.xml --as xml --form enveloping --out b.xml --json --debug", PINS["sign"]),
    run(f"verify a.signed.pdf {TRUST} --profile moj --debug", shows="person"),
    run(f"verify a.signed.pdf {TRUST} --json --debug"),
    run(f"verify a.signed.xml {TRUST} --debug", shows="person"),
    run(f"verify a.signed.xml {TRUST} --json --debug"),
]


def test_signed_documents(
    card_file: Path, marks: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries underneath log too; what a file holds of its signer is shown to a person."""
    monkeypatch.chdir(tmp_path)
    Path("a.pdf").write_bytes(small_pdf("amount"))
    Path("a.xml").write_bytes(XML)
    for one in DOCUMENT_RUNS:
        code, out, err, log = _run(one, card_file, tmp_path, "en")
        assert code == one.exit, (one.command, err)
        assert _hits(out, marks, one.shows) == [], one.command
        assert _hits(err, marks, frozenset()) == [], one.command
        assert _hits(log, marks, frozenset()) == [], one.command


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


def test_the_map(card_file: Path, marks: dict[str, list[str]], tmp_path: Path) -> None:
    """One person's life in a map: nothing of it is shown, logged, or stored in the clear."""
    for one, lang in zip(MAP_RUNS, itertools.cycle(["en", "ja"]), strict=False):
        code, out, err, log = _run(one, card_file, tmp_path, lang)
        assert code == one.exit, (one.command, err)
        for text in (out, err, log):
            # Four digits of a hash are no PIN.
            assert _hits(re.sub("[0-9a-f]{32,}", "", text), marks, frozenset()) == [], one.command
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("map.*")).decode("latin-1")
        lasting = {group: forms for group, forms in marks.items() if group != "pins"}
        assert _hits(stored, lasting, frozenset()) == [], one.command


def test_trace_files(card_file: Path, marks: dict[str, list[str]], tmp_path: Path) -> None:
    """A trace is for posting: nothing of person, PINs or card is in it, nor how long a PIN is."""
    jobs: list[tuple[str, list[str], int]] = [
        ("card read all --with text,sign", [PINS["text"], PINS["sign"]], 0),
        ("card read number --reveal number", [PINS["text"]], 0),
        ("cert show sign", [PINS["sign"]], 0),
        ("pin change sign", [PINS["sign"], NEW["sign"]], 0),
        ("pin check auth", [WRONG["auth"]], 4),
    ]
    for number, (job, lines, exit) in enumerate(jobs):
        trace = tmp_path / f"{number}.trace"
        folder = tmp_path / str(number)
        folder.mkdir()
        # The options that the runner adds at the end belong to the command that is traced.
        code, _, err, _ = _run(
            run(f"trace --out {trace} -- {job}", *lines), card_file, folder, "en"
        )
        assert code == exit, err
        assert trace.stat().st_mode & 0o777 == 0o600
        text = trace.read_text(encoding="utf-8")
        assert text.endswith(" 0 = end\n")
        steps = re.sub(r"(?m)^[0-9]+\.[0-9]{6} ", "", text)  # four digits of a time are no PIN
        assert _hits(steps + err, marks, frozenset()) == []
        presented = [
            line for line in text.splitlines() if re.search(r"> 00(20|24).* lc=[^0]", line)
        ]
        assert presented
        assert all(" lc=* " in line for line in presented)


def _forms(value: object) -> list[str]:
    """What printing a value gives; a wrapped serial refuses to be printed at all."""
    forms = []
    for show in (repr, str, format):
        with contextlib.suppress(TypeError):
            forms.append(show(value))
    return forms


def test_reprs_and_tracebacks(card_file: Path, marks: dict[str, list[str]]) -> None:
    card = load_card(str(card_file), at=AT)
    shown = [repr(card)]
    with Card(VirtualConnection(card)) as reader:
        try:
            reader.pins.verify(PinKind.TEXT, bytearray(WRONG["text"], "ascii"))
        except PinError as error:
            # With the locals of every frame: the buffer must have been wiped by then.
            report = traceback.TracebackException.from_exception(error, capture_locals=True)
            del report.stack[0]  # this test itself, which knows every mark
            shown += ["".join(report.format()), repr(error), str(error), repr(error.values)]
        reader.pins.verify(PinKind.TEXT, bytearray(PINS["text"], "ascii"))
        attributes = reader.text.attributes()
        number = reader.text.number(NumberPurpose.own_card())
        digests, ap_key = reader.text.digests(), reader.text.ap_key()
        reader.pins.verify(PinKind.LICENCE, bytearray(PINS["licence"], "ascii"))
        licence = reader.licence.evidence()
        for kind, value in ((PinKind.NUMBER_A, NUMBER), (PinKind.BIRTH, BIRTH_KEY)):
            reader.pins.verify(kind, bytearray(value, "ascii"))
        surface = (
            reader.surface.face(), reader.surface.age(), reader.surface.basic_info(),
            reader.surface.number_image(NumberPurpose.own_card()),
        )  # fmt: skip
        reader.pins.verify(PinKind.SIGN, bytearray(PINS["sign"], "ascii"))
        certificate = parse_certificate(reader.jpki.certificate("sign"))
        (free_area,) = parse_applications(REGISTRY.encode(), "registry.toml")
        values: tuple[object, ...] = (
            attributes, number, number.number, certificate, certificate.serial,
            certificate.holder, certificate.subject, reader.common.card_record(),
            reader.detect(), digests, ap_key, reader.info(), *surface, licence, licence.record,
            licence.record.tiling, licence.record.conditions, licence.signature,
            reader.mf.read_all(), overview(reader, (free_area,)),
            read_free_area(reader, free_area, "card-code"),
            read_free_area(reader, free_area, "guarded", pin=bytearray(FREE_AREA_PIN, "ascii")),
        )  # fmt: skip
        shown += [form for value in values for form in _forms(value)]
    assert _hits("\n".join(shown), marks, frozenset()) == []
    assert NUMBER not in "".join(repr(vars(type(number.number))))
