# SPDX-License-Identifier: Apache-2.0
"""The card nextgen and secure messaging on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Cli, Commands
from jpki.testing.cards import PluggedCard

Watch = Callable[[PluggedCard], Commands]
NEXTGEN = ("--reader", "virtual:nextgen")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_check_under_test_trust(cli: Cli, lang: str) -> None:
    done = cli(
        "card", "check", *NEXTGEN, "--trust", "test", "--with", "auth,sign", "--lang", lang,
        pins=["1234", "ABC123"],
    )  # fmt: skip
    assert done.code == 0, done.err
    for word in ("TEST CARD", "JPKINEXTGENTEST", "ECDSA P-384 SHA-384"):
        assert word in done.out


def test_check_in_production(cli: Cli) -> None:
    done = cli("card", "check", *NEXTGEN, "--with", "auth,sign", "--json", pins=["1234", "ABC123"])
    assert (done.code, done.json["outcome"], done.json["genuine"]) == (1, "invalid", "no")
    codes = {check["code"] for check in done.json["checks"]}
    assert {"algorithm_not_in_law", "test_root"} <= codes


def test_info_and_certificates(cli: Cli) -> None:
    told = cli("card", "info", "--json", *NEXTGEN).json
    assert told["applications"] == ["jpki", "card-data"]
    assert told["token"] == "JPKINEXTGENTEST"
    shown = cli("cert", "show", "auth", *NEXTGEN)
    assert shown.code == 0
    assert "P-384" in shown.out


def test_pins(cli: Cli) -> None:
    told = cli("pin", "status", "--json", *NEXTGEN).json
    present = {(pin["kind"], pin["application"]) for pin in told["pins"] if pin["state"] == "ok"}
    assert present == {("auth", "jpki"), ("sign", "jpki"), ("number-b", "card-data")}
    assert cli("pin", "check", "sign", *NEXTGEN, pins=["ABC123"]).code == 0
    assert cli("pin", "check", "text", *NEXTGEN, pins=["1234"]).code == 4


def test_text_records_are_not_there(cli: Cli) -> None:
    done = cli("card", "read", "attributes", *NEXTGEN, pins=["1234"])
    assert (done.code, done.out) == (4, "")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secure_messaging_reads_the_same(
    cli: Cli, hanako: PluggedCard, watch: Watch, form: tuple[str, ...]
) -> None:
    arguments = ("card", "read", "name,birth,number", *form, "--reader", hanako.uri)
    clear = cli(*arguments, pins=["1234"])
    seen = watch(hanako)
    secret = cli(*arguments, "--secure-messaging", pins=["1234"])
    assert (secret.code, secret.out) == (0, clear.out)
    assert seen.presented == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("certificates",),
        ("face",),
        ("attributes", "--with", "number-b"),
        ("attributes", "--with", "number-b,text"),
        ("number", "--with", "number-a,text"),
        ("all", "--with", "sign"),
        ("all",),
    ],
)
def test_where_there_is_nothing_to_encrypt(
    cli: Cli, hanako: PluggedCard, arguments: tuple[str, ...]
) -> None:
    before = hanako.card.apdus
    done = cli("card", "read", *arguments, "--secure-messaging", "--reader", hanako.uri)
    assert done.code == 2
    assert "--with" in done.err
    assert hanako.card.apdus == before


def test_with_other_pins_after_it(cli: Cli) -> None:
    done = cli(
        "card", "read", "all", "--with", "text,sign", "--secure-messaging",
        "--reader", "virtual:hanako", pins=["1234", "ABC123"],
    )  # fmt: skip
    assert done.code == 0
    assert "番号　花子" in done.out


def test_a_wrong_pin_begins_nothing(cli: Cli) -> None:
    arguments = ("card", "read", "attributes", "--secure-messaging", "--reader", "virtual:hanako")
    done = cli(*arguments, pins=["9999"])
    assert (done.code, done.out) == (4, "")


@pytest.mark.parametrize(("trust", "code", "outcome"), [("test", 0, "valid"), (None, 1, "invalid")])
def test_chain(cli: Cli, tmp_path: Path, trust: str | None, code: int, outcome: str) -> None:
    out = tmp_path / "auth.pem"
    assert cli("cert", "export", "auth", *NEXTGEN, "--out", str(out)).code == 0
    done = cli("chain", "check", str(out), "--json", *(("--trust", trust) if trust else ()))
    assert (done.code, done.json["outcome"]) == (code, outcome)


def test_login(cli: Cli, tmp_path: Path) -> None:
    challenge, response = tmp_path / "c.json", tmp_path / "r.json"
    asked = ("--origin", "https://city.example", "--purpose", "login")
    assert cli("auth", "challenge", *asked, "--out", str(challenge)).code == 0
    answered = cli(
        "auth", "respond", str(challenge), "--out", str(response), *NEXTGEN, pins=["1234"]
    )
    assert answered.code == 0, answered.err
    arguments = ("auth", "verify", str(response), "--challenge", str(challenge), "--json")
    assert cli(*arguments, "--trust", "test").json["outcome"] == "valid"
    refused = cli(*arguments)
    assert (refused.code, refused.json["outcome"]) == (1, "invalid")
