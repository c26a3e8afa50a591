# SPDX-License-Identifier: Apache-2.0
"""``--trust production`` on a card that counts as real here: its roots are pinned for the test.

No real certificate is at hand, and the emulator refuses to look like one. So the test PKI
writes O=JPKI, its roots take the place of the six pins, and the refusal is switched off,
all inside this file only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import jpki.card.cv_keys
import jpki.card.token
import jpki.emulator.refusal
import jpki.open
import jpki.validation.path
import jpki.validation.trust
from command_line import NOW, Cli
from jpki.certificate import parse_certificate
from jpki.emulator import load_card, populate
from jpki.open import plug, unplug
from jpki.synth import SynthPki
from jpki.validation.trust import RootPin

PKI = SynthPki(NOW, faithful_dn=True)


def _pins() -> tuple[RootPin, ...]:
    found = []
    for authority in PKI.authorities():
        der = authority.certificate()
        certificate = parse_certificate(der)
        found.append(
            RootPin(
                authority.family,
                authority.generation,
                hashlib.sha256(der).digest(),
                certificate.key_id,
                certificate.not_before,
                certificate.not_after,
            )
        )
    return tuple(found)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """``hanako`` as an ordinary holder's card under production roots."""
    pins = _pins()
    monkeypatch.setattr(jpki.validation.trust, "PINS", pins)
    monkeypatch.setattr(jpki.validation.path, "PINS", pins)
    monkeypatch.setattr(jpki.validation.trust, "_BY_HASH", {pin.sha256: pin for pin in pins})
    monkeypatch.setattr(jpki.card.cv_keys, "PRODUCTION", PKI.cv_ca_keys())
    monkeypatch.setattr(jpki.emulator.refusal, "_ORGANISATION_DER", re.compile(rb"(?!)"))
    monkeypatch.setattr(jpki.emulator.refusal, "_ORGANISATIONS", frozenset())
    recognised = jpki.open._recognised
    monkeypatch.setattr(
        jpki.open, "_recognised", lambda *given: replace(recognised(*given), emulated=False)
    )
    monkeypatch.setattr(jpki.card.token.Token, "is_test", False)
    populate(PKI)
    uri = plug(load_card("hanako", at=NOW, pki=PKI))
    yield uri
    unplug(uri)


CHECK = ("card", "check", "--with", "text,auth")
PINS_GIVEN = ["1234", "1234"]


def test_an_ordinary_holder_learns_genuine_but_not_in_force(reader: str, cli: Cli) -> None:
    done = cli(*CHECK, "--reader", reader, "--json", pins=PINS_GIVEN)
    assert done.code == 5
    verdict = done.json
    assert (verdict["environment"], verdict["genuine"]) == ("production", "yes")
    assert (verdict["in_force"], verdict["outcome"]) == ("cannot_tell", "cannot_tell")
    revocation = next(c for c in verdict["checks"] if c["name"] == "auth_revocation")
    assert (revocation["outcome"], revocation["code"]) == ("cannot_tell", "not_permitted")


def test_the_screen_prints_the_command_that_leaves_revocation_out(reader: str, cli: Cli) -> None:
    done = cli(*CHECK, "--reader", reader, pins=PINS_GIVEN)
    assert done.code == 5
    assert "--revocation none" in done.out
    without = cli(*CHECK, "--reader", reader, "--revocation", "none", "--json", pins=PINS_GIVEN)
    assert without.code == 0
    assert (without.json["genuine"], without.json["in_force"]) == ("yes", "not_run")


@pytest.fixture
def declared(tmp_path: Path) -> dict[str, str]:
    """A configuration that declares a registered verifier, with a folder of CRLs."""
    crls = tmp_path / "crl"
    crls.mkdir()
    for number, der in enumerate(PKI.crls()):
        (crls / f"{number}.crl").write_bytes(der)
    path = tmp_path / "config.toml"
    path.write_text(
        f"""
crl = ["{crls}"]

[verifier]
role = ["signature_verifier", "authentication_verifier"]
registration = "invented for a test"
responsible = "nobody"
as_of = 2026-04-01
purposes = ["test"]
""",
        encoding="utf-8",
    )
    return {"JPKI_CONFIG": str(path)}


def test_a_declared_verifier_gets_the_whole_answer(
    reader: str, cli: Cli, declared: dict[str, str]
) -> None:
    done = cli(*CHECK, "--reader", reader, "--json", pins=PINS_GIVEN, env=declared)
    assert (done.code, done.json["in_force"]) == (0, "yes")


def test_without_the_declaration_no_revocation_source_is_read(
    reader: str, cli: Cli, tmp_path: Path
) -> None:
    # A list is at hand, and still the answer is «not permitted».
    (tmp_path / "list.crl").write_bytes(PKI.crls()[0])
    done = cli(*CHECK, "--reader", reader, "--crl", str(tmp_path), "--json", pins=PINS_GIVEN)
    assert (done.code, done.json["in_force"]) == (5, "cannot_tell")


def test_the_root_comes_from_the_card_only_because_it_is_pinned(
    reader: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpki.validation.trust, "_BY_HASH", {})
    done = cli(*CHECK, "--reader", reader, "--json", pins=PINS_GIVEN)
    path = next(c for c in done.json["checks"] if c["name"] == "auth_path")
    assert (path["outcome"], path["code"]) == ("cannot_tell", "root_certificate_missing")
    assert done.code == 5
