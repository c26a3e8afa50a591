# SPDX-License-Identifier: Apache-2.0
"""見守り as a school sets it up, by the guide alone: counter, server half, gate, each a program.

No demonstration: a map of its own, TLS between the halves, a reader behind pcscd, and the
school's own program for notices.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import kiosk_visitor
from command_line import validate
from pcsc_bed import PcscBed
from server_half import make_tls

pytestmark = pytest.mark.xdist_group("gate")

VISITOR = str(kiosk_visitor.__file__)
PLACE, GATE = "中里小学校 正門", "gate-01"
AUTH, SIGN = "1234", "ABC123"
NOTIFY = """#!{python}
import pathlib, sys
folder = pathlib.Path({folder!r})
if (folder / "down").exists():
    sys.exit(1)
with (folder / "told").open("ab") as told:
    told.write(sys.stdin.buffer.read() + b"\\n")
"""


@dataclass
class School:
    """Both halves, running, and what a guardian was told."""

    bed: PcscBed
    folder: Path
    page: str

    @property
    def place(self) -> tuple[str, ...]:
        return _place(self.folder)

    def visit(self, card: str, pin: str, *choices: str) -> list[dict[str, Any]]:
        """The screens of one visit at the gate, the ending last."""
        self.bed.plug_in(card)
        seen: list[dict[str, Any]] = []
        with subprocess.Popen(
            [sys.executable, VISITOR, self.page, pin, *choices],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.bed.environment, bufsize=0,
        ) as person:  # fmt: skip
            assert person.stdin is not None
            assert person.stdout is not None
            for line in person.stdout:
                seen.append(json.loads(line))
                if seen[-1]["kind"] != "ending":
                    person.stdin.write(b"\n")
        self.bed.let_go()
        kiosk_visitor.until_nobody(self.page.rstrip("/"))
        return seen

    def told(self) -> list[dict[str, Any]]:
        file = self.folder / "told"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def map(self, *words: str, pins: str = "", status: int = 0) -> dict[str, Any]:
        """``jpki map`` at the school's counter, or by its staff."""
        entry = ("--pin-fd", "0") if pins else ()
        done = self.bed.run(
            "jpki", "map", *words, *self.place, *entry, "--json", stdin=pins, status=status
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def _place(folder: Path) -> tuple[str, ...]:
    return ("--db", str(folder / "map.db"), "--key-file", str(folder / "map.keys"),
            "--policy", "watch", "--trust", "test")  # fmt: skip


@contextmanager
def _program(bed: PcscBed, *argv: str) -> Iterator[dict[str, Any]]:
    """What a program of the operator's says when it is ready."""
    with subprocess.Popen(
        ["jpki", "kiosk", *argv, "--trust", "test", "--port", "0", "--json"],
        stdout=subprocess.PIPE, text=True, env=bed.environment, cwd=bed.folder,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, f"{argv[0]} ended"
            yield json.loads(line)
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    folder = tmp_path_factory.mktemp("school")
    tls, token, notify = make_tls(folder), str(folder / "token"), folder / "tell-guardian"
    notify.write_text(NOTIFY.format(python=sys.executable, folder=str(folder)), "utf-8")
    notify.chmod(0o755)
    with PcscBed() as bed:
        bed.run("jpki", "map", "init", *_place(folder))
        bed.run("jpki", "kiosk", "token", "--out", token)
        half = _program(
            bed, "half", *_place(folder)[:6], "--terminal", f"{GATE}={token}",
            "--tls-cert", str(tls.certificate), "--tls-key", str(tls.key),
            "--gate", f"{GATE}={PLACE}", "--notify", str(notify),
        )  # fmt: skip
        with half as server:
            assert server["url"].startswith("https://")
            gate = _program(
                bed, "serve", "--flow", "watch", "--server", server["url"], "--token-file", token,
                "--ca", str(tls.ca), "--reader", "pcsc:", "--policy", "watch",
            )  # fmt: skip
            with gate as terminal:
                yield School(bed, folder, terminal["url"])


def _eventually(done: Callable[[], bool]) -> None:
    """Wait for what the server half does by itself."""
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about")


def _digits(seen: list[dict[str, Any]]) -> list[str]:
    """The code that a guardian was shown, as it is entered."""
    (code,) = (line["value"] for each in seen for line in each.get("lines", []) if line["value"])
    return [f"digit_{digit}" for digit in code if digit.isdigit()]


def test_from_a_guardians_consent_to_a_notice_and_to_its_end(school: School) -> None:
    """Consent, registration, an arrival by PIN and by a tap, a notice each; then withdrawn."""
    child = ("--child", "--guardian", "yes", "--actor", "terminal-1", "--reader", "virtual:child")
    arrival = ("--purpose", "arrival-notice")
    school.map("enrol", *arrival, *child, "--bind-card", pins=f"{AUTH}\n{AUTH}\n")
    assert school.visit("child", AUTH, "arrive", "auth")[-1]["code"] == "guardian_consent"

    consented = school.visit("hanako", SIGN, "consent", "mail")
    assert consented[-1]["code"] == "watch_consented"
    safety = next(each for each in consented if len(each.get("lines", [])) == 5)
    assert safety["kind"] == "confirm"  # told, and agreed to, before anything was signed
    entered = _digits(consented)
    registered = school.visit("child", AUTH, "register_child", *entered)
    assert registered[-1]["code"] == "watch_registered"
    again = school.visit("child", AUTH, "register_child", *entered)
    assert again[-1]["code"] == "guardian_consent"  # a code is used up

    for number, proof in enumerate(("auth", "tap"), 1):
        seen = school.visit("child", AUTH, "arrive", proof)
        assert seen[-1]["code"] == "watch_arrived"
        assert (["pin"] if proof == "auth" else []) == [
            each["kind"] for each in seen if each["kind"] == "pin"
        ]
        _eventually(lambda number=number: len(school.told()) == number)  # type: ignore[misc]
    for notice in school.told():
        validate(notice)
        assert (notice["channel"], notice["place"]) == ("mail", PLACE)

    guardian = ("resolve", "--purpose", "guardian-consent", "--actor", "terminal-1")
    known = school.map(*guardian, "--reader", "virtual:hanako", pins=f"{SIGN}\n")
    assert {notice["guardian"] for notice in school.told()} == {known["pseudonym"]}

    (school.folder / "down").touch()  # the school's own program fails, and works again
    assert school.visit("child", AUTH, "arrive", "tap")[-1]["code"] == "watch_arrived"
    (school.folder / "down").unlink()
    _eventually(lambda: len(school.told()) == 3)

    assert school.visit("hanako", SIGN, "withdraw")[-1]["code"] == "watch_withdrawn"
    assert _places(school.folder) == []
    assert school.visit("child", AUTH, "arrive", "tap")[-1]["code"] == "guardian_consent"
    assert len(school.told()) == 3


def _places(folder: Path) -> list[Any]:
    with sqlite3.connect(folder / "map.db") as connection:
        return connection.execute("SELECT place FROM watch_place").fetchall()


def test_a_child_who_is_not_to_be_found_is_a_stranger(school: School) -> None:
    """Suppressed by the staff (非開示): at the gate the same screens as for a card it never saw."""
    consented = school.visit("hanako", SIGN, "consent", "app")
    assert consented[-1]["code"] == "watch_consented"
    digits = _digits(consented)
    registered = school.visit("driver", AUTH, "register_child", *digits)
    assert registered[-1]["code"] == "watch_registered"
    pseudonym = school.map(
        "resolve", "--purpose", "arrival-notice", "--child", "--guardian", "yes",
        "--actor", "terminal-1", "--reader", "virtual:driver", pins=f"{AUTH}\n",
    )["pseudonym"]  # fmt: skip
    before = len(school.told())
    assert school.visit("driver", AUTH, "arrive", "auth")[-1]["code"] == "watch_arrived"
    _eventually(lambda: len(school.told()) == before + 1)
    school.map(
        "suppress", "--pseudonym", pseudonym, "--document", "非開示申出 12", "--actor", "staff-1",
        "--purpose", "records",
    )  # fmt: skip
    for proof, code in (("auth", "unregistered"), ("tap", "card_not_bound")):
        suppressed = school.visit("driver", AUTH, "arrive", proof)
        assert suppressed == school.visit("library", AUTH, "arrive", proof)
        assert suppressed[-1]["code"] == code
    assert len(school.told()) == before + 1
