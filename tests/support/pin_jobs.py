# SPDX-License-Identifier: Apache-2.0
"""Every command that presents a PIN, run in process on one emulated card, and what it may cost.

Shared by the property test of PIN safety and by the fault matrix of the command line.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from command_line import Cli, Commands, Result
from jpki.card_map import PinKind
from jpki.emulator import load_card
from jpki.synth import stored_key
from jpki.testing.cards import PluggedCard
from jpki_cli.clicks import Tree
from jpki_cli.tree import TREE
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
ACTORS = {"entry": "gate-1", "kyc": "web-1"}
"""Who asks, where the policy knows another one than ``terminal-1``."""

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
    """One command line. ``kinds``: the PINs it takes, in order. FOLDER is a scratch folder.

    ``policy``: of the map that it asks, if it asks one.
    """

    words: str
    kinds: tuple[PinKind, ...]
    asks_new: bool = False
    policy: str = "library"


EVIDENCE = "--evidence-db FOLDER/evidence.db --reference C-81 --ends 2030-01-01T00:00:00Z"
LATEST = "--purpose latest-info --key sign --reveal attributes --platform FOLDER/operator.toml"
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
    PinJob("trace --out FOLDER/a.trace --force -- pin check auth", (AUTH,)),
    PinJob("map enrol", (AUTH,)),
    PinJob("map enrol --purpose enter --bind-card", (TEXT, AUTH), policy="entry"),
    PinJob("map resolve", (AUTH,)),
    PinJob("map link --kind sign-auth --key auth", (SIGN, AUTH), policy="city-id"),
    PinJob("map link --kind card-phone --known-reader READER", (AUTH, AUTH), policy="phone"),
    PinJob("map consent give --purpose login", (SIGN,), policy="city-id"),
    PinJob("map consent withdraw --purpose login --key sign", (SIGN,), policy="city-id"),
    PinJob(f"map evidence keep {EVIDENCE} --role service-provider", (SIGN,), policy="kyc"),
    PinJob("map refresh", (AUTH, SIGN), policy="city-id"),
    PinJob(f"map latest-info {LATEST}", (SIGN,), policy="kyc"),
    PinJob("map disclose", (AUTH,)),
    PinJob("map erase", (AUTH,)),
]


def takes_a_card(command: click.Command) -> bool:
    """Whether this command opens a card: then it can wait for one."""
    return "wait" in {parameter.name for parameter in command.params}


def presents_a_pin(command: click.Command) -> bool:
    """Whether this command may send a PIN to a card. (A PIN that is asked for without a card is
    a token's, with the keys of a map or a report.)"""
    names = {parameter.name for parameter in command.params}
    return "pin_fd" in names and (takes_a_card(command) or "last_try" in names)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of ours with its words, as the program itself finds them."""
    yield from _below(TREE, ())


def _below(tree: Tree, before: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, entry in tree.items():
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            yield " ".join((*before, name)), getattr(importlib.import_module(module), attribute)
        else:
            yield from _below(entry, (*before, name))


def row_of(words: str) -> PinJob | None:
    """A row of the table for this command."""
    return next((job for job in JOBS if f"{job.words} ".startswith(f"{words} ")), None)


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
    a PIN that reached the card (count); ``entered``: entries of the person (count);
    ``carried_out``: commands that the card carried out (count)."""

    result: Result
    before: dict[str, int]
    after: dict[str, int]
    presented: int
    entered: int
    carried_out: int

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
        self._operator()
        policies = sorted({job.policy for job in JOBS})
        self.tables = {policy: self._table(policy) for policy in policies}
        self.challenge()

    def _operator(self) -> None:
        """Settings of a platform operator whom nobody reaches."""
        key = stored_key("card-15-session").public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
        path = self.folder / "operator.toml"
        path.write_text(f'url = "http://127.0.0.1:9"\ntoken = "t"\nkey = """{pem}"""\n')
        path.chmod(0o600)

    def _table(self, policy: str) -> MapCli:
        """A new map under this policy."""
        folder = self.folder / policy
        folder.mkdir()
        made = MapCli(self.cli, folder, policy, actor=ACTORS.get(policy, "terminal-1"))
        evidence = ("--evidence-db", str(self.folder / "evidence.db")) if policy == "kyc" else ()
        words = ("map", "init", *made.place, "--policy", policy, "--trust", "test", *evidence)
        done = self.cli(*words)
        assert done.code == 0, done.err
        return made

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

    def run(self, attempt: Attempt) -> Outcome:
        """One command, under one fault. The fault is gone afterwards."""
        card = self.plugged.card
        card.faults = [attempt.fault] if attempt.fault else []
        before, asked, presented = dict(card.tries()), len(self.cli.questions), self.seen.presented
        executed = card.apdus
        entries = [*attempt.entries, *([attempt.new] if attempt.job.asks_new else [])]
        typed = [*entries, attempt.new, *["0000"] * 5] if attempt.typed else None
        text = attempt.job.words.replace("FOLDER", str(self.folder))
        words = [
            *text.replace("READER", self.plugged.uri).split(), "--json",
            *(["--last-try"] if attempt.last_try else []),
        ]  # fmt: skip
        pins = entries if entries and not attempt.typed else None
        try:
            result = self._command(attempt.job, words, pins, typed)
        finally:
            card.faults = []
        entered = len(self.cli.questions) - asked if attempt.typed else len(entries)
        return Outcome(
            result, before, dict(card.tries()), self.seen.presented - presented, entered,
            card.apdus - executed,
        )  # fmt: skip

    def _command(
        self, job: PinJob, words: list[str], pins: list[str] | None, typed: list[str] | None
    ) -> Result:
        reader = ("--reader", self.plugged.uri)
        if words[0] == "map":
            return self.tables[job.policy](*words[1:], *reader, pins=pins, typed=typed)
        return self.cli(*words, *reader, pins=pins, typed=typed)

    def close(self) -> None:
        self.plugged.eject()
