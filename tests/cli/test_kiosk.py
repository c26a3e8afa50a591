# SPDX-License-Identifier: Apache-2.0
"""``jpki kiosk``: what is refused before anything starts, and an orderly start and end."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jsonschema import Draft202012Validator

from command_line import Cli, schema_of, validate
from http_client import request
from issued import AT, HANAKO, ISSUER
from jpki.kiosk.documents.contents import DocumentKind, content_of
from jpki.kiosk.server.half import Answer
from jpki.kiosk.server.wire import answer_object
from jpki.kiosk.shelter.office import read_office
from jpki.mapping.answers import Outcome
from jpki.messages import text
from jpki.open_shelter import read_keys
from jpki.verifying.issued import Statement, to_payload
from kiosk_page import Kiosk
from map_cli import MapCli

DEMO = ("kiosk", "serve", "--demo", "--reader", "virtual:hanako")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (DEMO, "usage_kiosk_demo_trust"),
        ((*DEMO, "--trust", "production"), "usage_kiosk_demo_trust"),
        ((*DEMO, "--trust", "test", "--server", "http://127.0.0.1:9"), "usage_kiosk_demo_server"),
        ((*DEMO, "--trust", "test", "--idle", "0"), "usage_kiosk_limit"),
        ((*DEMO, "--trust", "test", "--port", "65536"), "usage_value"),
        ((*DEMO, "--trust", "test", "--policy", "nothing"), "policy_file"),
        ((*DEMO[:3], "--reader", "vpcd:127.0.0.1:1", "--trust", "test"), "reader_uri"),
        ((*DEMO, "--trust", "test", "--flow", "nothing"), "flow_unknown"),
        (("kiosk", "serve"), "usage_kiosk_server"),
        (("kiosk", "serve", "--server", "http://127.0.0.1:9"), "usage_kiosk_server"),
    ],
)
def test_what_does_not_start(cli: Cli, words: tuple[str, ...], code: str) -> None:
    """JPKI_TRUST does not count: what keeps records wants --trust."""
    done = cli(*words, *(() if "--port" in words else ("--port", "0")), "--json",
               env={"JPKI_TRUST": "test"})  # fmt: skip
    assert (done.code, done.json["code"]) == (2, code)


@pytest.mark.parametrize(
    ("server", "token", "code"),
    [
        ("http://half.example:80", "t" * 40, "server_url"),
        ("ftp://127.0.0.1", "t" * 40, "server_url"),
        ("http://127.0.0.1:9", "short", "usage_kiosk_token"),
        ("http://127.0.0.1:9", "ト" * 40, "usage_kiosk_token"),
        ("http://127.0.0.1:9", "", "usage_kiosk_token"),
    ],
)
def test_a_terminal_that_does_not_start(
    cli: Cli, tmp_path: Path, server: str, token: str, code: str
) -> None:
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")
    words = ("--server", server, "--token-file", str(file), "--port", "0", "--reader", "pcsc:")
    done = cli("kiosk", "serve", *words, "--json")
    assert (done.code, done.json["code"]) == (2, code)


HALF = ("--server", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((*HALF, "--reader", "virtual:hanako"), "usage_kiosk_reader"),
        ((*HALF, "--trust", "nowhere.pem"), "input_file"),
        (("--server", "https://127.0.0.1:9", "--ca", "nowhere.pem"), "ca_file"),
        ((*HALF, "--flow", "shelter"), "usage_kiosk_desk"),
        ((*HALF, "--flow", "shelter", "--desk", "nowhere"), "desk_keys"),
        ((*HALF, "--flow", "application"), "flow_invented"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_terminal_that_misses_something(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], code: str, lang: str
) -> None:
    """Said before anything is served, with the next step, in both languages."""
    file = tmp_path / "token"
    file.write_text("t" * 40, encoding="utf-8")
    reader = () if "--reader" in words else ("--reader", "pcsc:")
    done = cli("kiosk", "serve", *words, *reader, "--token-file", str(file), "--port", "0",
               "--json", "--lang", lang)  # fmt: skip
    assert (done.code, done.json["code"]) == (1 if code == "input_file" else 2, code)
    fixed = text(f"error.{code}", lang).split("?")  # a value that is not given is a ?
    assert [part for part in fixed if part.strip() not in done.json["message"]] == []


def test_a_demonstration_with_a_card_that_is_not_there(cli: Cli) -> None:
    done = cli(*DEMO[:3], "--reader", "virtual:nobody", "--trust", "test", "--port", "0", "--json")
    assert (done.code, done.json["code"]) == (1, "card_file")


def test_a_port_that_is_taken(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = cli(*DEMO, "--trust", "test", "--port", port, "--json")
    assert (done.code, done.json["code"]) == (2, "port_taken")
    assert port in done.json["message"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(number: signal.Signals, tmp_path: Path) -> None:
    """With a page that still reads: no traceback, nothing left behind."""
    with Kiosk("--demo", "--reader", "virtual:", environment={"TMPDIR": str(tmp_path)}) as kiosk:
        validate(kiosk.ready)
        assert request(kiosk.url).status == 200
        assert request(f"{kiosk.url}favicon.ico").headers["content-type"] == "image/svg+xml"
        assert list(tmp_path.iterdir())
        with socket.create_connection(("127.0.0.1", int(kiosk.origin.rpartition(":")[2]))) as page:
            host = kiosk.origin.partition("//")[2]
            page.sendall(f"GET /views HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert page.recv(100).startswith(b"HTTP/1.1 200")
            code, said = kiosk.stop(number)
    assert code == 0
    assert said.strip() == "Ended. Nothing of a card or a person was kept."
    assert list(tmp_path.iterdir()) == []


def test_a_token(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.token"
    done = cli("kiosk", "token", "--out", str(file), "--json")
    assert (done.code, done.json["file"]) == (0, str(file))
    token = file.read_text(encoding="ascii").strip()
    assert len(token) >= 32
    assert token not in done.out + done.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert cli("kiosk", "token", "--out", str(file)).code == 2
    assert cli("kiosk", "token", "--out", str(file), "--force").code == 0
    assert file.read_text(encoding="ascii").strip() != token


def test_a_desk_is_registered_and_taken_out(cli: Cli, tmp_path: Path) -> None:
    office, out, city = (str(tmp_path / name) for name in ("shelter.office", "desk", "city.pem"))
    public = X25519PrivateKey.generate().public_key()
    Path(city).write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    add = ("kiosk", "desk", "--office", office, "--name", "shelter-01", "--json")
    done = cli(*add, "--place", "中里小学校", "--out", out, "--city", city)
    assert (done.code, done.json["keys"], done.json["desks"]) == (0, out, 1)
    validate(json.loads(Path(office).read_text(encoding="utf-8")))
    keys, known = read_keys(Path(out)), read_office(Path(office))
    desk = known.desks["shelter-01"]
    assert (keys.name, desk.place, keys.city) == ("shelter-01", "中里小学校", public)
    assert (keys.server, desk.signing) == (known.key.public_key(), keys.signing.public_key())
    for path in (office, f"{out}/desk.json"):
        assert Path(path).stat().st_mode & 0o777 == 0o600
    for words, code in (
        (("--place", "P", "--out", out), "usage_kiosk_desk_there"),
        (("--place", "P", "--out", f"{out}2"), "desk_known"),
        (("--place", "P"), "usage_kiosk_desk_add"),
        (("--remove", "--place", "P"), "usage_kiosk_desk_remove"),
        (("--name", "other", "--remove"), "desk_unknown"),
        (("--name", "b", "--place", "P", "--out", f"{out}2", "--city", office), "city_key"),
        (("--office", f"{out}/desk.json", "--name", "b", "--remove"), "shelter_office"),
    ):
        refused = cli(*add, *words)
        assert (refused.code, refused.json["code"]) == (2, code)
    assert not Path(f"{out}2").exists()
    assert cli(*add, "--remove").json["desks"] == 0
    assert read_office(Path(office)).desks == {}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--shelter", "nowhere"), "shelter_office"),
        (("--host", "0.0.0.0"), "usage_kiosk_plain"),
        (("--tls-cert", "a.pem"), "usage_kiosk_tls"),
        (("--terminal", "no-file"), "usage_kiosk_terminal"),
        (("--gate", "kiosk-01=門"), "usage_kiosk_notify"),
        (("--notify", sys.executable), "usage_kiosk_notify"),
        (("--gate", "kiosk-01", "--notify", sys.executable), "usage_kiosk_gate"),
        (("--gate", "kiosk-01= ", "--notify", sys.executable), "usage_kiosk_gate"),
        (("--gate", "gate-9=門", "--notify", sys.executable), "usage_kiosk_gate_terminal"),
        (("--gate", "kiosk-01=門", "--notify", "nowhere"), "usage_kiosk_program"),
        (("--gate", "kiosk-01=門", "--notify", "/"), "usage_kiosk_program"),
        (("--gate", "kiosk-01=門", "--notify", __file__), "usage_kiosk_program"),
    ],
)
def test_a_half_that_does_not_start(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    file = tmp_path / "a.token"
    file.write_text("t" * 40, encoding="ascii")
    given = ["kiosk", "half", "--db", "map.db", "--key-file", "k", "--policy", "konbini"]
    done = cli(*given, "--terminal", f"kiosk-01={file}", "--trust", "test", *words, "--json")
    assert (done.code, done.json["code"]) == (2, code)


def test_a_gate_wants_a_policy_with_its_purposes(cli: Cli, tmp_path: Path) -> None:
    """Said before anything is served, and nothing is left in the map's database."""
    place = MapCli(cli, tmp_path, "library")
    assert place.init().code == 0
    file = tmp_path / "a.token"
    file.write_text("t" * 40, encoding="ascii")
    done = cli(
        "kiosk", "half", *place.place, "--policy", "library", "--trust", "test", "--port", "0",
        "--terminal", f"gate-01={file}", "--gate", "gate-01=門", "--notify", sys.executable,
        "--json",
    )  # fmt: skip
    assert (done.code, done.json["code"]) == (2, "flow_no_purpose")


def _statement() -> dict[str, Any]:
    content = content_of(DocumentKind.RESIDENCE, HANAKO)
    statement = Statement(
        ISSUER.environment, "0" * 16, content.kind.value, ISSUER.name, AT, content.fields
    )
    read: dict[str, Any] = json.loads(to_payload(statement))
    return read


@pytest.mark.parametrize(
    "made",
    [
        answer_object(Answer(Outcome.REFUSED, "r", "R1", "36条")),
        answer_object(Answer(Outcome.RESOLVED, ticket="t", fees={DocumentKind.TAX: 300})),
        _statement(),
    ],
)
def test_what_goes_over_the_wire_is_as_its_schema_says(made: dict[str, Any]) -> None:
    Draft202012Validator(schema_of(made)).validate(made)
    with pytest.raises(Exception, match="unexpected"):
        Draft202012Validator(schema_of(made)).validate({**made, "more": 1})
