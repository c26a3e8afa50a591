# SPDX-License-Identifier: Apache-2.0
"""``jpki crl``: a store filled, looked into, asked, and watched; and ``--crl`` with a store."""

from __future__ import annotations

import base64
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from command_line import NOW, Cli
from jpki.certificate import Family, parse_certificate
from jpki.emulator import populate
from jpki.synth import SynthPki
from jpki.synth.municipalities import MUNICIPALITIES

TRUST = ("--trust", "test")
VERIFIER = """
[verifier]
role = "{role}"
registration = "1"
responsible = "somebody"
as_of = 2026-04-01
purposes = ["login"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lists in a folder, a store of them, and the certificates of two people."""
    folder = tmp_path_factory.mktemp("made")
    cli = Cli({"HOME": str(folder)})
    pki = SynthPki(NOW)
    populate(pki)
    (folder / "lists").mkdir()
    for number, crl in enumerate(pki.crl(f, 3, p) for f in Family for p in MUNICIPALITIES):
        (folder / "lists" / f"{number}.crl").write_bytes(crl)
    for name, reader, which in (("good", "hanako", "auth"), ("revoked", "taro-moved", "sign")):
        pins = ["ABC123"] if which == "sign" else None
        out = ("--out", str(folder / f"{name}.pem"))
        done = cli("cert", "export", which, *out, "--reader", f"virtual:{reader}", pins=pins)
        assert done.code == 0
    store = ("--store", str(folder / "store"))
    done = cli("crl", "index", str(folder / "lists"), *store, *TRUST, "--json")
    assert done.code == 0
    assert {one["placed"] for one in done.json["lists"]} == {"added"}
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def rows(folder: Path) -> Path:
    """A watch list of both certificates."""
    path = folder / "kept.ndjson"
    lines = []
    for name in ("good", "revoked"):
        text = "".join((folder / f"{name}.pem").read_text().splitlines()[1:-1])
        lines.append(json.dumps({"key": f"customer {name}", "certificate": text}))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_index_in_words(cli: Cli, folder: Path) -> None:
    again = ("crl", "index", str(folder / "lists"), "--store", str(folder / "store"), *TRUST)
    done = cli(*again)
    assert done.code == 0
    assert "here already   Tokyo-to/Kiyose-shi" in done.out
    assert "12 lists in the store, 0 refused" in done.out
    assert "12 件を保管" in cli(*again, "--lang", "ja").out
    done = cli(*again[:-2], str(folder / "good.pem"), *TRUST)
    assert done.code == 1
    assert "refused" in done.out
    assert cli(*again, terminal=True).err.endswith("\r")


def test_info(cli: Cli, folder: Path) -> None:
    done = cli("crl", "info", "--store", str(folder / "store"), "--json")
    assert (done.code, done.json["environment"], len(done.json["lists"])) == (0, "test", 12)
    assert {one["state"] for one in done.json["lists"]} == {"current"}
    later = (NOW + timedelta(days=9)).isoformat()
    done = cli("crl", "info", "--store", str(folder / "store"), "--at", later, "--json")
    assert {one["state"] for one in done.json["lists"]} == {"outdated"}
    next((folder / "store").glob("*.idx")).write_bytes(b"damaged")
    done = cli("crl", "info", "--store", str(folder / "store"), "--json")
    assert (done.code, sum(one["state"] == "damaged" for one in done.json["lists"])) == (1, 1)
    assert "damaged" in cli("crl", "info", "--store", str(folder / "store")).out


@pytest.mark.parametrize(
    ("name", "code", "reason"), [("good", 0, "crl_good"), ("revoked", 1, "revoked")]
)
def test_check_and_the_option_of_other_commands(
    cli: Cli, folder: Path, name: str, code: int, reason: str
) -> None:
    certificate, store = str(folder / f"{name}.pem"), str(folder / "store")
    found = [
        cli("crl", "check", certificate, "--store", store, *TRUST, "--json"),
        cli("chain", "check", certificate, "--crl", store, *TRUST, "--json"),
    ]
    for done in found:
        check = next(c for c in done.json["checks"] if c["name"] == "revocation")
        assert (done.code, check["code"]) == (code, reason)


def test_check_asks_nothing_but_the_store(cli: Cli, folder: Path) -> None:
    for file in (folder / "store").glob("*.idx"):
        file.unlink()
    done = cli(
        "crl", "check", str(folder / "good.pem"), "--store", str(folder / "store"), *TRUST, "--json"
    )
    assert done.code == 5
    assert done.json["checks"][-1]["code"] == "crl_missing"


def test_watch(cli: Cli, folder: Path) -> None:
    store, out = str(folder / "store"), folder / "next.ndjson"
    done = cli("crl", "watch", str(rows(folder)), "--store", store, "--out", str(out), "--json")
    assert (done.code, done.json["rows"]) == (0, 2)
    (changed,) = done.json["changed"]
    assert (changed["key"], changed["status"]) == ("customer revoked", "revoked")
    assert changed["reason"] == "affiliation_changed"
    assert out.stat().st_mode & 0o777 == 0o600
    kept = [json.loads(line) for line in out.read_text().splitlines()]
    assert [sorted(row) for row in kept] == [["handle", "key", "status"]] * 2
    der = base64.b64decode("".join((folder / "good.pem").read_text().splitlines()[1:-1]))
    serial = parse_certificate(der).serial.reveal()
    for row in kept:
        assert serial not in base64.urlsafe_b64decode(row["handle"] + "==")
    # The second time nothing has changed; and in words.
    done = cli("crl", "watch", str(out), "--store", store, "--json")
    assert (done.code, done.json["changed"], done.json["counts"]["good"]) == (0, [], 1)
    assert "customer revoked" in cli("crl", "watch", str(rows(folder)), "--store", store).out
    # A store whose lists have ended cannot tell.
    later = (NOW + timedelta(days=9)).isoformat()
    done = cli("crl", "watch", str(out), "--store", store, "--at", later, "--json")
    assert (done.code, done.json["counts"]["unknown"]) == (5, 1)
    assert [row["key"] for row in done.json["changed"]] == ["customer good"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "not_json"),
        ("[]", "bad_row"),
        ('{"key": "a"}', "bad_row"),
        ('{"key": "", "handle": "x"}', "bad_row"),
        ('{"key": 5, "handle": "x"}', "bad_row"),
        ('{"key": "a", "handle": "x", "certificate": "MAA="}', "bad_row"),
        ('{"key": "a", "handle": "x", "more": 1}', "bad_row"),
        ('{"key": "a", "handle": "x", "status": "fine"}', "bad_row"),
        ('{"key": "a", "handle": "xxxx"}', "bad_handle"),
        ('{"key": "a", "handle": "' + "A" * 90 + '"}', "bad_handle"),
        ('{"key": "a", "certificate": "*"}', "bad_row"),
        ('{"key": "a", "certificate": "MAA="}', "truncated"),
        ('{"key": "' + "a" * (1 << 17) + '"}', "too_large"),
        ("[" * 100_000, "not_json"),
    ],
)
def test_watch_lists_that_cannot_be_read(cli: Cli, folder: Path, line: str, reason: str) -> None:
    path = rows(folder)
    path.write_text(path.read_text() + line + "\n")
    out = folder / "next.ndjson"
    done = cli(
        "crl", "watch", str(path), "--store", str(folder / "store"), "--out", str(out), "--json"
    )
    assert (done.code, done.json["code"]) == (1, "watch_row")
    assert not out.exists()


def test_a_handle_of_another_store(cli: Cli, folder: Path) -> None:
    out = folder / "next.ndjson"
    assert (
        cli(
            "crl", "watch", str(rows(folder)), "--store", str(folder / "store"), "--out", str(out)
        ).code
        == 0
    )
    other = ("--store", str(folder / "other"))
    assert cli("crl", "index", str(folder / "lists"), *other, *TRUST).code == 0
    done = cli("crl", "watch", str(out), *other, "--json")
    assert (done.code, done.json["code"]) == (1, "watch_row")


def test_environments_do_not_mix(cli: Cli, folder: Path) -> None:
    root = folder / "root.pem"
    assert (
        cli("cert", "export", "auth-ca", "--out", str(root), "--reader", "virtual:hanako").code == 0
    )
    for words in (
        ("crl", "index", str(folder / "lists"), "--store", str(folder / "store")),
        ("crl", "check", str(folder / "good.pem"), "--store", str(folder / "store")),
        ("chain", "check", str(folder / "good.pem"), "--crl", str(folder / "store")),
    ):
        done = cli(*words, "--trust", str(root), "--json")
        assert (done.code, done.json["code"]) == (1, "crl_store_environment")


def test_without_a_declaration_nothing_is_touched(cli: Cli, folder: Path) -> None:
    store = folder / "production"
    index = ("crl", "index", str(folder / "lists"), "--store", str(store), "--json")
    done = cli(*index)
    assert (done.code, done.json["code"]) == (1, "not_permitted")
    assert not store.exists()
    config = folder / "c.toml"
    config.write_text(VERIFIER.format(role="authentication_verifier"))
    env = {"JPKI_CONFIG": str(config)}
    done = cli(*index, env=env)
    assert {one["reason"] for one in done.json["lists"]} == {"unknown_issuer"}
    assert cli(*index, "--keep", "login", env=env).code == 1
    done = cli(*index, "--keep", "curiosity", env=env)
    assert (done.code, done.json["code"]) == (1, "not_permitted")
    for words in (("crl", "info"), ("crl", "watch", str(rows(folder)))):
        assert cli(*words, "--store", str(store), "--json", env=env).code in (0, 5)
        done = cli(*words, "--store", str(store), "--json")
        assert (done.code, done.json["code"]) == (1, "not_permitted")
    done = cli("crl", "check", str(folder / "good.pem"), "--store", str(store), "--json")
    check = next(c for c in done.json["checks"] if c["name"] == "revocation")
    assert check["code"] == "not_permitted"


def test_one_store_at_most_and_for_jpki_only(cli: Cli, folder: Path) -> None:
    store = str(folder / "store")
    assert (
        cli("crl", "index", str(folder / "lists"), "--store", str(folder / "b"), *TRUST).code == 0
    )
    check = ("chain", "check", str(folder / "good.pem"), *TRUST, "--json", "--crl", store)
    assert cli(*check, "--crl", str(folder / "b")).json["code"] == "usage_one_store"
    assert cli(*check, "--profile", "rfc5280").json["code"] == "usage_store_profile"
    assert cli(*check, "--crl", str(folder / "lists")).code == 0


def test_no_store(cli: Cli, folder: Path) -> None:
    for words in (("info",), ("watch", str(rows(folder)))):
        done = cli("crl", *words, "--store", str(folder / "lists"), "--json")
        assert (done.code, done.json["code"]) == (1, "crl_store")
    done = cli(
        "crl", "index", str(folder / "nowhere"), "--store", str(folder / "store"), *TRUST, "--json"
    )
    assert (done.code, done.json["code"]) == (1, "input_file")
