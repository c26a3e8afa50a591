# SPDX-License-Identifier: Apache-2.0
"""``jpki auth`` and ``jpki chain``: from files to verdicts and exit codes."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from command_line import NOW, Cli, Commands, validate
from jpki.testing.cards import PluggedCard

TEST = ("--trust", "test")
HANAKO = ("--reader", "virtual:hanako")
Watch = Callable[[PluggedCard], Commands]


def challenge(cli: Cli, path: Path, *more: str) -> dict[str, str]:
    arguments = ("auth", "challenge", "--origin", "https://example.jp", "--purpose", "ログイン")
    done = cli(*arguments, "--out", str(path), "--json", *more)
    assert done.code == 0
    assert done.json["purpose"] == "ログイン"
    made: dict[str, str] = json.loads(path.read_text("utf-8"))
    validate(made)
    return made


@pytest.fixture
def answered(cli: Cli, tmp_path: Path) -> tuple[Path, Path]:
    """A challenge and its answer by hanako."""
    asked, answer = tmp_path / "c.json", tmp_path / "r.json"
    challenge(cli, asked)
    done = cli("auth", "respond", str(asked), "--out", str(answer), *HANAKO, pins=["1234"])
    assert done.code == 0
    return asked, answer


def verify(cli: Cli, files: tuple[Path, Path], *more: str) -> tuple[int, dict[str, str]]:
    done = cli("auth", "verify", str(files[1]), "--challenge", str(files[0]), "--json", *more)
    if done.json["schema"] == "jpki.error/1":
        return done.code, {"code": done.json["code"]}
    return done.code, {check["name"]: check["outcome"] for check in done.json["checks"]}


def test_login(cli: Cli, answered: tuple[Path, Path]) -> None:
    code, checks = verify(cli, answered, *TEST)
    assert code == 0
    assert checks["login"] == checks["challenge"] == checks["revocation"] == "valid"
    assert checks["single_use"] == "not_run"
    validate(json.loads(answered[1].read_text("utf-8")))
    assert stat.S_IMODE(answered[1].stat().st_mode) == 0o600


def test_origin_and_purpose_are_shown_before_the_pin(cli: Cli, tmp_path: Path) -> None:
    asked = tmp_path / "c.json"
    challenge(cli, asked)
    seen: list[str] = []
    arguments = ("auth", "respond", str(asked), "--out", str(tmp_path / "r"), *HANAKO)
    done = cli(*arguments, typed=["9999"])
    assert done.code == 4
    assert done.err.index("https://example.jp") < done.err.index("2")
    assert "ログイン" in done.err
    assert not (tmp_path / "r").exists()
    assert seen == []


def test_an_expired_challenge_is_refused_before_the_card(
    cli: Cli, hanako: PluggedCard, watch: Watch, tmp_path: Path
) -> None:
    asked = tmp_path / "c.json"
    challenge(cli, asked, "--ttl", "60")
    cli.clock = lambda: NOW + timedelta(seconds=61)
    seen = watch(hanako)
    arguments = ("auth", "respond", str(asked), "--out", str(tmp_path / "r"), "--json")
    done = cli(*arguments, "--reader", hanako.uri, pins=["1234"])
    assert (done.code, done.json["code"]) == (1, "challenge")
    assert seen.seen == []


def test_an_answer_too_late_is_invalid(cli: Cli, answered: tuple[Path, Path]) -> None:
    cli.clock = lambda: NOW + timedelta(minutes=6)
    code, checks = verify(cli, answered, *TEST)
    assert (code, checks["challenge_time"], checks["login"]) == (1, "invalid", "valid")


def test_the_answer_to_another_challenge(
    cli: Cli, answered: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    challenge(cli, other)
    code, checks = verify(cli, (other, answered[1]), *TEST)
    assert (code, checks["challenge"]) == (1, "invalid")


@pytest.mark.parametrize("member", ["certificate", "signature", "challenge"])
def test_an_altered_answer(cli: Cli, answered: tuple[Path, Path], member: str) -> None:
    response = json.loads(answered[1].read_text("utf-8"))
    if member == "challenge":
        response["challenge"]["origin"] = "https://example.com"
    else:
        text = response[member]
        response[member] = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
    answered[1].write_text(json.dumps(response), "utf-8")
    assert verify(cli, answered, *TEST)[0] == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": "jpki.auth.response/1"}'])
def test_a_file_that_is_no_answer(cli: Cli, answered: tuple[Path, Path], content: str) -> None:
    answered[1].write_text(content)
    assert verify(cli, answered, *TEST) == (1, {"code": "challenge"})


def test_a_file_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    code, told = verify(cli, (tmp_path / "c", tmp_path / "r"), *TEST)
    assert (code, told["code"]) == (1, "input_file")


@pytest.mark.parametrize("ttl", ["0", "86401", "1e300", "inf"])
def test_a_lifetime_out_of_bounds(cli: Cli, tmp_path: Path, ttl: str) -> None:
    out = tmp_path / "c.json"
    arguments = ("auth", "challenge", "--origin", "o", "--purpose", "p", "--ttl", ttl)
    done = cli(*arguments, "--out", str(out), "--json")
    assert (done.code, done.json["code"]) == (1, "challenge")
    assert not out.exists()


@pytest.mark.parametrize("origin", ["", " x", "a\u202eb", "a\nb", "x" * 257])
def test_an_origin_that_cannot_be_shown(cli: Cli, tmp_path: Path, origin: str) -> None:
    arguments = ("auth", "challenge", "--origin", origin, "--purpose", "p", "--json")
    done = cli(*arguments, "--out", str(tmp_path / "c.json"))
    assert (done.code, done.json["code"]) == (1, "challenge")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_login_in_words(cli: Cli, tmp_path: Path, lang: str) -> None:
    asked, answer = tmp_path / "c.json", tmp_path / "r.json"
    make = ("auth", "challenge", "--origin", "https://example.jp", "--purpose", "x")
    made = cli(*make, "--out", str(asked), "--lang", lang)
    assert str(asked) in made.out
    respond = ("auth", "respond", str(asked), "--out", str(answer), "--lang", lang)
    done = cli(*respond, *HANAKO, pins=["1234"])
    assert done.out.startswith("TEST CARD")
    assert str(answer) in done.out
    told = cli(*respond, *HANAKO, "--force", "--json", pins=["1234"]).json
    assert (told["test"], told["origin"]) == (True, "https://example.jp")
    words = cli("auth", "verify", str(answer), "--challenge", str(asked), *TEST, "--lang", lang)
    assert words.code == 0
    assert words.out.startswith("TEST DATA")


# chain check --------------------------------------------------------------------------


@pytest.fixture
def files(cli: Cli, tmp_path: Path) -> dict[str, Path]:
    """Certificates of hanako and of taro-moved, and a root."""
    out: dict[str, Path] = {}
    for name, reader, which, pins in (
        ("auth", "virtual:hanako", "auth", None),
        ("root", "virtual:hanako", "auth-ca", None),
        ("revoked", "virtual:taro-moved", "sign", ["ABC123"]),
        ("expired", "virtual:jiro-expired", "auth", None),
    ):
        out[name] = tmp_path / f"{name}.pem"
        arguments = ("cert", "export", which, "--out", str(out[name]), "--reader", reader)
        assert cli(*arguments, pins=pins).code == 0
    return out


@pytest.mark.parametrize(
    ("name", "options", "code", "check", "outcome"),
    [
        ("auth", TEST, 0, "revocation", "valid"),
        ("revoked", TEST, 1, "revocation", "invalid"),
        ("expired", TEST, 1, "validity", "invalid"),
        ("auth", (*TEST, "--revocation", "none"), 0, "revocation", "not_run"),
        ("auth", (), 1, "path", "invalid"),
        ("auth", (*TEST, "--at", "2044-01-01T00:00:00Z"), 1, "validity", "invalid"),
    ],
)
def test_chain_check(
    cli: Cli,
    files: dict[str, Path],
    name: str,
    options: tuple[str, ...],
    code: int,
    check: str,
    outcome: str,
) -> None:
    done = cli("chain", "check", str(files[name]), "--json", *options)
    assert done.code == code
    checks = {c["name"]: c for c in done.json["checks"]}
    assert checks[check]["outcome"] == outcome
    assert done.json["test"] is True  # also under production: the certificate says what it is
    words = cli("chain", "check", str(files[name]), *options)
    assert words.code == code
    assert words.out.startswith("TEST DATA")


def test_a_file_as_anchor(cli: Cli, files: dict[str, Path]) -> None:
    arguments = ("chain", "check", str(files["auth"]), "--json", "--revocation", "none")
    done = cli(*arguments, "--trust", str(files["root"]))
    assert done.json["environment"] == "custom"
    assert done.code == 0


def test_der_and_pem_come_out_alike(cli: Cli, files: dict[str, Path], tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    der = tmp_path / "auth.der"
    loaded = x509.load_pem_x509_certificate(files["auth"].read_bytes())
    der.write_bytes(loaded.public_bytes(Encoding.DER))
    told = [cli("chain", "check", str(path), "--json", *TEST).json for path in (der, files["auth"])]
    assert told[0] == told[1]


def test_revocation_under_production_is_not_permitted_and_reads_nothing(
    cli: Cli, files: dict[str, Path], tmp_path: Path
) -> None:
    """Without [verifier] a CRL that was named is not even opened: it does not exist here."""
    arguments = ("chain", "check", str(files["auth"]), "--crl", str(tmp_path / "none"))
    done = cli(*arguments, "--json")
    revocation = next(c for c in done.json["checks"] if c["name"] == "revocation")
    assert (revocation["outcome"], revocation["code"]) == ("cannot_tell", "not_permitted")
    told = cli(*arguments)
    assert told.out.splitlines()[-1].strip().endswith("--revocation none")


def test_a_declared_verifier_is_permitted(cli: Cli, files: dict[str, Path], tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        "[verifier]\nrole = ['authentication_verifier']\nregistration = 'r'\n"
        "responsible = 'p'\nas_of = 2026-04-01\npurposes = ['test']\n"
    )
    env = {"JPKI_CONFIG": str(config)}
    done = cli("chain", "check", str(files["auth"]), "--json", env=env)
    revocation = next(c for c in done.json["checks"] if c["name"] == "revocation")
    assert revocation["code"] != "not_permitted"
    missing = ("--crl", str(tmp_path / "none"))
    assert cli("chain", "check", str(files["auth"]), *missing, env=env).code == 1


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\x30\x03\x02\x01\x00"])
def test_a_file_that_is_no_certificate(cli: Cli, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pem"
    path.write_bytes(content)
    done = cli("chain", "check", str(path), "--json", *TEST)
    assert done.code == 1
    assert done.json["schema"] in ("jpki.error/1", "jpki.verdict/1")
