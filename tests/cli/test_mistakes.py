# SPDX-License-Identifier: Apache-2.0
"""Mistakes people make: an answer says the cause, what it did to the card, what to do next."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from command_line import Cli
from jpki.testing.cards import CardFactory
from jpki_apdu import readers
from jpki_apdu.errors import NoReaderError


@dataclass(frozen=True)
class Mistake:
    """What was typed (``pins``: given by descriptor), its exit code, what has to be told."""

    name: str
    words: str
    code: int
    told: tuple[str, ...]
    pins: tuple[str, ...] | None = None
    faults: tuple[str, ...] = ()
    card: str = "hanako"


MISTAKES = (
    Mistake("a misspelt noun", "crad info", 2, ("jpki card",)),
    Mistake("a misspelt verb", "card chek", 2, ("jpki card check",)),
    Mistake("a misspelt option", "card info --redaer x", 2, ("--reader",)),
    Mistake("a misspelt word", "card read nmae", 2, ("Did you mean name?",)),
    Mistake("a PIN as an option", "pin check auth --pin 1234", 2,
            ("never given on the command line", "no try was spent", "--pin-fd")),
    Mistake("a PIN as a word", "pin check auth 1234", 2, ("never given on the command line",)),
    Mistake("nobody to ask", "pin check auth", 2, ("--pin-fd", "The card was not opened")),
    Mistake("a file that is missing", "verify {}/none.p7s", 1, ("there is no such file",)),
    Mistake("a file cut off", "verify {}/cut.p7s", 1,
            ("ends too early", "Nothing in it was believed")),
    Mistake("no certificate", "chain check {}/text", 1, ("no certificate in it",)),
    Mistake("a folder that is missing", "cert export auth --out {}/no/x.pem", 2,
            ("its folder does not exist",)),
    Mistake("no such built-in card", "card info --reader virtual:nobody", 1, ("try hanako",)),
    Mistake("no such kind of reader", "card info --reader usb:1", 2, ("Known:", "virtual:")),
    Mistake("no time", "card check --at tomorrow", 2, ("2026-11-20T06:00:00Z",)),
    Mistake("a file argument left out", "verify", 2, ("FILE is missing",)),
    Mistake("a wrong PIN", "pin check auth", 4,
            ("2 tries are left", "municipal office"), ("9999",)),
    Mistake("a PIN too short", "pin check auth", 4, ("no try was spent",), ("12",)),
    Mistake("a blocked PIN", "pin check auth", 4, ("no try is left", "municipal office"),
            ("1234",), card="blocked"),
    Mistake("the card pulled in a VERIFY", "pin check auth", 4, ("try", "jpki pin status"),
            ("1234",), ("pull:during@verify",)),
    Mistake("the card pulled while it is read", "card info", 3, ("card",),
            None, ("pull:before@5",)),
    Mistake("the reader busy", "card info", 3, ("program",), None, ("busy:open",)),
)  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_cause_effect_and_next_step(cli: Cli, tmp_path: Path, mistake: Mistake) -> None:
    (tmp_path / "cut.p7s").write_bytes(bytes.fromhex("3080060930"))
    (tmp_path / "text").write_text("no certificate")
    words = mistake.words.replace("{}", str(tmp_path)).split()
    with CardFactory() as factory:
        plugged = factory(mistake.card, faults=mistake.faults)
        at_the_card = words[0] in ("card", "cert", "pin") and "--reader" not in words
        uri = ["--reader", plugged.uri] if at_the_card else []
        done = cli(*words, *uri, pins=None if mistake.pins is None else list(mistake.pins))
    assert done.code == mistake.code, done.err
    assert done.out == ""
    for part in mistake.told:
        assert part in done.err, done.err
    for pin in ("1234", "9999"):
        assert pin not in done.err


@pytest.mark.parametrize(("lang", "told"), [("en", "jpki doctor"), ("ja", "jpki doctor")])
def test_no_reader(cli: Cli, monkeypatch: pytest.MonkeyPatch, lang: str, told: str) -> None:
    def none(*_: object, **__: object) -> object:
        raise NoReaderError(reader="pcsc:")

    monkeypatch.setattr(readers, "open_reader", none)
    monkeypatch.setattr(readers, "list_readers", list)
    done = cli("card", "info", "--reader", "pcsc:", "--lang", lang)
    assert done.code == 3
    assert told in done.err


@pytest.mark.parametrize(
    ("words", "pin"),
    [
        ("sign {}/text --as cms", "ABC123"),
        ("card read photo --out {}", "537686677188"),
        ("card check --with text --report {}/report.html", "1234"),
        ("cert export sign --out {}/sign.pem", "ABC123"),
    ],
)
def test_a_folder_that_takes_nothing_is_found_out_before_the_pin(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, pin: str
) -> None:
    """``access`` answers what it would to a user who may not write there."""
    (tmp_path / "text").write_text("some words\n")
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    with CardFactory() as factory:
        plugged = factory("hanako")
        given = words.format(tmp_path).split()
        done = cli(*given, "--reader", plugged.uri, "--json", pins=[pin])
        assert (done.code, done.json["code"]) == (1, "output_file")
        assert plugged.apdus == 0
