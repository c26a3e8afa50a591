# SPDX-License-Identifier: Apache-2.0
"""``jpki chain check`` with its policy of use: sources, preference, age, network, profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from command_line import NOW, Cli
from general_pki import AT, LEAF_DER, MIDDLE_DER, ROOT_CRL, ROOT_DER, crl
from jpki.certificate import Family
from jpki.synth import SynthPki
from jpki.synth.keystore import stored_key
from jpki.synth.ocsp import responder_certificate
from jpki.testing.ocsp_server import OcspMode, OcspServer

GENERAL = ("--profile", "rfc5280", "--at", AT.isoformat())


@pytest.fixture(scope="module")
def server() -> Iterator[OcspServer]:
    with OcspServer(SynthPki(NOW), clock=lambda: NOW) as server:
        yield server


@pytest.fixture
def auth(cli: Cli, tmp_path: Path) -> str:
    """An authentication certificate of the test PKI."""
    path = str(tmp_path / "auth.pem")
    done = cli(
        "cert", "export", "auth", "--reader", "virtual:hanako", "--format", "pem", "--out", path
    )
    assert done.code == 0, done.err
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A hierarchy of no country, in DER."""
    data = {
        "root": ROOT_DER,
        "middle": MIDDLE_DER,
        "leaf": LEAF_DER,
        "root-crl": ROOT_CRL,
        "crl": crl(),
        "revoked": crl(revoked=[7]),
        "unnumbered": crl(number=None),
    }
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in data}


def revocation(
    cli: Cli, *arguments: str, env: dict[str, str] | None = None
) -> tuple[int, str, str]:
    done = cli("chain", "check", *arguments, "--json", env=env)
    check = next(c for c in done.json["checks"] if c["name"] == "revocation")
    return done.code, check["outcome"], check["code"]


@pytest.mark.parametrize("profile", ["jpki", "rfc5280"])
@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        (OcspMode.GOOD, (0, "valid", "crl_good")),
        (OcspMode.REVOKED, (1, "invalid", "revoked")),
        (OcspMode.HTML, (5, "cannot_tell", "one_source_only")),
        (OcspMode.REDIRECT, (5, "cannot_tell", "one_source_only")),
    ],
)
def test_a_responder_is_asked(
    cli: Cli,
    auth: str,
    server: OcspServer,
    profile: str,
    mode: OcspMode,
    wanted: tuple[int, str, str],
) -> None:
    server.mode = mode
    options = ("--trust", "test", "--ocsp", server.url, "--prefer", "both", "--profile", profile)
    before = server.count
    assert revocation(cli, auth, *options) == wanted
    assert server.count == before + 1


def test_offline_asks_nobody(cli: Cli, auth: str, server: OcspServer) -> None:
    before = server.count
    options = ("--trust", "test", "--ocsp", server.url, "--prefer", "ocsp", "--offline")
    assert revocation(cli, auth, *options) == (0, "valid", "crl_good")
    assert server.count == before


def test_without_a_declaration_production_asks_nobody(
    cli: Cli, auth: str, server: OcspServer
) -> None:
    before = server.count
    assert revocation(cli, auth, "--ocsp", server.url) == (1, "cannot_tell", "not_permitted")
    assert server.count == before


def test_the_configuration_says_the_same(
    cli: Cli, auth: str, server: OcspServer, tmp_path: Path
) -> None:
    server.mode = OcspMode.GOOD
    key = stored_key("ocsp-auth-3").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    own = responder_certificate(server.pki.authority(Family.AUTH, 3), NOW)
    (tmp_path / "own.der").write_bytes(own)
    config = tmp_path / "c.toml"
    config.write_text(
        '[revocation]\nprefer = "both"\nmax_age = 999999\n'
        'ocsp_key = "key.pem"\nocsp_certificate = "own.der"\n'
    )
    env = {"JPKI_CONFIG": str(config)}
    before = server.count
    named = ("--trust", "test", "--ocsp", server.url)
    assert revocation(cli, auth, *named, env=env)[0] == 0
    assert server.count == before + 1
    assert revocation(cli, auth, "--trust", "test", env=env)[2] == "one_source_only"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('prefer = "guess"', "revocation.prefer"),
        ("max_age = -1", "revocation.max_age"),
        ('offline = "yes"', "revocation.offline"),
        ('ocsp_key = "k"', "revocation.ocsp_certificate"),
        ("else = 1", "revocation.else"),
    ],
)
def test_configuration_that_is_wrong(
    cli: Cli, auth: str, tmp_path: Path, content: str, place: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"[revocation]\n{content}\n")
    done = cli("chain", "check", auth, "--json", env={"JPKI_CONFIG": str(config)})
    assert (done.code, done.json["code"]) == (2, "configuration")
    assert place in done.json["message"]


@pytest.mark.parametrize("url", ["http://user:word@a.example/", "ftp://a.example/"])
def test_an_address_that_is_none(cli: Cli, auth: str, url: str) -> None:
    done = cli("chain", "check", auth, "--trust", "test", "--ocsp", url, "--json")
    assert (done.code, done.json["code"]) == (2, "configuration")
    assert "example" not in done.json["message"]


ROWS = [
    (("--crl", "{crl}", "--crl", "{root-crl}"), 0),
    (("--crl", "{crl}"), 5),
    (("--crl", "{crl}", "--revocation", "leaf"), 0),
    (("--crl", "{revoked}", "--crl", "{root-crl}"), 1),
    (("--crl", "{unnumbered}", "--revocation", "leaf"), 5),
    (("--crl", "{unnumbered}", "--revocation", "leaf", "--max-age", "604800"), 0),
    (("--crl", "{crl}", "--revocation", "leaf", "--max-age", "60"), 5),
    (("--revocation", "none"), 0),
    (("--revocation", "none", "--require-explicit-policy"), 1),
    (("--revocation", "none", "--policy", "1.2.3", "--require-explicit-policy"), 1),
    (("--revocation", "none", "--policy", "2.5.29.32.0"), 0),
    ((), 5),
]


@pytest.mark.parametrize(("options", "code"), ROWS)
def test_general_profile(
    cli: Cli, files: dict[str, str], options: tuple[str, ...], code: int
) -> None:
    given = [option.format(**files) for option in options]
    known = ("--trust", files["root"], "--chain", files["middle"], *GENERAL)
    done = cli("chain", "check", files["leaf"], *known, *given, "--json")
    assert done.code == code, done.json
    assert done.json["environment"] == "custom"


def test_an_anchor_that_is_no_root(cli: Cli, files: dict[str, str]) -> None:
    known = (files["leaf"], "--trust", files["middle"], *GENERAL, "--revocation", "none")
    assert cli("chain", "check", *known).code == 1
    assert cli("chain", "check", *known, "--partial-chain").code == 0


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_line_has_words(cli: Cli, files: dict[str, str], lang: str) -> None:
    done = cli(
        "chain", "check", files["leaf"], "--trust", files["root"], "--chain", files["middle"],
        *GENERAL, "--crl", files["unnumbered"], "--lang", lang,
    )  # fmt: skip
    assert done.code == 5
    assert "--max-age" in done.out
    assert "crl_number_missing" not in done.out


def test_a_folder_of_anchors(cli: Cli, files: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "anchors"
    folder.mkdir()
    (folder / "root.der").write_bytes(ROOT_DER)
    known = ("--chain", files["middle"], *GENERAL, "--revocation", "none")
    done = cli("chain", "check", files["leaf"], "--trust", str(folder), *known, "--json")
    assert done.code == 0
    assert json.dumps(done.json).count("Leaf") == 0
