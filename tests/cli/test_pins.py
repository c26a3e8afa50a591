# SPDX-License-Identifier: Apache-2.0
"""PINs on their way to a card: where they come from, what they cost, what is never sent."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from command_line import Cli, Commands
from jpki.card_map import PinKind
from jpki.testing.cards import CardFactory, PluggedCard
from jpki_cli.clicks import UsageFault
from jpki_cli.prompts import ask_terminal, read_lines

Watch = Callable[[PluggedCard], Commands]
RIGHT = {
    "auth": "1234",
    "sign": "ABC123",
    "text": "1234",
    "juki": "1234",
    "common": "1234",
    "number-a": "537686677188",
    "birth": "550217",
}


def left(cli: Cli, card: PluggedCard, kind: str) -> int:
    status = cli("pin", "status", "--json", "--reader", card.uri).json
    found = [pin for pin in status["pins"] if pin["kind"] == kind]
    tries = found[0]["attempts_left"]
    assert isinstance(tries, int)
    return tries


def test_status_has_ten_counters_and_presents_nothing(
    cli: Cli, hanako: PluggedCard, watch: Watch
) -> None:
    seen = watch(hanako)
    status = cli("pin", "status", "--json", "--reader", hanako.uri).json
    assert len(status["pins"]) == 10
    assert status["test"] is True
    assert seen.presented == 0


def test_status_of_the_kinds_that_are_asked_for(cli: Cli, hanako: PluggedCard) -> None:
    before = hanako.apdus
    found = cli("pin", "status", "sign", "auth", "--json", "--reader", hanako.uri).json["pins"]
    assert {(pin["kind"], pin["attempts_left"]) for pin in found} == {("auth", 3), ("sign", 5)}
    assert hanako.apdus - before == 4  # SELECT, the token, two queries
    assert cli("pin", "status", "juki", "1234", "--reader", hanako.uri).code == 2


@pytest.mark.parametrize(("lang", "words"), [("en", "sign password"), ("ja", "署名用パスワード")])
def test_status_in_words(cli: Cli, lang: str, words: str) -> None:
    done = cli("pin", "status", "--lang", lang, "--reader", "virtual:blocked")
    assert done.out.startswith("TEST CARD")
    assert words in done.out
    assert "0/3" in done.out
    assert "not on this card" in cli("pin", "status", "--reader", "virtual:android").out


@pytest.mark.parametrize("kind", sorted(RIGHT))
def test_right_pin(cli: Cli, hanako: PluggedCard, watch: Watch, kind: str) -> None:
    seen = watch(hanako)
    done = cli("pin", "check", kind, "--json", "--reader", hanako.uri, pins=[RIGHT[kind]])
    assert done.code == 0
    assert (done.json["done"], done.json["kind"]) == ("checked", kind)
    assert done.json["attempts_left"] == done.json["max_tries"]
    assert seen.presented == 1


@pytest.mark.parametrize(
    ("kind", "wrong", "remaining"),
    [("auth", "9999", 2), ("sign", "WRONG1", 4), ("text", "0000", 2), ("birth", "000101", 9)],
)
def test_wrong_pin_costs_exactly_one_try(
    cli: Cli, hanako: PluggedCard, watch: Watch, kind: str, wrong: str, remaining: int
) -> None:
    seen = watch(hanako)
    done = cli("pin", "check", kind, "--json", "--reader", hanako.uri, pins=[wrong])
    assert done.code == 4
    assert (done.json["code"], done.json["attempts_left"]) == ("pin_incorrect", remaining)
    assert wrong not in done.out + done.err
    assert seen.presented == 1
    assert left(cli, hanako, kind) == remaining


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_wrong_pin_in_words(cli: Cli, hanako: PluggedCard, lang: str) -> None:
    done = cli("pin", "check", "text", "--lang", lang, "--reader", hanako.uri, pins=["0000"])
    assert "2" in done.err
    assert done.raw == b""


@pytest.mark.parametrize(
    ("kind", "malformed"),
    [
        ("auth", "12345"),
        ("auth", "12a4"),
        ("auth", "１２３４"),
        ("sign", "ABC"),
        ("number-a", "123456789012"),
    ],
)
def test_malformed_pin_is_not_presented(
    cli: Cli, hanako: PluggedCard, watch: Watch, kind: str, malformed: str
) -> None:
    seen = watch(hanako)
    done = cli("pin", "check", kind, "--json", "--reader", hanako.uri, pins=[malformed])
    assert (done.code, done.json["code"]) == (4, "pin_format")
    assert malformed not in done.out
    assert seen.presented == 0


@pytest.mark.parametrize("raw", [b"", b"\n", b"\r\n", b"\n1234\n", b"x" * 300])
def test_no_line_or_an_empty_one_is_a_wrong_call(
    cli: Cli, hanako: PluggedCard, watch: Watch, raw: bytes
) -> None:
    seen = watch(hanako)
    done = cli("pin", "check", "auth", "--json", "--reader", hanako.uri, raw_pins=raw)
    assert (done.code, done.json["code"]) == (2, "usage_pin_fd_short")
    assert seen.seen == []  # the card was not even opened


def test_too_few_lines_for_with(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    arguments = ("card", "check", "--with", "text,auth", "--json", "--trust", "test")
    done = cli(*arguments, "--reader", hanako.uri, pins=["1234"])
    assert done.code == 2
    assert seen.seen == []


def test_change_needs_two_lines(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    assert cli("pin", "change", "auth", "--reader", hanako.uri, pins=["1234"]).code == 2
    assert seen.seen == []


def test_a_descriptor_that_is_none(cli: Cli, hanako: PluggedCard) -> None:
    done = cli("pin", "check", "auth", "--json", "--reader", hanako.uri, "--pin-fd", "987")
    assert (done.code, done.json["code"]) == (2, "usage_pin_fd")


def test_nobody_to_ask(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    done = cli("card", "read", "--json", "--reader", hanako.uri)
    assert (done.code, done.json["code"]) == (2, "usage_no_terminal")
    assert seen.seen == []


def test_lines_may_end_as_on_windows_and_the_last_may_not_end(
    cli: Cli, hanako: PluggedCard
) -> None:
    arguments = ("pin", "change", "auth", "--reader", hanako.uri)
    assert cli(*arguments, raw_pins=b"1234\r\n5678").code == 0
    assert hanako.pins["auth"] == "5678"


def test_pins_go_by_the_order_of_with(cli: Cli, hanako: PluggedCard) -> None:
    arguments = ("--with", "sign,text,auth", "--trust", "test", "--reader", hanako.uri, "--json")
    done = cli("card", "check", *arguments, pins=["ABC123", "1234", "1234"])
    assert done.code == 0


def test_only_the_lines_needed_are_read() -> None:
    read, write = os.pipe()
    os.write(write, b"one\ntwo\nthree\n")
    os.close(write)
    assert read_lines(read, 2) == [bytearray(b"one"), bytearray(b"two")]
    assert os.read(read, 100) == b"three\n"
    os.close(read)


def test_lines_are_mutable_and_wiped_on_error() -> None:
    read, write = os.pipe()
    os.write(write, b"one\n\n")
    os.close(write)
    with pytest.raises(UsageFault):
        read_lines(read, 2)
    os.close(read)


def test_the_last_try_needs_a_word(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    check = ("pin", "check", "auth", "--json", "--reader", hanako.uri)
    for _ in range(2):
        assert cli(*check, pins=["9999"]).code == 4
    seen = watch(hanako)
    done = cli(*check, pins=["1234"])
    assert (done.code, done.json["code"], done.json["attempts_left"]) == (4, "pin_last_try", 1)
    assert seen.presented == 0
    done = cli(*check, "--last-try", pins=["1234"])
    assert (done.code, done.json["attempts_left"]) == (0, 3)


def test_the_last_try_is_refused_before_anybody_types(cli: Cli, hanako: PluggedCard) -> None:
    check = ("pin", "check", "auth", "--json", "--reader", hanako.uri)
    for _ in range(2):
        cli(*check, pins=["9999"])
    assert cli(*check, typed=["1234"]).json["code"] == "pin_last_try"
    login = ("card", "check", "--with", "auth", "--json", "--trust", "test")
    assert cli(*login, "--reader", hanako.uri, typed=["1234"]).json["code"] == "pin_last_try"
    assert cli.questions == []


def test_blocked(cli: Cli, cards: CardFactory, watch: Watch) -> None:
    blocked = cards("blocked")
    seen = watch(blocked)
    done = cli("pin", "check", "auth", "--json", "--reader", blocked.uri, typed=["1234"])
    assert (done.code, done.json["code"], done.json["attempts_left"]) == (4, "pin_blocked", 0)
    assert seen.presented == 0
    assert cli.questions == []


def test_a_person_is_shown_the_tries_left_before_the_question(
    cli: Cli, hanako: PluggedCard
) -> None:
    check = ("pin", "check", "auth", "--reader", hanako.uri)
    assert cli(*check, typed=["9999"]).code == 4
    assert cli(*check, typed=["1234"]).code == 0
    assert "3 of 3" in cli.questions[0]
    assert "2 of 3" in cli.questions[1]


def test_change_on_a_terminal(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    change = ("pin", "change", "sign", "--reader", hanako.uri)
    seen = watch(hanako)
    done = cli(*change, "--json", typed=["ABC123", "NEW999", "NEW998"])
    assert (done.code, done.json["code"]) == (2, "usage_pin_mismatch")
    assert seen.presented == 0
    assert cli(*change, typed=["abc123", "new999", "new999"]).code == 0
    assert hanako.pins["sign"] == "NEW999"


@pytest.mark.parametrize("kind", ["auth", "sign", "text", "juki", "common"])
def test_change_by_descriptor(cli: Cli, hanako: PluggedCard, kind: str) -> None:
    new = "NEW999" if kind == "sign" else "4321"
    arguments = ("pin", "change", kind, "--json", "--reader", hanako.uri)
    done = cli(*arguments, pins=[RIGHT[kind], new])
    assert (done.code, done.json["done"]) == (0, "changed")
    assert cli("pin", "check", kind, "--reader", hanako.uri, pins=[new]).code == 0


@pytest.mark.parametrize("kind", ["number-a", "birth"])
def test_what_cannot_be_changed(cli: Cli, hanako: PluggedCard, watch: Watch, kind: str) -> None:
    seen = watch(hanako)
    arguments = ("pin", "change", kind, "--json", "--reader", hanako.uri)
    done = cli(*arguments, pins=["123456", "654321"])
    assert (done.code, done.json["code"]) == (4, "pin_unchangeable")
    assert seen.presented == 0


def test_change_with_a_wrong_old_pin_changes_nothing(cli: Cli, hanako: PluggedCard) -> None:
    arguments = ("pin", "change", "auth", "--json", "--reader", hanako.uri)
    done = cli(*arguments, pins=["9999", "5678"])
    assert (done.code, done.json["attempts_left"]) == (4, 2)
    assert hanako.pins["auth"] == "1234"


@pytest.mark.parametrize("kind", [kind.value for kind in PinKind])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_unblock_says_where_and_needs_no_card(cli: Cli, kind: str, lang: str) -> None:
    arguments = ("pin", "unblock", kind, "--lang", lang, "--reader", "pcsc:nobody")
    done = cli(*arguments)
    assert done.code == 0
    office = {"en": ("municipal office", "ask the office"), "ja": ("窓口",)}[lang]
    told = " ".join(done.out.split()) if lang == "en" else "".join(done.out.split())
    assert any(word in told for word in office)
    assert cli(*arguments, "--json").json["kind"] == kind


def test_card_pulled_during_verify_is_outcome_unknown(cli: Cli, hanako: PluggedCard) -> None:
    hanako.card.faults = ("pull:during@verify",)
    done = cli("pin", "check", "auth", "--json", "--reader", hanako.uri, pins=["1234"])
    assert (done.code, done.json["code"]) == (4, "pin_outcome_unknown")
    assert done.json["attempts_left"] is None


@pytest.mark.parametrize("answer", [b"1234\n", b"9999\n"])
def test_a_real_terminal_shows_no_digit(answer: bytes) -> None:
    """The PIN is typed on a pseudo-terminal; what comes back must not contain it."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "jpki_cli", "pin", "check", "auth"]
    with subprocess.Popen(
        [*command, "--reader", "virtual:hanako"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "dumb"},
        start_new_session=True,
    ) as process:
        shown = b""
        while b"tries left" not in shown:
            shown += os.read(master, 1000)
        time.sleep(0.2)
        os.write(master, answer)
        process.wait(timeout=30)
    os.close(slave)
    while chunk := _rest(master):
        shown += chunk
    os.close(master)
    assert answer.strip() not in shown
    assert process.returncode == (0 if answer == b"1234\n" else 4)


def _rest(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1000)
    except OSError:  # Linux says EIO when the other end is closed
        return b""


def test_echo_comes_back_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    import termios

    from jpki_cli import prompts

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    inside: list[int] = []

    def interrupt(source: object) -> bytearray:
        inside.append(termios.tcgetattr(slave)[3] & termios.ECHO)
        raise KeyboardInterrupt

    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(prompts, "_line", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ask_terminal("? ")
        assert inside == [0]
        assert termios.tcgetattr(slave)[3] == before[3]
    os.close(master)
