# SPDX-License-Identifier: Apache-2.0
"""``jpki verify --report``: a signed statement that stands on its own, and is verified itself."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from command_line import NOW, Cli, validate
from jpki.certificate.kinds import Family
from signing_bench import key_pem, openssl, options, sign, signer


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


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The verifier's key: here a sign key of the test PKI."""
    path = tmp_path / "verifier.pem"
    path.write_bytes(key_pem(slot=14))
    return path


def report(cli: Cli, signed: Path, content: Path, key: Path, code: int = 0) -> Path:
    path = signed.with_name("report.json")
    done = cli("verify", str(signed), "--content", str(content), "--trust", "test",
               "--report", str(path), "--report-key", str(key))  # fmt: skip
    assert done.code == code, done.err
    return path


def test_a_report_stands_on_its_own(cli: Cli, signed: Path, content: Path, key: Path) -> None:
    path = report(cli, signed, content, key)
    assert path.stat().st_mode & 0o077 == 0
    whole = json.loads(path.read_text("utf-8"))
    validate(whole)
    validate(whole["report"]["verdict"])
    assert whole["report"]["verdict"]["outcome"] == "valid"
    done = cli("verify", str(path), "--content", str(signed), "--trust", "test", "--json")
    assert done.code == 0
    codes = {one["name"]: one["code"] for one in done.json["checks"]}
    assert (codes["reported"], codes["content"]) == ("report_says", "report_of_file")
    other = cli("verify", str(path), "--content", str(content), "--trust", "test")
    assert other.code == 1
    assert "another file" in other.out


def test_openssl_verifies_its_signature(
    cli: Cli, signed: Path, content: Path, key: Path, tmp_path: Path
) -> None:
    """With nothing of ours but the rule for canonical JSON."""
    whole = json.loads(report(cli, signed, content, key).read_text("utf-8"))
    text = json.dumps(whole["report"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    (tmp_path / "text").write_text(text, "utf-8")
    (tmp_path / "p7s").write_bytes(base64.b64decode(whole["signature"]))
    done = openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", str(tmp_path / "p7s"),
                   "-content", str(tmp_path / "text"), "-noverify")  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_bad_signature_is_reported_as_bad(
    cli: Cli, signed: Path, content: Path, key: Path
) -> None:
    """The report is good, and says that the document is not."""
    content.write_bytes(b"changed")
    path = report(cli, signed, content, key, code=1)
    done = cli("verify", str(path), "--trust", "test")
    assert done.code == 0
    assert "the verifier found then: invalid" in done.out


def _spoil(whole: dict[str, Any], how: str) -> str:
    inner = whole["report"]
    if how == "verdict":
        inner["verdict"]["outcome"] = "invalid"
    elif how == "file":
        inner["file"]["sha256"] = "0" * 64
    elif how == "more":
        inner["added"] = 1
    elif how == "less":
        del inner["tool"]
    elif how == "signature":
        whole["signature"] = whole["signature"][:-8]
    elif how == "no signature":
        del whole["signature"]
    elif how == "member outside":
        whole["note"] = "valid"
    elif how == "surrogate":
        inner["tool"] = "\ud800"
    text = json.dumps(whole)
    if how == "twice":
        return text.replace('"tool":', '"made_at": "x", "tool":', 1)
    return text


@pytest.mark.parametrize(
    "how",
    ["verdict", "file", "more", "less", "signature", "no signature", "member outside",
     "surrogate", "twice"],
)  # fmt: skip
def test_nothing_in_it_can_be_changed(
    cli: Cli, signed: Path, content: Path, key: Path, how: str
) -> None:
    path = report(cli, signed, content, key)
    whole = json.loads(path.read_text("utf-8"))
    path.write_text(_spoil(whole, "nothing"))
    assert cli("verify", str(path), "--trust", "test").code == 0
    path.write_text(_spoil(whole, how))
    assert cli("verify", str(path), "--trust", "test").code == 1


def test_cut_off_anywhere(cli: Cli, signed: Path, content: Path, key: Path) -> None:
    whole = report(cli, signed, content, key).read_bytes()
    path = signed.with_name("cut.json")
    for size in range(0, len(whole) - 2, 97):
        path.write_bytes(whole[:size])
        assert cli("verify", str(path), "--trust", "test").code == 1


def test_a_key_that_is_not_of_jpki(cli: Cli, signed: Path, content: Path, tmp_path: Path) -> None:
    """A verifier's own: believed if its certificate is named, and no other is."""
    cli.clock = lambda: NOW + timedelta(minutes=10)  # its certificate begins now
    for name in ("own", "other"):
        made = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-subj",
                       f"/O={name}", "-addext", "keyUsage=critical,digitalSignature")  # fmt: skip
        (tmp_path / f"{name}.pem").write_bytes(made.stdout)
    path = report(cli, signed, content, tmp_path / "own.pem")
    assert cli("verify", str(path)).code == 1
    named = cli("verify", str(path), "--certificate", str(tmp_path / "own.pem"))
    assert (named.code, "17条" in named.out) == (0, False)
    assert cli("verify", str(path), "--certificate", str(tmp_path / "other.pem")).code == 1


def test_a_test_key_proves_nothing_in_production(
    cli: Cli, signed: Path, content: Path, key: Path
) -> None:
    path = report(cli, signed, content, key)
    done = cli("verify", str(path), "--certificate", str(key))
    assert done.code == 1
    assert "TEST DATA" in done.out
    assert done.out.startswith("Not a legal verification (17条)")  # naming it changes nothing


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--report", "r.json"], 2),
        (["--report-key", "KEY"], 2),
        (["--report", "no-such-folder/r", "--report-key", "KEY"], 2),
        (["--report", "CONTENT", "--report-key", "KEY"], 2),
        (["--report", "r.json", "--report-key", "CONTENT"], 1),
        (["--report", "r.json", "--report-key", "absent"], 1),
        (["--report", "r.json", "--report-key", "pkcs11:token=T"], 2),
    ],
)
def test_wrong_calls(
    cli: Cli, signed: Path, content: Path, key: Path, words: list[str], code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(signed.parent)
    named = {"KEY": str(key), "CONTENT": str(content)}
    done = cli("verify", str(signed), "--content", str(content), "--trust", "test",
               *(named.get(word, word) for word in words))  # fmt: skip
    assert done.code == code, done.err
    assert not signed.with_name("r.json").exists()
    assert content.read_bytes() == b"what is signed\n"


def test_the_auth_key_signs_no_report(
    cli: Cli, signed: Path, content: Path, tmp_path: Path
) -> None:
    auth = tmp_path / "auth.pem"
    auth.write_bytes(key_pem(Family.AUTH))
    path = report(cli, signed, content, auth)
    assert cli("verify", str(path), "--trust", "test").code == 1
