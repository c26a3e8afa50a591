# SPDX-License-Identifier: Apache-2.0
"""``jpki verify``: the exit code follows the verdict, and the law's note stands at its head."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import NOW, Cli
from signing_bench import options, sign, signer

VERIFIER = """
[verifier]
role = "{role}"
registration = "test"
responsible = "somebody"
as_of = 2026-11-01
purposes = ["verifying"]
"""


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content.txt"
    path.write_bytes(b"what is signed\n")
    return path


@pytest.fixture
def signed(tmp_path: Path, content: Path) -> Path:
    path = tmp_path / "content.txt.p7s"
    path.write_bytes(sign(content, [signer(tmp_path)], options()))
    return path


def test_valid(cli: Cli, signed: Path, content: Path) -> None:
    done = cli("verify", str(signed), "--content", str(content), "--trust", "test")
    assert done.code == 0
    assert "Signature 1 of 1  valid" in done.out
    assert "署名　太郎" in done.out
    assert "17条" not in done.out


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("as_json", [True, False])
def test_invalid_exits_1(cli: Cli, signed: Path, content: Path, as_json: bool, lang: str) -> None:
    content.write_bytes(b"changed")
    words = ["--json"] if as_json else []
    done = cli("verify", str(signed), "--content", str(content), "--trust", "test", "--lang", lang,
               *words)  # fmt: skip
    assert done.code == 1
    if as_json:
        assert done.json["outcome"] == "invalid"
        assert done.json["document"]["signatures"][0]["checks"][0]["code"] == "content_changed"


@pytest.mark.parametrize(
    ("role", "legal"),
    [(None, False), ("authentication_verifier", False), ("signature_verifier", True)],
)
def test_the_law_stands_at_the_head(
    cli: Cli, signed: Path, content: Path, tmp_path: Path, role: str | None, legal: bool
) -> None:
    """Under production, unless a verifier of signatures is declared; in no other environment."""
    config = tmp_path / "config.toml"
    config.write_text(VERIFIER.format(role=role) if role else "")
    words = ("verify", str(signed), "--content", str(content))
    env = {"JPKI_CONFIG": str(config)}
    done = cli(*words, env=env)
    assert done.code == 1  # the test PKI proves nothing in production
    assert done.out.startswith("Not a legal verification (17条)") is not legal
    found = cli(*words, "--json", env=env).json["document"]
    assert (found["legal"], found["note"] is None) == (legal, legal)
    assert cli(*words, "--trust", "test", "--json", env=env).json["document"]["legal"] is True


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["absent.p7s"], 1),
        (["SIGNED"], 1),
        (["CONTENT"], 1),
        (["SIGNED", "--content", "absent"], 1),
        (["CONTENT", "--signature", "SIGNED"], 2),
        (["SIGNED", "--content", "CONTENT", "--certificate", "SIGNED"], 1),
        (["CONTENT", "--signature", "SIGNED", "--certificate", "CONTENT"], 1),
        (["SIGNED", "--content", "CONTENT", "--tsa-ca", "CONTENT"], 1),
        (["SIGNED", "--content", "CONTENT", "--profile", "other"], 2),
        ([], 2),
    ],
)
def test_wrong_calls(cli: Cli, signed: Path, content: Path, words: list[str], code: int) -> None:
    named = {"SIGNED": str(signed), "CONTENT": str(content)}
    done = cli("verify", *(named.get(word, word) for word in words), "--trust", "test")
    assert done.code == code, done.err
    assert done.out == ""
    done = cli("verify", *(named.get(word, word) for word in words), "--trust", "test", "--json")
    assert done.json["exit"] == code


def test_revocation_is_asked_for_and_may_be_left_out(cli: Cli, signed: Path, content: Path) -> None:
    words = ("verify", str(signed), "--content", str(content), "--trust", "test", "--json")
    codes = {one["name"]: one["code"] for one in cli(*words).json["checks"]}
    assert codes["revocation"] == "crl_good"
    found = cli(*words, "--revocation", "none").json
    assert {one["name"]: one["outcome"] for one in found["checks"]}["revocation"] == "not_run"
    assert found["outcome"] == "valid"


def test_as_of_another_time(cli: Cli, signed: Path, content: Path) -> None:
    later = NOW.replace(year=NOW.year + 20).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = cli("verify", str(signed), "--content", str(content), "--trust", "test", "--at", later,
               "--json")  # fmt: skip
    codes = {one["name"]: one["outcome"] for one in done.json["checks"]}
    assert (done.code, codes["validity"]) == (1, "invalid")
