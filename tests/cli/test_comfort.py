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
        (("version",), "jpki --version"),
        (("help",), "jpki --help"),
        (("card", "help"), "jpki card --help"),
        (("card", "info", "--reader", "virtul:hanako"), "virtual:hanako"),
        (("card", "info", "--reader", "hanako"), "virtual:hanako"),
        (("card", "check", "--reader", "virtual:hanako", "--trust", "tset"), "test"),
        (("card", "read", "atributes"), "attributes"),
        (("card", "check", "--with", "txt"), "text"),
        (("pin", "check", "number_a"), "number-a"),
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


PROGRAM = Path(sys.executable).with_name("jpki")
TYPED = [
    ("jpki ca", {"card"}),
    ("jpki card ", {"info", "read", "check"}),
    ("jpki card check --revo", {"--revocation"}),
    ("jpki card check --revocation ", {"require", "leaf", "none"}),
    ("jpki card check --with te", {"text"}),
    ("jpki card read na", {"name"}),
    ("jpki card info --reader virtual:ha", {"virtual:hanako"}),
    ("jpki --trust ", {"production", "test", "jlis-test"}),
    ("jpki emulate --card taro", {"taro-moved"}),
    ("jpki map policy ex", {"explain"}),
]


def offered(shell: str, typed: str) -> set[str]:
    """What the program answers to what the lines for that shell ask it."""
    *before, last = typed.split(" ")
    ask = {"_JPKI_COMPLETE": f"{shell}_complete", "LC_ALL": "C.UTF-8"}
    words = {"COMP_WORDS": typed, "COMP_CWORD": last if shell == "fish" else str(len(before))}
    done = subprocess.run(
        [str(PROGRAM)], capture_output=True, text=True, check=True,
        env={**os.environ, **ask, **words},
    )  # fmt: skip
    if shell == "zsh":  # a kind, a word, its description, each on a line
        return set(done.stdout.split("\n")[1::3])
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("shell", "typed", "found"),
    [("bash", *row) for row in TYPED] + [(shell, *TYPED[1]) for shell in ("zsh", "fish")],
)
def test_what_a_shell_is_offered(shell: str, typed: str, found: set[str]) -> None:
    assert offered(shell, typed) == found


def test_a_list_is_offered_what_it_has_not_yet() -> None:
    assert offered("zsh", "jpki card check --with text,") >= {"text,auth", "text,sign"}
    assert "text,text" not in offered("zsh", "jpki card check --with text,")


def test_files_where_no_name_fits() -> None:
    env = {**os.environ, "_JPKI_COMPLETE": "fish_complete", "COMP_CWORD": "my"}
    done = subprocess.run(
        [str(PROGRAM)], capture_output=True, text=True, check=True,
        env={**env, "COMP_WORDS": "jpki emulate --card my"},
    )  # fmt: skip
    assert done.stdout == "file,my\n"


BASH = """
eval "$(jpki completion bash)"
COMP_WORDS=(jpki card ""); COMP_CWORD=2
_jpki_completion jpki
printf '%s\\n' "${COMPREPLY[@]}"
"""
# A new user's zsh has not loaded its completion; what is offered there is only seen in its editor.
ZSH = 'eval "$(jpki completion zsh)" && echo $_comps[jpki]'
FISH = "jpki completion fish | source; complete -C 'jpki card '"


@pytest.mark.parametrize(
    ("shell", "script", "said"),
    [
        (["bash", "--norc", "-c"], BASH, {"info", "read", "check"}),
        (["zsh", "-f", "-c"], ZSH, {"_jpki_completion"}),
        (["fish", "-N", "-c"], FISH, {"info", "read", "check"}),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_the_shell_itself_takes_the_lines(
    shell: list[str], script: str, said: set[str], tmp_path: Path
) -> None:
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [*shell, script], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert set(done.stdout.split()) == said
    assert done.stderr == ""


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
