# SPDX-License-Identifier: Apache-2.0
"""Marked secrets through every path, then a search of everything that came out.

One invented card with values that stand nowhere else. Each command runs in a process of
its own with every logger at its lowest level; what may show a value says so by name.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import re
import traceback
from pathlib import Path

import pytest

from jpki.card import Card, NumberPurpose
from jpki.card.free_area import read_free_area
from jpki.card.free_area_file import parse_applications
from jpki.card.overview import overview
from jpki.card_map import PinKind
from jpki.certificate import parse_certificate
from jpki.emulator import VirtualConnection, load_card, populate
from jpki.errors import PinError
from jpki.synth import SynthPki
from pin_jobs import commands
from secret_card import (
    AT,
    BIRTH_KEY,
    CARD,
    FREE_AREA_PIN,
    NEW,
    NUMBER,
    PINS,
    REGISTRY,
    WRONG,
)
from secret_runs import Run, hits, marks_of, run, run_one

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
    run("pin unblock sign --json --debug"),
    run("emulate --card FILE --vpcd 127.0.0.1:1 --debug", exit=3),
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
    return marks_of(card_file)


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("one", RUNS, ids=lambda one: one.command)
def test_nothing_leaks(
    one: Run, lang: str, card_file: Path, marks: dict[str, list[str]], tmp_path: Path
) -> None:
    code, out, err, log = run_one(one, card_file, tmp_path, lang)
    assert code == one.exit, err
    assert hits(out, marks, one.shows) == []
    assert hits(err, marks, frozenset()) == []
    assert hits(log, marks, frozenset()) == []
    assert "Traceback" not in out
    for shown in one.shows:
        assert any(form in out for form in marks[shown]), f"{shown} should be shown"
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "log"]
    assert left == []


def test_the_log_is_not_empty(card_file: Path, tmp_path: Path) -> None:
    # Or the search above would prove nothing.
    log = run_one(run("pin status"), card_file, tmp_path, "en")[3]
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
    assert run_one(made, card_file, tmp_path, "en")[0] == 0
    code, out, err, log = run_one(
        run(f"chain check {path} {TRUST} {options} --debug"), card_file, tmp_path, "en"
    )
    assert code in (0, 5), err
    for text in (out, err, log):
        assert hits(text, marks, frozenset()) == []


ELSEWHERE = {
    "completion": "prints a script; nothing is read",
    "demo": "one's own invented card alone; its output stands in the guides",
    "doctor": "tests/jpki/doctor/test_safe_to_post.py",
    "reader wait": "says that a card is there; opens none",
    "kiosk serve": "tests/test_kiosk_secrets.py",
    "kiosk half": "tests/test_kiosk_secrets.py",
    "kiosk token": "makes a random token; nothing is read",
    "kiosk desk": "makes random keys; nothing is read",
}
"""Commands that no run of these files has: who looks at them, or why there is nothing to see."""


def test_every_command_is_run() -> None:
    """A new command that is not among the runs, here and in the files beside, fails here."""
    files = Path(__file__).parent.glob("test_*secrets.py")
    calls = [
        call.args[0]
        for file in files
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("run", "Run") and call.args
    ]
    said = [ast.unparse(words).lstrip("f").strip("'\"") + " " for words in calls]
    missing = {words for words, _ in commands() if not any(c.startswith(f"{words} ") for c in said)}
    assert missing == set(ELSEWHERE)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_store_of_lists(
    card_file: Path, marks: dict[str, list[str]], tmp_path: Path, lang: str
) -> None:
    """Revocation lists are lists of serials; the certificate that is asked about has one more."""
    pki = SynthPki()
    populate(pki)
    (tmp_path / "lists").mkdir()
    for number, crl in enumerate(pki.crls()):
        (tmp_path / "lists" / f"{number}.crl").write_bytes(crl)
    made = run("cert export sign --format der --out sign.der", PINS["sign"])
    assert run_one(made, card_file, tmp_path, lang)[0] == 0
    kept = base64.b64encode((tmp_path / "sign.der").read_bytes()).decode("ascii")
    (tmp_path / "kept.ndjson").write_text(json.dumps({"key": "one", "certificate": kept}) + "\n")
    for one in (
        run(f"crl index lists --store store {TRUST} --debug"),
        run("crl info --store store --json --debug"),
        run(f"crl check sign.der --store store {TRUST} --debug"),
        run(f"crl watch kept.ndjson --store store --out next.ndjson {TRUST} --json --debug"),
        run("crl watch sign.der --store store --debug", exit=1),
    ):
        code, out, err, log = run_one(one, card_file, tmp_path, lang)
        assert code == one.exit, (one.command, err)
        for text in (out, err, log):
            assert hits(text, marks, frozenset()) == [], one.command


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_batch(card_file: Path, marks: dict[str, list[str]], tmp_path: Path, lang: str) -> None:
    """Neither the words nor the verdicts, nor the log, hold what the certificates hold."""
    people, verdicts = tmp_path / "people", tmp_path / "verdicts.ndjson"
    people.mkdir()
    made = run(f"cert export sign --format der --out {people / 'one.der'}", PINS["sign"])
    assert run_one(made, card_file, tmp_path, lang)[0] == 0
    batch = run(f"batch verify {people} --out {verdicts} {TRUST} --workers 1 --debug")
    code, out, err, log = run_one(batch, card_file, tmp_path, lang)
    assert code in (0, 5), err
    for text in (out, err, log, verdicts.read_text()):
        assert hits(text, marks, frozenset()) == []


def test_login_files(card_file: Path, marks: dict[str, list[str]], tmp_path: Path) -> None:
    challenge, response = tmp_path / "c.json", tmp_path / "r.json"
    made = run(f"auth challenge --origin https://a.example --purpose test --out {challenge}")
    answered = run(f"auth respond {challenge} --out {response}", PINS["auth"])
    checked = run(f"auth verify {response} --challenge {challenge} {TRUST}")
    for one in (made, answered, checked):
        code, out, err, log = run_one(one, card_file, tmp_path, "en")
        assert code == 0, err
        for text in (out, err, log):
            assert hits(text, marks, frozenset()) == []
    assert response.stat().st_mode & 0o777 == 0o600
    assert hits(response.read_text(), {k: marks[k] for k in ("pins", "number", "person")},
                 frozenset()) == []  # fmt: skip


def test_revocation_store(card_file: Path, marks: dict[str, list[str]], tmp_path: Path) -> None:
    """Whom a store is asked about is in no answer, no log and none of its files."""
    pki = SynthPki(AT)
    card = load_card(str(card_file), at=AT, pki=pki)
    with Card(VirtualConnection(card)) as reader:
        auth = reader.jpki.certificate("auth")
    certificate, lists, store = tmp_path / "auth.der", tmp_path / "lists", tmp_path / "store"
    kept, following = tmp_path / "kept", tmp_path / "next"
    certificate.write_bytes(auth)
    lists.mkdir()
    for number, crl in enumerate(pki.crls()):
        (lists / str(number)).write_bytes(crl)
    row = {"key": "customer", "certificate": base64.b64encode(auth).decode()}
    kept.write_text(json.dumps(row) + "\n")
    at = "--at 2026-11-21T09:00:00Z --debug"
    for command, exit in (
        (f"crl index {lists} {certificate} --store {store} {TRUST} {at}", 1),
        (f"crl info --store {store} {at} --json", 0),
        (f"crl check {certificate} --store {store} {TRUST} {at}", 0),
        (f"crl watch {kept} --store {store} --out {following} {at} --json", 0),
        (f"crl watch {certificate} --store {store} {at}", 1),
    ):
        code, out, err, log = run_one(run(command), card_file, tmp_path, "en")
        assert code == exit, err
        for text in (out, err, log):
            assert hits(text, marks, frozenset()) == []
    assert following.stat().st_mode & 0o777 == 0o600
    assert hits(following.read_text(), marks, frozenset()) == []


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
        code, _, err, _ = run_one(
            run(f"trace --out {trace} -- {job}", *lines), card_file, folder, "en"
        )
        assert code == exit, err
        assert trace.stat().st_mode & 0o777 == 0o600
        text = trace.read_text(encoding="utf-8")
        assert text.endswith(" 0 = end\n")
        steps = re.sub(r"(?m)^[0-9]+\.[0-9]{6} ", "", text)  # four digits of a time are no PIN
        assert hits(steps + err, marks, frozenset()) == []
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
    assert hits("\n".join(shown), marks, frozenset()) == []
    assert NUMBER not in "".join(repr(vars(type(number.number))))
