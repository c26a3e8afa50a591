# SPDX-License-Identifier: Apache-2.0
"""What is kept beside the map, and asked of others: evidence, consents, a platform operator."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from command_line import NOW, Cli, Result, validate
from jpki.messages import text
from jpki.synth import SynthPki
from jpki.testing.platform_server import PlatformMode, PlatformServer
from map_cli import SIGN, MapCli, error

# --- evidence ---------------------------------------------------------------------------


class Kyc(MapCli):
    """A map of the preset ``kyc``, whose evidence lies in a database of its own."""

    @property
    def evidence(self) -> tuple[str, str]:
        return "--evidence-db", str(self.folder / "evidence.db")

    def keep(self, *words: str, reference: str = "C-81") -> Result:
        until = ("--ends", (NOW + timedelta(days=100)).isoformat())
        where = (*self.evidence, "--reference", reference, *until, "--role", "service-provider")
        return self("evidence", "keep", *where, *words, "--json", pins=[SIGN])

    def show(self, out: Path, *, reference: str = "C-81", actor: str = "staff-1") -> Result:
        words = (*self.evidence, "--reference", reference, "--out", str(out), "--json")
        return self.staff("evidence", "show", *words, actor=actor)

    def purge(self) -> int:
        return int(self.upkeep("evidence", "purge", *self.evidence, "--json").json["deleted"])


@pytest.fixture
def kyc(cli: Cli, tmp_path: Path) -> Kyc:
    made = Kyc(cli, tmp_path, "kyc", actor="web-1")
    words = ("map", "init", *made.place, *made.evidence, "--policy", "kyc", "--trust", "test")
    assert cli(*words).code == 0
    return made


def test_evidence_is_kept_read_back_and_purged(kyc: Kyc, tmp_path: Path) -> None:
    kept = kyc.keep()
    assert (kept.code, kept.json["outcome"]) == (0, "done"), kept.err
    out = tmp_path / "kept.json"
    shown = kyc.show(out)
    assert (shown.code, shown.json["outcome"]) == (0, "done")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    body = json.loads(out.read_text("utf-8"))
    validate(body)
    (one,) = body["evidence"]
    validate(one["presentation"])
    assert one["verdict"]["outcome"] == "valid"
    signed = one["presentation"]["response"]["certificate"]
    assert signed not in shown.out + shown.err
    assert kyc.entries() == 2  # kept, and looked at
    for days, gone in ((100 + 7 * 365, 0), (100 + 7 * 366, 1)):
        kyc.cli.clock = lambda days=days: NOW + timedelta(days=days)  # type: ignore[misc]
        assert kyc.purge() == gone


def test_evidence_is_shown_to_staff_alone(kyc: Kyc, tmp_path: Path) -> None:
    kyc.keep()
    out = tmp_path / "kept.json"
    refused = kyc.show(out, actor="web-1")
    assert (refused.code, refused.json["rule"]) == (1, "R9")
    nothing = kyc.show(out, reference="C-82")
    assert (nothing.code, nothing.json["outcome"]) == (1, "unregistered")
    assert not out.exists()


def test_the_auth_certificate_is_no_evidence(kyc: Kyc) -> None:
    refused = kyc.keep("--key", "auth")
    assert (refused.code, refused.json["outcome"], refused.json["rule"]) == (1, "refused", "R10")


def test_evidence_lies_in_another_database(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, "kyc")
    same = ("--evidence-db", str(table.db))
    words = ("map", "init", *table.place, *same, "--policy", "kyc", "--trust", "test", "--json")
    assert error(cli(*words)) == (1, "map_url")
    assert list(tmp_path.iterdir()) == []


def test_an_evidence_store_that_came_later(cli: Cli, tmp_path: Path) -> None:
    table = Kyc(cli, tmp_path, "kyc", actor="web-1")
    assert table.init().code == 0
    assert table.keep().code == 1
    words = ("map", "init", "--extend", *table.place, *table.evidence, "--policy", "kyc")
    assert cli(*words).code == 0
    assert table.keep().code == 0


# --- consents ---------------------------------------------------------------------------


def test_consents_of_a_person_and_reminders(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, "city-id")
    assert table.init().code == 0
    pseudonym = table.answer("enrol", pins=[SIGN])["pseudonym"]
    listed = table.staff("consent", "list", "--pseudonym", pseudonym, "--json").json
    validate(listed)
    (person,) = listed["persons"]
    assert person["pseudonym"] == pseudonym
    assert [(c["purpose"], c["state"]) for c in person["consents"]] == [("login", "given")]
    assert (
        "in force or to come   login"
        in table.staff("consent", "list", "--pseudonym", pseudonym).out
    )

    def due() -> list[str]:
        answer = table.staff("consent", "due", "--json").json
        validate(answer)
        return [each["pseudonym"] for each in answer["persons"]]

    assert due() == []
    table.cli.clock = lambda: NOW + timedelta(days=366)
    assert due() == [pseudonym]
    assert due() == []  # reminded now
    table.cli.clock = lambda: NOW + timedelta(days=800)
    assert table.staff("suppress", "--pseudonym", pseudonym).code == 0
    assert due() == []
    hidden = table.staff("consent", "list", "--pseudonym", pseudonym, "--json")
    nobody = table.staff("consent", "list", "--pseudonym", "a" * 26, "--json")
    assert (hidden.code, hidden.out) == (nobody.code, nobody.out)


def test_consents_are_shown_to_staff_alone(cli: Cli, tmp_path: Path) -> None:
    table = MapCli(cli, tmp_path, "city-id")
    assert table.init().code == 0
    for words in (("list", "--pseudonym", "a" * 26), ("due",)):
        refused = table.staff("consent", *words, "--json", actor="terminal-1")
        assert (refused.code, refused.json["resolution"]["rule"]) == (1, "R9")


# --- a platform operator ----------------------------------------------------------------


@pytest.fixture
def operator() -> Iterator[PlatformServer]:
    with PlatformServer(SynthPki(NOW)) as server:
        yield server


def settings(folder: Path, server: PlatformServer) -> Path:
    pem = load_der_public_key(server.key).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    path = folder / "operator.toml"
    path.write_text(f'url = "{server.url}"\ntoken = "city"\nkey = """{pem.decode("ascii")}"""\n')
    path.chmod(0o600)
    return path


def certificate(table: MapCli, reader: str) -> bytes:
    """What a card presents: nobody gives it to the operator but the test."""
    path = table.respond(table.challenge("resolve"), "--reader", reader)
    answer = path.read_text("utf-8")
    return base64.b64decode(json.loads(answer)["certificate"])


def test_a_platform_operator_links_a_phone(
    cli: Cli, tmp_path: Path, operator: PlatformServer
) -> None:
    """Only the phone is presented: whose card it belongs to, the operator says."""
    table = MapCli(cli, tmp_path, "phone")
    assert table.init().code == 0
    pseudonym = table.answer("enrol")["pseudonym"]
    phone = ("--reader", "virtual:android")
    words = ("--kind", "card-phone", "--platform", str(settings(tmp_path, operator)), *phone)
    unknown = table("link", *words, "--json")
    assert (unknown.code, unknown.json["decision"]["code"]) == (1, "link_evidence")
    cards = [certificate(table, reader) for reader in ("virtual:hanako", "virtual:android")]
    operator.know(*cards)
    assert table.answer("link", *words)["pseudonym"] == pseudonym
    assert table.answer("resolve", *phone)["pseudonym"] == pseudonym
    operator.mode = PlatformMode.UNAVAILABLE
    assert error(table("link", *words, "--json")) == (1, "platform_down")
    known = table("link", *words, "--known-reader", "virtual:hanako", "--json")
    assert error(known) == (2, "usage_map_platform")


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda text: text.replace("http://", "http://user:x@"), "platform_url"),
        (lambda text: text.replace("BEGIN", "BEGUN"), "platform_key"),
        (lambda text: text.replace("url =", "address ="), "missing"),
        (lambda text: text + "\nmore = 1\n", "unknown_key"),
        (lambda text: text + "\ntimeout = true\n", "malformed"),
        (lambda text: text[:40], "malformed"),
    ],
)
def test_settings_that_are_not_taken(
    cli: Cli, tmp_path: Path, operator: PlatformServer, edit: object, reason: str
) -> None:
    assert callable(edit)
    table = MapCli(cli, tmp_path, "phone")
    path = settings(tmp_path, operator)
    path.write_text(edit(path.read_text()))
    words = ("--kind", "card-phone", "--platform", str(path), "--json")
    done = table("link", *words)
    assert error(done) == (2, "platform_settings")
    assert text(f"value.reason.{reason}", "en") in done.json["message"]


def test_settings_that_others_can_read(cli: Cli, tmp_path: Path, operator: PlatformServer) -> None:
    path = settings(tmp_path, operator)
    path.chmod(0o644)
    table = MapCli(cli, tmp_path, "phone")
    done = table("link", "--kind", "card-phone", "--platform", str(path), "--json")
    assert error(done) == (2, "platform_settings")
