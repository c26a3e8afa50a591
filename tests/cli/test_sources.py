# SPDX-License-Identifier: Apache-2.0
"""Where trust and revocation data come from: options, configuration, environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import NOW, Cli
from jpki.emulator import populate
from jpki.synth import SynthPki

HANAKO = ("--reader", "virtual:hanako")


@pytest.fixture(scope="module")
def pki() -> SynthPki:
    made = SynthPki(NOW)
    populate(made)
    return made


@pytest.fixture
def folder(cli: Cli, pki: SynthPki, tmp_path: Path) -> Path:
    """A root, CRLs in a folder, and the certificates of hanako and taro-moved."""
    crls = tmp_path / "crls"
    crls.mkdir()
    for number, crl in enumerate(pki.crls()):
        (crls / f"{number}.crl").write_bytes(crl)
    for name, reader, which in (
        ("auth", "virtual:hanako", "auth"),
        ("root", "virtual:hanako", "auth-ca"),
        ("sign-root", "virtual:hanako", "sign-ca"),
        ("revoked", "virtual:taro-moved", "sign"),
    ):
        pins = ["ABC123"] if which == "sign" else None
        arguments = ("cert", "export", which, "--out", str(tmp_path / f"{name}.pem"))
        assert cli(*arguments, "--reader", reader, pins=pins).code == 0
    return tmp_path


def outcome(cli: Cli, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, and outcome and code of the revocation check."""
    done = cli("chain", "check", *arguments, "--json", env=env)
    check = next(c for c in done.json["checks"] if c["name"] == "revocation")
    return done.code, check["outcome"], check["code"]


def test_crl_by_option(cli: Cli, folder: Path) -> None:
    auth, root = str(folder / "auth.pem"), ("--trust", str(folder / "root.pem"))
    assert outcome(cli, auth, *root)[:2] == (5, "cannot_tell")
    assert outcome(cli, auth, *root, "--crl", str(folder / "crls"))[:2] == (0, "valid")
    sign_root = ("--trust", str(folder / "sign-root.pem"), "--crl", str(folder / "crls"))
    assert outcome(cli, str(folder / "revoked.pem"), *sign_root)[:2] == (1, "invalid")


def test_crl_by_configuration_relative_to_the_file(cli: Cli, folder: Path) -> None:
    config = folder / "c.toml"
    config.write_text('crl = "crls"\n')
    env = {"JPKI_CONFIG": str(config), "JPKI_TRUST": str(folder / "root.pem")}
    assert outcome(cli, str(folder / "auth.pem"), env=env)[:2] == (0, "valid")
    config.write_text('crl = ["nowhere"]\n')
    done = cli("chain", "check", str(folder / "auth.pem"), "--json", env=env)
    assert (done.code, done.json["code"]) == (1, "input_file")


def test_max_age(cli: Cli, folder: Path) -> None:
    auth, root = str(folder / "auth.pem"), ("--trust", str(folder / "root.pem"))
    arguments = (auth, *root, "--crl", str(folder / "crls"), "--max-age")
    assert outcome(cli, *arguments, "86400")[:2] == (0, "valid")
    assert outcome(cli, *arguments, "0")[:2] == (5, "cannot_tell")


def test_ocsp_by_file(cli: Cli, folder: Path, pki: SynthPki) -> None:
    import base64

    pem = (folder / "auth.pem").read_text().splitlines()
    der = base64.b64decode("".join(pem[1:-1]))
    answer = folder / "answer.ocsp"
    answer.write_bytes(pki.ocsp_response(der))
    auth, root = str(folder / "auth.pem"), ("--trust", str(folder / "root.pem"))
    assert outcome(cli, auth, *root, "--ocsp", str(answer))[:2] == (0, "valid")
    answer.write_bytes(b"not DER")
    done = cli("chain", "check", auth, *root, "--ocsp", str(answer), "--json")
    assert (done.code, done.json["code"]) == (1, "input_file")


def test_ca_folder_of_the_configuration_has_to_be_there(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('ca = "nowhere"\n')
    done = cli("card", "check", *HANAKO, "--json", env={"JPKI_CONFIG": str(config)})
    assert (done.code, done.json["code"]) == (1, "input_file")


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_trust_file_without_a_root(cli: Cli, tmp_path: Path, content: str) -> None:
    path = tmp_path / "root.pem"
    path.write_text(content)
    done = cli("card", "check", *HANAKO, "--trust", str(path), "--json")
    assert done.code == 1
    assert done.json["code"] in ("input_file", "trust_root")
    assert cli("card", "check", *HANAKO, "--trust", str(tmp_path / "x"), "--json").code == 1


def test_no_pin_and_no_number_in_any_log(cli: Cli, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    check = ("card", "check", "--with", "text,auth,sign", "--number", "--trust", "test")
    assert cli(*check, *HANAKO, pins=["1234", "1234", "ABC123"]).code == 0
    wrong = cli("pin", "check", "sign", "--debug", *HANAKO, pins=["WRONG9"])
    assert wrong.code == 4
    logged = caplog.text + wrong.err + "".join(str(record.args) for record in caplog.records)
    assert len(caplog.records) > 10
    for secret in ("ABC123", "WRONG9", "537686677188", "花子", b"ABC123".hex(), b"WRONG9".hex()):
        assert secret.upper() not in logged.upper()


def test_progress_leaves_no_trace(cli: Cli) -> None:
    arguments = ("card", "check", "--trust", "test", *HANAKO)
    assert cli(*arguments).err == ""
    err = cli(*arguments, terminal=True, env={"NO_COLOR": "1"}).err
    assert "certificate" in err
    assert err.endswith("\r")
    assert cli(*arguments, "--json", terminal=True).err == ""
