# SPDX-License-Identifier: Apache-2.0
"""Every command that presents a PIN, run in process on one emulated card, and what it may cost.

Shared by the property test of PIN safety and by the fault matrix of the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command_line import Cli, Commands, Result
from jpki.card_map import PinKind
from jpki.emulator import load_card
from jpki.testing.cards import PluggedCard
from map_cli import MapCli

AUTH, SIGN, TEXT, BIRTH = PinKind.AUTH, PinKind.SIGN, PinKind.TEXT, PinKind.BIRTH
NUMBER_A, NUMBER_B = PinKind.NUMBER_A, PinKind.NUMBER_B

RIGHT = {
    AUTH: "1234", SIGN: "ABC123", TEXT: "1234", PinKind.COMMON: "1234", PinKind.JUKI: "1234",
    NUMBER_A: "537686677188", NUMBER_B: "55021720352285", BIRTH: "550217",
}  # fmt: skip
WRONG = {
    AUTH: "9999", SIGN: "WRONG99", TEXT: "9999", PinKind.COMMON: "9999", PinKind.JUKI: "9999",
    NUMBER_A: "537686677189", NUMBER_B: "99021720352285", BIRTH: "990217",
}  # fmt: skip
MALFORMED = "1"

REFERENCES = {
    AUTH: ("jpki/0018",),
    SIGN: ("jpki/001b",),
    TEXT: ("text/0011",),
    NUMBER_A: ("text/0014", "surface/0013"),
    NUMBER_B: ("text/0015", "surface/0012"),
    BIRTH: ("surface/0011",),
    PinKind.COMMON: ("common/001c",),
    PinKind.JUKI: ("juki/001c",),
}
"""The counters on the card that an entry of this kind may be compared with."""


@dataclass(frozen=True)
class PinJob:
    """One command line. ``kinds``: the PINs it takes, in order. FOLDER is a scratch folder."""

    words: str
    kinds: tuple[PinKind, ...]
    asks_new: bool = False


JOBS = [
    *(PinJob(f"pin check {kind.value}", (kind,)) for kind in RIGHT),
    *(PinJob(f"pin change {kind.value}", (kind,), True) for kind in (AUTH, SIGN, TEXT)),
    PinJob("card read attributes", (TEXT,)),
    PinJob("card read number", (TEXT,)),
    PinJob("card read name --with number-b", (NUMBER_B,)),
    PinJob("card read attributes --secure-messaging", (TEXT,)),
    PinJob("card read face --out FOLDER --force", (NUMBER_A,)),
    PinJob("card read age", (BIRTH,)),
    PinJob("card read all --with text,sign", (TEXT, SIGN)),
    PinJob("card check --trust test --with text,auth", (TEXT, AUTH)),
    PinJob("card check --trust test --with number-a,birth,sign", (NUMBER_A, BIRTH, SIGN)),
    PinJob("cert show sign", (SIGN,)),
    PinJob("cert export sign --out FOLDER/sign.pem --force", (SIGN,)),
    PinJob("sign FOLDER/a.txt FOLDER/b.txt --as cms --yes --force", (SIGN,)),
    PinJob("sign FOLDER/a.txt --as raw --key auth --yes --force", (AUTH,)),
    PinJob("auth respond FOLDER/challenge.json --out FOLDER/response.json --force", (AUTH,)),
    PinJob("map enrol", (AUTH,)),
    PinJob("map resolve", (AUTH,)),
    PinJob("map disclose", (AUTH,)),
    PinJob("map erase", (AUTH,)),
]
NO_PIN = {
    "demo", "doctor", "reader list", "reader wait", "reader probe", "card info", "pin status",
    "pin unblock", "verify", "auth challenge", "auth verify", "chain check", "batch verify",
    "crl index", "crl check", "crl info", "crl watch", "map policy check", "map policy explain",
    "map policy diff", "map init", "map challenge", "map recheck", "map suspend", "map suppress",
    "map close", "map rotate", "map ledger verify", "map ledger checkpoint", "map report",
    "emulate", "kiosk half", "kiosk token", "completion", "map consent list", "map consent due",
    "map evidence keep", "map evidence show", "map evidence purge",
}  # fmt: skip
"""Commands that present no PIN: they need no card, read what is free, or have one of their own."""
OTHERS = {
    "map link": "the same step as map enrol, twice",
    "map consent give": "the same step as map enrol",
    "map consent withdraw": "the same step as map enrol",
    "kiosk serve": "its flows are run by a scripted desk",
    "trace": "runs another command of this table",
}
"""Commands whose PIN goes through a step that another row has."""


@dataclass
class Attempt:
    """What is done in one run. ``entries``: what the person enters, one a PIN, in order.

    ``new``: the new PIN of a change. ``typed``: at a terminal rather than by --pin-fd.
    """

    job: PinJob
    entries: Sequence[str]
    new: str = ""
    typed: bool = False
    last_try: bool = False
    fault: str = ""


@dataclass
class Outcome:
    """What came of it: the answer, and counters before and after; ``presented``: commands with
    a PIN that reached the card (count); ``entered``: entries of the person (count)."""

    result: Result
    before: dict[str, int]
    after: dict[str, int]
    presented: int
    entered: int

    def spent(self, key: str) -> int:
        return max(self.before[key] - self.after[key], 0)


class PinBench:
    """One emulated card in a reader of this process, with files and a map for its commands."""

    def __init__(self, folder: Path, name: str = "hanako") -> None:
        self.folder = folder
        self.cli = Cli({"HOME": str(folder), "LC_ALL": "C.UTF-8"})
        self.plugged = PluggedCard(load_card(name))
        self.plugged.card.sleep = None
        self.seen = Commands(self.plugged)
        (folder / "a.txt").write_text("a text to sign\n")
        (folder / "b.txt").write_text("another one\n")
        self.table = MapCli(self.cli, folder, reader=self.plugged.uri)
        assert self.table.init().code == 0
        self.challenge()

    def challenge(self) -> None:
        """A login challenge in a file."""
        words = "auth challenge --origin https://a.example --purpose test --ttl 86400"
        made = self.cli(*words.split(), "--out", str(self.folder / "challenge.json"))
        assert made.code == 0, made.err

    def renew(self) -> None:
        """All counters full and all PINs as at first: what the counter of a municipality does."""
        self.plugged.eject()
        self.plugged = PluggedCard(load_card("hanako"))
        self.plugged.card.sleep = None
        self.seen = Commands(self.plugged)
        self.table.reader = self.plugged.uri

    def run(self, attempt: Attempt) -> Outcome:
        """One command, under one fault. The fault is gone afterwards."""
        card = self.plugged.card
        card.faults = [attempt.fault] if attempt.fault else []
        before, asked, presented = dict(card.tries()), len(self.cli.questions), self.seen.presented
        entries = [*attempt.entries, *([attempt.new] if attempt.job.asks_new else [])]
        typed = [*entries, attempt.new, *["0000"] * 5] if attempt.typed else None
        words = [
            *attempt.job.words.replace("FOLDER", str(self.folder)).split(), "--json",
            *(["--last-try"] if attempt.last_try else []),
        ]  # fmt: skip
        try:
            result = self._command(words, entries if entries and not attempt.typed else None, typed)
        finally:
            card.faults = []
        entered = len(self.cli.questions) - asked if attempt.typed else len(entries)
        return Outcome(result, before, dict(card.tries()), self.seen.presented - presented, entered)

    def _command(self, words: list[str], pins: list[str] | None, typed: list[str] | None) -> Result:
        if words[0] == "map":
            return self.table(*words[1:], pins=pins, typed=typed)
        return self.cli(*words, "--reader", self.plugged.uri, pins=pins, typed=typed)

    def close(self) -> None:
        self.plugged.eject()
