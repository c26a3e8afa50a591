# SPDX-License-Identifier: Apache-2.0
"""«Did you mean», completion in a real shell, and the time a trace would take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Cli, validate
from jpki.emulator import TIMINGS
from jpki.open_timing import modelled_time
from jpki.testing.cards import PluggedCard


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("crad", "info"), "jpki card"),
        (("card", "chek"), "jpki card check"),
        (("map", "polcy"), "jpki map policy"),
        (("card", "check", "--revocaton", "none"), "--revocation"),
        (("chain", "check", "x.pem", "--max-aeg", "5"), "--max-age"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_did_you_mean(cli: Cli, words: tuple[str, ...], meant: str, lang: str) -> None:
    told = cli(*words, "--lang", lang) if words[0] != "crad" else cli("--lang", lang, *words)
    assert told.code == 2
    assert meant in told.err


def test_what_is_far_from_everything_gets_no_guess_and_is_not_repeated(cli: Cli) -> None:
    told = cli("card", "537686677188")
    assert told.code == 2
    assert "537686677188" not in told.err
    assert "card info" not in told.err.splitlines()[0]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("jpki ca", {"card"}),
        ("jpki card ", {"info", "read", "check"}),
        ("jpki card check --revo", {"--revocation"}),
        ("jpki card check --revocation ", {"require", "leaf", "none"}),
        ("jpki map policy ex", {"explain"}),
    ],
)
def test_completion_in_bash(typed: str, found: set[str]) -> None:
    """The words that bash offers after the printed lines were read by it."""
    program = Path(sys.executable).with_name("jpki")
    words = typed.split(" ")
    script = f"""
eval "$({program} completion bash 2>/dev/null)"
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
_jpki_completion {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert found <= set(done.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_as_object(cli: Cli, shell: str) -> None:
    told = cli("completion", shell, "--json").json
    validate(told)
    assert "_JPKI_COMPLETE" in told["script"]
    assert cli("completion", shell).out.strip() == told["script"].strip()


@pytest.mark.parametrize("link", TIMINGS)
def test_a_trace_tells_how_long_it_would_take(
    cli: Cli, hanako: PluggedCard, tmp_path: Path, link: str
) -> None:
    out = tmp_path / "trace"
    told = cli(
        "trace", "--out", str(out), "--time", link, "--", "card", "info", "--reader", hanako.uri
    )
    assert told.code == 0
    found = modelled_time(out, link)
    said = re.search(r"([0-9.]+) s for ([0-9]+) commands", told.err)
    assert said is not None
    assert (float(said[1]), int(said[2])) == (round(found.seconds, 2), found.commands)
    assert sum(share.count for share in found.shares) == found.commands


def test_a_faster_link_takes_less_time_and_the_chip_the_same(
    cli: Cli, hanako: PluggedCard, tmp_path: Path
) -> None:
    out = tmp_path / "trace"
    cli("trace", "--out", str(out), "--", "cert", "show", "auth", "--reader", hanako.uri)
    times = [modelled_time(out, link) for link in ("106", "212", "424", "848")]
    assert [time.link for time in times] == sorted((time.link for time in times), reverse=True)
    assert len({round(time.chip, 9) for time in times}) == 1


def test_a_recording_has_no_time(cli: Cli, hanako: PluggedCard, tmp_path: Path) -> None:
    words = ("trace", "--out", str(tmp_path / "r"), "--replayable", "--time", "106")
    assert cli(*words, "--", "card", "info", "--reader", hanako.uri).code == 2
    assert not (tmp_path / "r").exists()
