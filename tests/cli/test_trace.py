# SPDX-License-Identifier: Apache-2.0
"""``trace``: another command, unchanged, with a transcript beside it; and ``replay:``."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from pathlib import Path

import pytest

from command_line import Cli
from fake_scard import PRESENT, FakeScard, install
from jpki.testing.cards import CardFactory, PluggedCard
from jpki_apdu.errors import TranscriptError
from jpki_apdu.replay import read_replay
from jpki_apdu.transcript import Failure, read_trace


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "t"


def test_the_command_is_what_it_is_without_it(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    plain = cli("card", "info", "--reader", hanako.uri)
    traced = cli("trace", "--out", str(out), "--", "card", "info", "--reader", hanako.uri)
    assert (traced.code, traced.out) == (0, plain.out)
    assert "no data in it" in traced.err
    trace = read_trace(out)
    assert trace.complete
    assert trace.headers["job"] == "card info"
    assert trace.headers["data"] == "none"
    assert trace.headers["tool"].startswith("jpki ")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("pin", "check", "auth"), 4),
        (("card", "read", "attributes", "--with", "auth"), 2),
        (("chain", "check", "none.pem"), 1),
        (("card", "info", "--reader", "virtual:nobody"), 1),
        (("card", "info", "--nonsense"), 2),
        (("nonsense",), 2),
    ],
)
def test_its_exit_code_is_passed_through(
    cli: Cli, hanako: PluggedCard, out: Path, command: tuple[str, ...], code: int
) -> None:
    words = [*command] if "--reader" in command else ["--reader", hanako.uri, *command]
    plain = cli(*words, pins=["9999"] if code == 4 else None)
    traced = cli("trace", "--out", str(out), "--", *words, pins=["9999"] if code == 4 else None)
    assert plain.code == traced.code == code
    assert traced.out == plain.out


def test_what_stands_before_it_holds_for_the_command(
    cli: Cli, hanako: PluggedCard, out: Path
) -> None:
    words = ["--reader", hanako.uri, "--lang", "ja", "--json"]
    done = cli(*words, "trace", "--out", str(out), "card", "info")
    assert done.json["schema"] == "jpki.card_info/1"
    assert "トレース" in done.err


def test_the_command_may_speak_another_language(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    done = cli("trace", "--out", str(out), "--", "card", "info", "--lang=ja",
               "--reader", hanako.uri)  # fmt: skip
    assert "残り回数" in done.out
    assert "Trace of" in done.err


def test_a_pin_is_in_no_trace(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    done = cli("trace", "--out", str(out), "--reader", hanako.uri, "--", "pin", "check", "sign",
               pins=["ABC123"])  # fmt: skip
    assert done.code == 0
    text = out.read_text()
    assert "ABC123" not in text
    assert b"ABC123".hex() not in text.lower()
    assert "lc=*" in text
    assert "lc=6" not in text


def test_what_could_not_be_opened(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    hanako.eject()
    done = cli("trace", "--out", str(out), "--", "card", "info", "--reader", hanako.uri)
    assert done.code == 3
    assert read_trace(out).entries[0].step == Failure("no_card")
    assert "No card was opened" in done.err


def test_the_demo_with_all_its_cards(cli: Cli, out: Path) -> None:
    assert cli("trace", "--out", str(out), "--", "demo", "--no-pause").code == 0
    assert len({entry.connection for entry in read_trace(out).entries}) > 4


# Where it is written. --------------------------------------------------------------------


def test_an_existing_file_is_kept(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    out.write_text("kept")
    words = ["--", "card", "info", "--reader", hanako.uri]
    done = cli("trace", "--out", str(out), *words)
    assert (done.code, out.read_text()) == (2, "kept")
    assert hanako.apdus == 0
    assert cli("trace", "--out", str(out), "--force", *words).code == 0
    assert read_trace(out).complete


def test_no_place_to_write(cli: Cli, hanako: PluggedCard, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none" / "t"):
        done = cli("trace", "--out", str(place), "--", "card", "info", "--reader", hanako.uri)
        assert done.code == 2
    assert hanako.apdus == 0


def test_a_full_disk_is_no_reason_to_stop(
    cli: Cli, hanako: PluggedCard, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = os.write, itertools.count(1)

    def full(file: int, data: bytes) -> int:
        if data.startswith((b"#", b"0.")) and next(written) > 9:
            raise OSError(errno.ENOSPC, "no space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    done = cli("trace", "--out", str(out), "--", "card", "info", "--reader", hanako.uri)
    assert done.code == 0
    assert "ends early" in done.err
    assert not read_trace(out).complete


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("trace", "--", "card", "info"), "usage_missing"),
        (("trace", "--out", "{out}"), "usage_missing"),
        (("trace", "--out", "{out}", "--", "trace", "--out", "x", "demo"), "usage_trace_nested"),
        (("trace", "--out", "{out}", "--replayable", "--like", "x", "demo"), "usage_trace_like"),
    ],
)
def test_wrong_calls(cli: Cli, out: Path, words: tuple[str, ...], code: str) -> None:
    done = cli("--json", *(word.format(out=out) for word in words))
    assert (done.code, done.json["code"]) == (2, code)
    assert not out.exists()


# Comparing. ------------------------------------------------------------------------------


def _traced(cli: Cli, card: PluggedCard, path: Path, *options: str) -> tuple[int, str]:
    done = cli("trace", "--out", str(path), *options, "--", "card", "info", "--reader", card.uri)
    return done.code, done.err


def test_like_an_earlier_one(cli: Cli, cards: CardFactory, tmp_path: Path) -> None:
    first, again = tmp_path / "1", tmp_path / "2"
    assert _traced(cli, cards("hanako"), first)[0] == 0
    code, err = _traced(cli, cards("hanako"), again, "--like", str(first))
    assert (code, "the same as the earlier one" in err) == (0, True)
    code, err = _traced(cli, cards("child"), again, "--force", "--like", str(first))
    assert code == 1
    assert "\n- line " in err
    assert "\n+ line " in err


def test_a_worse_exit_code_stays(cli: Cli, hanako: PluggedCard, tmp_path: Path) -> None:
    first, again = tmp_path / "1", tmp_path / "2"
    _traced(cli, hanako, first)
    hanako.eject()
    assert _traced(cli, hanako, again, "--like", str(first))[0] == 3


def test_the_earlier_one_is_read_before_the_card(
    cli: Cli, hanako: PluggedCard, tmp_path: Path
) -> None:
    (tmp_path / "bad").write_text("# jpki-trace/1\nnonsense\n")
    for name, said in (("none", "there is no such file"), ("bad", "line 2")):
        code, err = _traced(cli, hanako, tmp_path / "t", "--like", str(tmp_path / name))
        assert code == 1
        assert said in err
    assert hanako.apdus == 0
    assert not (tmp_path / "t").exists()


# Recordings. -----------------------------------------------------------------------------


def _recorded(cli: Cli, card: PluggedCard, path: Path, *words: str, pins: list[str] | None) -> None:
    done = cli(
        "trace", "--replayable", "--out", str(path), "--reader", card.uri, "--", *words, pins=pins
    )
    assert "all bytes" in done.err


@pytest.mark.parametrize(
    ("words", "pins"),
    [
        (("card", "info"), None),
        (("pin", "status"), None),
        (("pin", "check", "auth"), ["1234"]),
        (("pin", "check", "auth"), ["9999"]),
        (("card", "read", "attributes"), ["1234"]),
        (("cert", "show", "auth"), None),
    ],
)
def test_a_recording_is_replayed(
    cli: Cli, cards: CardFactory, out: Path, words: tuple[str, ...], pins: list[str] | None
) -> None:
    card = cards("hanako")
    _recorded(cli, card, out, *words, pins=pins)
    plain = cli(*words, "--json", "--reader", cards("hanako").uri, pins=pins)
    again = cli(*words, "--json", "--reader", f"replay:{out}", pins=pins)
    assert again.code == plain.code
    assert {**again.json, "reader": ""} == {**plain.json, "reader": ""}
    assert again.json.get("test", True) is True


def test_another_job_is_refused(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    _recorded(cli, hanako, out, "pin", "status", pins=None)
    done = cli("card", "info", "--json", "--reader", f"replay:{out}")
    assert (done.code, done.json["code"]) == (1, "replay_differs")


def test_another_pin_is_refused_and_not_shown(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    _recorded(cli, hanako, out, "pin", "check", "auth", pins=["1234"])
    done = cli("pin", "check", "auth", "--debug", "--reader", f"replay:{out}", pins=["8642"])
    assert done.code == 1
    assert "line" in done.err
    for pin in (b"8642", b"1234"):
        assert pin.hex() not in done.err
        assert pin.decode() not in done.err


def test_a_job_that_ends_early_is_noticed(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    _recorded(cli, hanako, out, "card", "info", pins=None)
    text = out.read_text()
    out.write_text(text.replace("= power-off\n", "> 00200098\n< 63C3\n= power-off\n"))
    done = cli("card", "info", "--json", "--reader", f"replay:{out}")
    assert (done.code, done.json["code"]) == (1, "replay_left_over")


def test_material_of_jlis_is_not_replayed(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    """Whatever the header claims: the bytes decide, also across two replies."""
    _recorded(cli, hanako, out, "card", "info", pins=None)
    name = bytes.fromhex("060355040A0C044A504B49")  # O=JPKI
    text = out.read_text()
    lines = f"> 00B0000005\n< {name[:5].hex()}9000\n> 00B0000506\n< {name[5:].hex()}9000\n"
    out.write_text(text.replace("= power-off\n", f"{lines}= power-off\n"))
    done = cli("card", "info", "--json", "--reader", f"replay:{out}")
    assert (done.code, done.json["code"]) == (1, "replay_material")


def test_a_recording_takes_one_card(cli: Cli, out: Path) -> None:
    done = cli("--json", "trace", "--replayable", "--out", str(out), "--", "demo", "--no-pause")
    assert (done.code, done.json["code"]) == (1, "recording_second")


def test_a_real_reader_is_not_recorded(
    cli: Cli, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = install(monkeypatch, FakeScard({"Reader": (PRESENT, b"\x3b\x00")}))
    done = cli("--json", "trace", "--replayable", "--out", str(out), "--", "card", "info")
    assert (done.code, done.json["code"]) == (1, "recording_real")
    assert fake.called("Connect")
    assert not fake.called("Transmit")
    with pytest.raises(TranscriptError, match="replay_origin"):
        read_replay(out)


def test_card_check_needs_fresh_numbers(cli: Cli, hanako: PluggedCard, out: Path) -> None:
    """A challenge is drawn anew each time, so what depends on one cannot be replayed."""
    words = ["card", "check", "--trust", "test", "--with", "text"]
    _recorded(cli, hanako, out, *words, pins=["1234"])
    done = cli(*words, "--json", "--reader", f"replay:{out}", pins=["1234"])
    assert done.code == 1
    assert "replay_differs" in done.out
