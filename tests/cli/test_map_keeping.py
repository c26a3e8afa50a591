# SPDX-License-Identifier: Apache-2.0
"""What is kept beside the map, and asked of others: evidence, consents, a platform operator."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from importlib import resources
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
from map_cli import AUTH, SIGN, MapCli, error

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
        (lambda text: text + f"\nmore = {'[' * 20_000}\n", "malformed"),
        (lambda text: text + f"\nmore{'.a' * 20_000} = 1\n", "malformed"),
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


INFO = {"name": "番号　花子", "address": "東京都清瀬市中里五丁目８４２番地", "sex": "2"}


@pytest.fixture
def customer(cli: Cli, tmp_path: Path, operator: PlatformServer) -> Kyc:
    """A customer with both certificates, whose consent to ``INFO`` is a day old; the operator
    knows of it."""
    table = Kyc(cli, tmp_path, "kyc", actor="web-1")
    assert table.init().code == 0
    table.answer("enrol", pins=[SIGN])
    table.answer("link", "--kind", "sign-auth", "--key", "auth", pins=[SIGN, AUTH])
    items = [word for name in INFO for word in ("--item", name)]
    assert table("consent", "give", *CUSTOMER, *items, pins=[SIGN]).code == 0
    cards = [signed_certificate(table, kind) for kind in ("auth", "sign")]
    operator.know(*cards, info=INFO, consented=INFO)
    later = NOW + timedelta(days=1)
    table.more = ("--at", later.isoformat())
    cli.clock = lambda: later
    return table


CUSTOMER = ("--purpose", "latest-info")


def signed_certificate(table: MapCli, kind: str) -> bytes:
    pin = {"auth": AUTH, "sign": SIGN}[kind]
    challenge = table.challenge("latest-info", *CUSTOMER)
    path = table.respond(challenge, "--key", kind, pin=pin)
    return base64.b64decode(json.loads(path.read_text("utf-8"))["certificate"])


def latest(table: MapCli, operator: PlatformServer, *words: str) -> Result:
    where = ("--platform", str(settings(table.folder, operator)), "--reveal", "attributes")
    return table("latest-info", *CUSTOMER, *where, *words)


def test_the_latest_address_of_who_consented(customer: Kyc, operator: PlatformServer) -> None:
    """Shown and kept nowhere; the ledger says that it was asked for."""
    entries = customer.entries()
    items = [word for name in INFO for word in ("--item", name)]
    shown = latest(customer, operator, *items)
    assert shown.code == 0, shown.err
    assert INFO["address"] in shown.out
    given = latest(customer, operator, "--item", "address", "--json")
    validate(given.json)
    assert given.json["items"] == {"address": INFO["address"]}
    assert customer.entries() == entries + 2
    for path in customer.folder.iterdir():
        assert INFO["address"].encode() not in path.read_bytes(), path.name


def test_nobody_is_asked_for_what_nobody_consented_to(
    customer: Kyc, operator: PlatformServer
) -> None:
    before = operator.count
    beyond = latest(customer, operator, "--json")  # all of the purpose, the birth date too
    validate(beyond.json)
    assert (beyond.code, beyond.json["resolution"]["reason"]) == (1, "no_consent")
    assert beyond.json["items"] == {}
    unsaid = customer("latest-info", *CUSTOMER, "--platform", "operator.toml", "--json")
    assert error(unsaid) == (2, "usage_missing")
    assert operator.count == before
    operator.mode = PlatformMode.UNAVAILABLE
    down = latest(customer, operator, "--item", "name", "--json")
    assert error(down) == (1, "platform_down")


def moved(folder: Path) -> str:
    """Hanako's card after she moved: another sign certificate, the same auth certificate."""
    plain = (resources.files("jpki.emulator") / "cards" / "hanako.toml").read_text("utf-8")
    path = folder / "moved.toml"
    path.write_text(plain.replace("0x0980F00D", "0x0980F00E"), encoding="utf-8")
    return f"virtual:{path}"


def test_a_new_sign_certificate_after_a_move(
    cli: Cli, tmp_path: Path, operator: PlatformServer
) -> None:
    table = MapCli(cli, tmp_path, "city-id")
    assert table.init().code == 0
    pseudonym = table.answer("enrol", pins=[SIGN])["pseudonym"]
    records, new = ("--purpose", "records"), ("--reader", moved(tmp_path))
    table.answer("link", *records, "--kind", "sign-auth", "--key", "auth", pins=[SIGN, AUTH])
    by_auth = table.answer("refresh", *records, "--key", "auth", pins=[SIGN, AUTH])
    assert by_auth["outcome"] == "refused"
    refreshed = table.answer("refresh", *records, *new, pins=[AUTH, SIGN])
    assert (refreshed["outcome"], refreshed["pseudonym"]) == ("resolved", pseudonym)
    login = ("resolve", "--key", "sign")
    assert table.answer(*login, *new, pins=[SIGN])["pseudonym"] == pseudonym
    old = table.answer(*login, pins=[SIGN])
    assert (old["outcome"], old["reason"]) == ("stale", "certificate_ended")
    assert table.answer("resolve")["pseudonym"] == pseudonym  # the auth certificate stays


def test_a_platform_operator_says_which_one_was_replaced(
    cli: Cli, tmp_path: Path, operator: PlatformServer
) -> None:
    """Only the new sign certificate is presented, or brought as a file."""
    table = MapCli(cli, tmp_path, "city-id")
    assert table.init().code == 0
    pseudonym = table.answer("enrol", pins=[SIGN])["pseudonym"]
    new = moved(tmp_path)
    cards = []
    for reader in (table.reader, new):
        asked = table.challenge("refresh")
        path = table.respond(asked, "--key", "sign", "--reader", reader, pin=SIGN)
        cards.append(base64.b64decode(json.loads(path.read_text("utf-8"))["certificate"]))
    words = ("--platform", str(settings(tmp_path, operator)), "--purpose", "records", "--json")
    unknown = table.brought("refresh", path, *words)
    assert (unknown.code, unknown.json["decision"]["code"]) == (1, "link_evidence")
    operator.know(*cards)
    done = table("refresh", *words, "--reader", new, pins=[SIGN])
    assert (done.code, done.json["pseudonym"]) == (0, pseudonym)
    both = table("refresh", *words, "--known", str(path))
    assert error(both) == (2, "usage_map_platform")
