# SPDX-License-Identifier: Apache-2.0
"""``jpki demo``: the main job on emulated cards, told step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from jpki.card_map import PinKind
from jpki_cli.clicks import command, option
from jpki_cli.errors import Exit
from jpki_cli.render import attribute_lines, verdict_json
from jpki_cli.screen import Part
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.verdicts import check_rows

if TYPE_CHECKING:
    from jpki.card import Card, PinCounter
    from jpki.verdict import Verdict
    from jpki.verifying.material import TrustMaterial, ValidationOptions

_PAUSE = 0.25  # seconds after each step, for a person to follow; the whole stays below 5 s

# Card, PINs presented, and what has to come out: genuine, in force.
_OTHERS = (
    ("taro-moved", (PinKind.TEXT, PinKind.AUTH, PinKind.SIGN), ("yes", "no")),
    ("forged", (PinKind.TEXT, PinKind.AUTH), ("no", "yes")),
    ("copied", (PinKind.TEXT, PinKind.AUTH), ("no", "yes")),
)


class _WithPins(Protocol):
    """An emulated card, as far as the demo knows it."""

    def pins(self) -> dict[str, str]:
        """The card's PINs by kind."""


@dataclass(slots=True)
class _Told:
    """What was told so far. ``steps``: name, and whether it came out as it should."""

    steps: list[tuple[str, bool]] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)


class _Demo:
    def __init__(self, session: Session, pause: bool) -> None:
        self._session = session
        self._screen = None if session.json else session.screen()
        self._pause = pause and not session.json and session.app.out.isatty()
        self._told = _Told()
        self._now: datetime = session.app.clock()
        self._trust, self._options = _material(self._now)

    def run(self) -> _Told:
        self._line((t("cli.test_card"), "test"), f"  {t('demo.invented')}")
        with _plugged("hanako", self._now) as (emulated, uri):
            self._step("plug", True, uri=uri)
            self._free(uri)
            self._wrong_then_right(emulated, uri)
            self._login(emulated, uri)
            self._check("hanako", emulated, uri, (PinKind.TEXT, PinKind.AUTH), ("yes", "yes"))
        for name, pins, expected in _OTHERS:
            with _plugged(name, self._now) as (emulated, uri):
                self._check(name, emulated, uri, pins, expected)
        return self._told

    def _free(self, uri: str) -> None:
        """What a card tells anybody: kind, certificates, tries left."""
        with _open(uri) as card:
            info = card.info()
        token = info.token.info.label
        self._step("detect", token == "JPKIAPICCTOKEN2", token=token)  # noqa: S105
        left = {c.kind: c for c in info.counters if c.application_name in ("jpki", "text")}
        shown = "   ".join(f"{kind.value} {_tries(left[kind])}" for kind in left)
        self._step("counters", left[PinKind.TEXT].attempts_left == 3, counters=shown)

    def _wrong_then_right(self, emulated: _WithPins, uri: str) -> None:
        """One try is spent, and given back by the right PIN."""
        from jpki.errors import PinIncorrectError

        right = emulated.pins()["text"]
        wrong = "0000" if right != "0000" else "1111"
        with _open(uri) as card:
            left = None
            try:
                card.pins.verify(PinKind.TEXT, bytearray(wrong, "ascii"))
            except PinIncorrectError as exc:
                left = exc.attempts_left
            self._step("wrong_pin", left == 2, n=left if left is not None else 0)
            after = card.pins.verify(PinKind.TEXT, bytearray(right, "ascii"))
            self._step("right_pin", after.attempts_left == 3, tries=_tries(after))
            lines = attribute_lines(card.text.attributes())
            self._step("attributes", "花子" in lines["name"], words="   ".join(lines.values()))

    def _login(self, emulated: _WithPins, uri: str) -> None:
        """A challenge, its answer, and the verifier's verdict."""
        from jpki.verifying.challenge import new_challenge
        from jpki.verifying.login import respond, verify_response

        asked = new_challenge(
            "https://demo.example", "demo", ttl=timedelta(minutes=5), now=self._now
        )
        with _open(uri) as card:
            pin = bytearray(emulated.pins()["auth"], "ascii")
            answer = respond(card, asked, pin, now=self._now)
        validator = self._options.validator(self._trust)
        verdict = verify_response(answer, asked, validator, now=self._now)
        self._told.verdicts["login"] = verdict
        good = verdict.outcome.value == "valid"
        self._step("login", good, origin=asked.origin, outcome=verdict.outcome.value)

    def _check(
        self,
        name: str,
        emulated: _WithPins,
        uri: str,
        kinds: Sequence[PinKind],
        expected: tuple[str, str],
    ) -> None:
        """``jpki card check`` on one card."""
        from jpki.verifying.card_check import check_card

        pins = emulated.pins()

        def source(counter: PinCounter) -> bytearray:
            return bytearray(pins[counter.kind.value], "ascii")

        with _open(uri) as card:
            report = check_card(card, self._trust, self._options, dict.fromkeys(kinds, source))
        verdict = report.verdict
        self._told.verdicts[name] = verdict
        found = tuple(h.value if h else "" for h in (verdict.genuine, verdict.in_force))
        self._step(f"check_{name.replace('-', '_')}", found == expected)
        if self._screen is not None:
            ran = [check for check in verdict.checks if check.outcome.value != "not_run"]
            self._screen.table(check_rows(ran), indent=5)
            genuine, force = (t(f"value.headline.{word}") for word in found)
            self._line(
                "     ",
                f"{t('cli.genuine')}  ",
                (genuine, found[0]),
                f"     {t('cli.in_force')}  ",
                (force, found[1]),
            )

    def _step(self, name: str, expected: bool, **values: object) -> None:
        self._told.steps.append((name, expected))
        number = len(self._told.steps)
        self._line()
        self._line((f"{number:2}. ", "strong"), t(f"demo.{name}", **values))
        if not expected:
            self._line("    ", (t("demo.unexpected"), "invalid"))
        if self._pause:
            time.sleep(_PAUSE)

    def _line(self, *parts: Part) -> None:
        if self._screen is not None:
            self._screen.line(*parts)


def _tries(counter: PinCounter) -> str:
    return f"{counter.attempts_left}/{counter.max_tries}"


def _material(now: datetime) -> tuple[TrustMaterial, ValidationOptions]:
    from jpki.open import load_trust
    from jpki.verifying.material import ValidationOptions

    return load_trust("test", at=now), ValidationOptions(at=now)


@contextmanager
def _plugged(name: str, now: datetime) -> Iterator[tuple[_WithPins, str]]:
    from jpki.open import emulated_card, plug, unplug

    emulated = emulated_card(name, at=now)
    uri = plug(emulated)
    try:
        yield emulated, uri
    finally:
        unplug(uri)


@contextmanager
def _open(uri: str) -> Iterator[Card]:
    from jpki.open import open_card

    opened = open_card(uri)
    with opened.card as card:
        yield card


@command("demo")
@option("--no-pause", is_flag=True)
def demo(session: Session, no_pause: bool) -> Exit:
    begin = time.perf_counter()
    told = _Demo(session, pause=not no_pause).run()
    elapsed = time.perf_counter() - begin
    good = all(expected for _, expected in told.steps)
    if session.json:
        session.emit(
            {
                "schema": "jpki.demo/1",
                "test": True,
                "as_expected": good,
                "elapsed_ms": round(elapsed * 1000),
                "steps": [{"name": name, "as_expected": fine} for name, fine in told.steps],
                "verdicts": {
                    name: verdict_json(verdict, test=True)
                    for name, verdict in told.verdicts.items()
                },
            }
        )
    else:
        screen = session.screen()
        screen.line()
        screen.line((t("demo.all_good" if good else "demo.not_good"), "yes" if good else "no"))
        screen.line()
        screen.paragraph(t("demo.next"))
        screen.paragraph(t("cli.disclaimer"))
    return Exit.DONE if good else Exit.INTERNAL
