# SPDX-License-Identifier: Apache-2.0
"""The two halves of a terminal on two hosts: a whole visit, and a cable that is pulled.

The server half in one network namespace, the terminal with its reader (pcscd's virtual one) in
the other. Everything is the command line as an operator types it.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text

from jpki.card import Card
from jpki.emulator import VirtualConnection, load_card
from jpki.emulator.population import built_in
from jpki.open import load_trust
from jpki.verdict import Outcome
from jpki.verifying.issued import verify_issued
from map_bench import Clock
from namespaces import LEFT, RIGHT, Host, TwoHosts
from pcsc_bed import PcscBed
from process_memory import memory
from server_half import Tls, make_tls

VISITOR = (sys.executable, str(Path(__file__).parent.parent / "support" / "kiosk_visitor.py"))
PIN = "1234"


class Program:
    """A program on a host that says JSON lines."""

    def __init__(self, host: Host, bed: PcscBed, *argv: str) -> None:
        self.process = subprocess.Popen(
            host.command(*argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=bed.environment, cwd=bed.folder,
        )  # fmt: skip

    def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the program ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=20)


@dataclass
class Place:
    """Both halves, running."""

    hosts: TwoHosts
    bed: PcscBed
    tls: Tls
    page: str
    database: Path
    terminal: Program
    actor: str = "kiosk-07"

    def visit(self) -> Program:
        """A person who has put the card down."""
        visitor = Program(self.hosts.right, self.bed, *VISITOR, self.page, PIN)
        self.bed.plug_in("hanako")
        return visitor

    def leave(self, visitor: Program) -> None:
        self.bed.let_go()
        visitor.close()
        self.hosts.right.run(*VISITOR, self.page)  # until the terminal is done with it, too

    def ledger(self) -> list[tuple[str, str]]:
        """Operations and what came of them, since the town was enrolled."""
        engine = create_engine(f"sqlite:///{self.database}")
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT operation, outcome FROM ledger WHERE actor = :actor ORDER BY seq"),
                {"actor": self.actor},
            ).all()
        engine.dispose()
        return [(row[0], row[1]) for row in rows]


@contextmanager
def _two_halves(folder: Path, actor: str, half: list[str], serve: list[str]) -> Iterator[Place]:
    """Both halves with these further options, each on its host."""
    tls, token = make_tls(folder, LEFT), str(folder / "token")
    with TwoHosts() as hosts, PcscBed() as bed:
        bed.run("jpki", "kiosk", "token", "--out", token)
        server = Program(
            hosts.left, bed, "jpki", "kiosk", "half", "--demo", "--trust", "test", "--json",
            "--terminal", f"{actor}={token}", "--host", LEFT, "--port", "0",
            "--tls-cert", str(tls.certificate), "--tls-key", str(tls.key),
            "--db", f"sqlite:///{folder / 'map.db'}", *half,
        )  # fmt: skip
        terminal = Program(
            hosts.right, bed, "jpki", "kiosk", "serve", "--trust", "test", "--json",
            "--server", server.said()["url"], "--token-file", token, "--ca", str(tls.ca),
            "--reader", "pcsc:", "--port", "0", *serve,
        )  # fmt: skip
        try:
            page = terminal.said()["url"]
            yield Place(hosts, bed, tls, page.rstrip("/"), folder / "map.db", terminal, actor)
        finally:
            terminal.close()
            server.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with _two_halves(tmp_path_factory.mktemp("halves"), "kiosk-07", [], []) as running:
        yield running


def _walk(visitor: Program, until: str) -> None:
    """Go through the screens up to one of that kind, which is left unanswered."""
    while visitor.said()["kind"] != until:
        visitor.go_on()


def _ending(visitor: Program) -> dict[str, Any]:
    while (said := visitor.said())["kind"] != "ending":
        visitor.go_on()
    return said


def _issued(said: dict[str, Any]) -> str:
    """The number of the document that was handed over."""
    keys = load_trust("test").issuers
    verdict, statement = verify_issued(
        base64.b64decode(said["document"]), keys, now=Clock().now.replace(year=2100)
    )
    assert verdict.outcome is Outcome.VALID
    assert statement is not None
    return statement.number


def test_a_whole_visit_over_two_hosts(place: Place) -> None:
    before = len(place.ledger())
    visitor = place.visit()
    said = _ending(visitor)
    assert said["code"] == "issued", said
    _issued(said)
    place.leave(visitor)
    assert place.ledger()[before:] == [("resolve", "resolved")]


PHASES = [("question", 0, False), ("pin", 0, False), ("confirm", 1, True)]


@pytest.mark.parametrize(("phase", "resolved", "fee"), PHASES)
def test_a_cable_pulled(place: Place, phase: str, resolved: int, fee: bool) -> None:
    """Before the challenge, the answer and the document: said so, and nothing issued; then it
    works again, once."""
    before = len(place.ledger())
    visitor = place.visit()
    _walk(visitor, phase)
    place.hosts.unplug()
    try:
        visitor.go_on()
        said = _ending(visitor)
        assert (said["code"], said["document"]) == ("server_down", "")
        assert said["note"]
        place.leave(visitor)
    finally:
        place.hosts.plug()
    assert place.ledger()[before:] == [("resolve", "resolved")] * resolved
    visitor = place.visit()
    assert _ending(visitor)["code"] == "issued"
    place.leave(visitor)
    assert place.ledger()[before:] == [("resolve", "resolved")] * (resolved + 1)


def test_nothing_leaves_the_two_hosts(place: Place) -> None:
    for host in (place.hosts.left, place.hosts.right):
        routes = host.run("ip", "-4", "route", "show", "table", "main").splitlines()
        assert [route.split()[0] for route in routes] == ["10.77.0.0/24"]


def test_the_page_is_on_loopback_only(place: Place) -> None:
    port = urlsplit(place.page).port
    ask = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    for host, address, reached in (
        (place.hosts.right, "127.0.0.1", True),
        (place.hosts.right, RIGHT, False),
        (place.hosts.left, RIGHT, False),
    ):
        done = subprocess.run(
            host.command(sys.executable, "-c", ask, address, str(port)),
            capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is reached, (address, done.stderr)
    with pytest.raises(OSError, match="refused"):  # nor from the machine itself
        socket.create_connection(("127.0.0.1", int(port or 0)), 5)


@pytest.mark.parametrize("path", ["/", "/views", "/static/index.html", "/bench", "/check", "/docs"])
def test_the_server_half_has_no_page(place: Place, path: str) -> None:
    asked = subprocess.run(
        place.hosts.right.command(
            "curl", "-sS", "--cacert", str(place.tls.ca), "-o", "/dev/null", "-w",
            "%{http_code}", f"{_server(place)}{path}",
        ),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert asked.stdout == "404"


def _server(place: Place) -> str:
    """Where the server half listens, as the left host has it."""
    lines = place.hosts.left.run("ss", "-Hltn").splitlines()
    (address,) = {line.split()[3] for line in lines if line.split()[3].startswith(LEFT)}
    return f"https://{address}"


def test_the_terminal_keeps_nothing_of_a_visit(place: Place) -> None:
    """Its memory is read as a debugger does: no name, address, PIN entry or certificate."""
    visitor = place.visit()
    assert _ending(visitor)["code"] == "issued"
    place.leave(visitor)
    card = load_card("hanako")
    with Card(VirtualConnection(card)) as opened:
        certificate = opened.jpki.certificate("auth")
    holder = built_in("hanako").holder
    texts = (holder.name, holder.address, f'"pin": "{PIN}"')
    marks = [mark for text in texts for mark in (text.encode(), text.encode("utf-16-le"))]
    marks += [certificate[100:400], base64.b64encode(certificate)[100:400]]
    held = memory(place.terminal.process.pid)
    assert len(held) > 10_000_000
    assert place.page.encode() in held  # what it does hold is found
    assert [mark for mark in marks if mark in held] == []


def _until(done: Callable[[], bool]) -> None:
    """Wait for what the terminal does by itself."""
    for _ in range(300):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def test_a_shelter_goes_on_without_its_line(tmp_path: Path) -> None:
    """A check-in is kept safely while the cable is out, and decided once when it is back."""
    office, desk, name = tmp_path / "shelter.office", tmp_path / "desk", "shelter-01"
    add = ("kiosk", "desk", "--office", str(office), "--name", name)
    subprocess.run(
        [sys.executable, "-m", "jpki_cli", *add, "--place", "中里小学校", "--out", str(desk)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with _two_halves(
        tmp_path, name, ["--shelter", str(office)], ["--flow", "shelter", "--desk", str(desk)]
    ) as place:
        visitor = place.visit()
        assert _ending(visitor)["code"] == "shelter_checked_in"
        place.leave(visitor)
        _until((desk / "ration.json").exists)  # challenges for when the line is down
        before = place.ledger()
        place.hosts.unplug()
        try:
            visitor = place.visit()
            assert _ending(visitor)["code"] == "shelter_queued"
            place.leave(visitor)
            assert len(list(desk.glob("*.queue"))) == 1
        finally:
            place.hosts.plug()
        _until(lambda: not list(desk.glob("*.queue")))
        assert place.ledger() == [*before, ("resolve", "resolved")]
