# SPDX-License-Identifier: Apache-2.0
"""The root command: languages, global options, usage errors, one place where errors end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from command_line import Cli
from jpki.testing.cards import PluggedCard
from jpki_cli import errors
from jpki_cli.app import App

HANAKO = ("--reader", "virtual:hanako")


def test_version(cli: Cli) -> None:
    from jpki import __version__

    assert cli("--version").out == f"jpki {__version__}\n"


def test_alone_it_shows_what_a_newcomer_does_first(cli: Cli) -> None:
    done = cli()
    assert done.code == 0
    assert done.out.index("jpki demo") < done.out.index("jpki card info")
    assert "J-LIS" in done.out


@pytest.mark.parametrize(
    ("arguments", "env", "expected"),
    [
        (("--lang", "ja", "card", "--help"), {}, "使い方:"),
        (("card", "--help", "--lang=ja"), {}, "使い方:"),
        (("card", "--help"), {"JPKI_LANG": "ja"}, "使い方:"),
        (("card", "--help"), {"LC_ALL": "ja_JP.UTF-8"}, "使い方:"),
        (("card", "--help"), {"LC_ALL": "", "LANG": "ja_JP.UTF-8"}, "使い方:"),
        (("card", "--help", "--lang", "en"), {"JPKI_LANG": "ja"}, "Usage:"),
        (("card", "--help"), {"LC_ALL": "de_DE.UTF-8"}, "Usage:"),
        (("card", "--help"), {"LC_ALL": ""}, "Usage:"),
    ],
)
def test_language(cli: Cli, arguments: tuple[str, ...], env: dict[str, str], expected: str) -> None:
    assert cli(*arguments, env=env).out.startswith(expected)


@pytest.mark.parametrize(
    "arguments",
    [
        (*HANAKO, "--json", "card", "info"),
        ("card", *HANAKO, "info", "--json"),
        ("card", "info", "--json", *HANAKO),
    ],
)
def test_global_options_stand_anywhere(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).json["reader"] == "virtual:hanako"


def test_the_option_nearest_to_the_verb_wins(cli: Cli) -> None:
    done = cli("--reader", "virtual:child", "card", "info", "--json", *HANAKO)
    assert done.json["reader"] == "virtual:hanako"


def test_option_before_environment_before_file(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / ".config" / "jpki" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('reader = "virtual:child"\n')
    assert cli("card", "info", "--json").json["reader"] == "virtual:child"
    env = {"JPKI_READER": "virtual:android"}
    assert cli("card", "info", "--json", env=env).json["reader"] == "virtual:android"
    assert cli("card", "info", "--json", *HANAKO, env=env).json["reader"] == "virtual:hanako"


def test_another_configuration_by_name(cli: Cli, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('reader = "virtual:child"\ntrust = "test"\n')
    done = cli("card", "check", "--json", env={"JPKI_CONFIG": str(other)})
    assert done.json["environment"] == "test"
    assert done.json["card"]["reader"] == "virtual:child"
    env = {"JPKI_CONFIG": str(other), "JPKI_TRUST": "production"}
    assert cli("card", "check", "--json", env=env).json["environment"] == "production"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("reader = 3", "reader"),
        ("raeder = 'pcsc:'", "raeder"),
        ("crl = [1]", "crl"),
        ("crl = 1", "crl"),
        ("verifier = 1", "verifier"),
        ("[verifier]\nrole = 'signature_verifier'", "verifier."),
        ("[verifier]\nrole = 'king'\nregistration = 'a'\nresponsible = 'b'\n"
         "as_of = 2026-04-01\npurposes = ['c']", "verifier.role"),
        ("[verifier]\nrole = 'signature_verifier'\nregistration = 'a'\nresponsible = 'b'\n"
         "as_of = '2026-04-01'\npurposes = ['c']", "verifier.as_of"),
        ("[verifier]\nrole = 'signature_verifier'\nregistration = 'a'\nresponsible = 'b'\n"
         "as_of = 2026-04-01\npurposes = [1]", "verifier.purposes"),
        ("[verifier]\nextra = 1", "verifier.extra"),
        ("reader = ", "-"),
    ],
)  # fmt: skip
def test_configuration_is_read_strictly(cli: Cli, tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(content)
    done = cli("card", "info", "--json", env={"JPKI_CONFIG": str(path)})
    assert done.code == 2
    assert done.json["code"] == "configuration"
    assert place in done.json["message"]


def test_a_named_configuration_has_to_exist(cli: Cli, tmp_path: Path) -> None:
    done = cli("card", "info", env={"JPKI_CONFIG": str(tmp_path / "nothing")})
    assert done.code == 2
    assert "nothing" in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--bogus",), "usage_no_such_option"),
        (("card", "info", "--pin=1234"), "usage_pin_typed"),
        (("card", "info", "-p1234"), "usage_pin_typed"),
        (("nonsense",), "usage_no_such_command"),
        (("card", "nonsense"), "usage_no_such_command"),
        (("card",), "usage_missing_command"),
        (("pin", "check"), "usage_missing"),
        (("pin", "check", "auth", "1234"), "usage_extra"),
        (("pin", "check", "key"), "usage_choice"),
        (("card", "check", "--with", "auth,1234"), "usage_choice"),
        (("card", "check", "--at", "yesterday"), "usage_time"),
        (("card", "check", "--at", "2026-01-01T00:00:00"), "usage_time"),
        (("card", "check", "--at", "2026-01-01"), "usage_time"),
        (("card", "check", "--at", "0001-01-01T00:00:00+09:00"), "usage_time"),
        (("card", "check", "--max-age", "-1"), "usage_seconds"),
        (("card", "check", "--max-age", "nan"), "usage_seconds"),
        (("card", "info", "--wait=soon"), "usage_seconds"),
        (("card", "check", "--pin-fd", "1234x"), "usage_value"),
        (("card", "check", "--with"), "usage_value"),
        (("card", "check", "--json=1234"), "usage_value"),
        (("auth", "verify", "r.json"), "usage_missing"),
        (("--lang", "fr", "card", "info"), "usage_choice"),
        (("card", "check", "--reveal", "number"), "usage_reveal_number"),
        (("card", "read", "face", "--at-least", "20"), "usage_at_least_alone"),
        (("card", "read", "all,name"), "usage_all_alone"),
        (("card", "read", "name", "--with", "auth"), "usage_with_opens"),
        (
            ("card", "check", "--with", "number-a", "--number", "--reveal", "number"),
            "usage_with_opens",
        ),
        (("chain", "check", "x", "--policy", "1.2.3"), "usage_other_profile"),
        (("chain", "check", "x", "--partial-chain"), "usage_other_profile"),
        (("chain", "check", "x", "--profile", "rfc5280", "--policy", "any"), "usage_value"),
        (("emulate", "--card", "hanako", "--vpcd", "nowhere"), "usage_vpcd"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_usage_errors(cli: Cli, arguments: tuple[str, ...], code: str, lang: str) -> None:
    env = {"JPKI_LANG": lang}
    done = cli("--json", *arguments, env=env)
    assert done.code == 2
    assert (done.json["code"], done.json["exit"]) == (code, 2)
    assert done.json["attempts_left"] is None
    plain = cli(*arguments, env=env)
    assert plain.code == 2
    assert plain.raw == b""
    assert plain.err.startswith(done.json["message"])
    assert "1234" not in plain.err + done.out  # what was typed may be a PIN
    assert "Traceback" not in plain.err


def test_wait_alone_does_not_eat_a_word(cli: Cli) -> None:
    done = cli("card", "read", "--wait", "name", *HANAKO, "--json", pins=["1234"])
    assert set(done.json["attributes"]) == {"name"}


class _Boom:
    """Opens a card like no card does."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self, *_: object, **__: object) -> object:
        raise self._error


def _run_with(error: BaseException, *arguments: str) -> tuple[int, str, str]:
    import io

    from jpki_cli.root import run

    out, err = io.StringIO(), io.StringIO()
    env = {"HOME": "/nonexistent", "LC_ALL": "C"}
    code = run(["card", "info", *arguments], App(out, err, env, open_card=_Boom(error)))
    return code, out.getvalue(), err.getvalue()


def test_an_unexpected_error_is_70_without_traceback_or_values() -> None:
    code, out, err = _run_with(ValueError("PIN 1234 of 番号 花子"), "--json")
    assert code == 70
    assert json.loads(out)["code"] == "internal"
    assert "1234" not in out + err
    assert "Traceback" not in err


def test_debug_says_where_but_not_what() -> None:
    code, out, err = _run_with(ValueError("PIN 1234 of 番号 花子"), "--debug")
    assert code == 70
    assert out == ""
    assert "session.py" in err
    assert "ValueError" in err
    assert "1234" not in err
    assert "花子" not in err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_130(error: BaseException) -> None:
    code, _, err = _run_with(error)
    assert code == 130
    assert "pin status" in err


def test_several_codes() -> None:
    from jpki_cli.errors import Exit, worst

    assert worst([Exit.CANNOT_TELL, Exit.INVALID]) is Exit.INVALID
    assert worst([Exit.INVALID, Exit.PIN, Exit.CANNOT_TELL]) is Exit.PIN
    assert worst([Exit.PIN, Exit.READER]) is Exit.READER
    assert worst([Exit.READER, Exit.USAGE]) is Exit.USAGE
    assert worst([]) is Exit.DONE


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    """``| head``: the rest goes nowhere, the exit code stays what the command found."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "jpki_cli", "card", "info", *HANAKO]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_result_that_cannot_be_written_is_an_error(more: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "jpki_cli", "card", "info", *HANAKO, *more]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "> /dev/null 2> /dev/full"])
def test_streams_that_are_closed_are_no_error(closed: str) -> None:
    command = f'"$@" {closed}'
    words = [sys.executable, "-m", "jpki_cli", "card", "info", *HANAKO, "--wait"]
    done = subprocess.run(["sh", "-c", command, "sh", *words], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_other_encodings_lose_nothing(cli: Cli) -> None:
    done = cli("card", "read", *HANAKO, pins=["1234"], encoding="ascii")
    assert b"\\u756a\\u53f7" in done.raw
    object_ = cli("card", "read", "--json", *HANAKO, pins=["1234"], encoding="ascii")
    assert json.loads(object_.raw)["attributes"]["name"].startswith("番号")


def test_colour_only_on_a_terminal(cli: Cli) -> None:
    arguments = ("card", "info", *HANAKO)
    assert b"\x1b[" not in cli(*arguments).raw
    env = {"TERM": "xterm-256color"}
    assert b"\x1b[" in cli(*arguments, terminal=True, env=env).raw
    assert b"\x1b[" not in cli(*arguments, terminal=True, env={**env, "NO_COLOR": "1"}).raw


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys; from jpki_cli.root import run; run(['--help']); run(['card', '--help']);"
        "heavy = {'rich', 'cryptography', 'asn1crypto', 'jpki.card', 'jpki.errors', 'smartcard',"
        " 'jpki_cli.commands.card_check'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    # Measuring coverage imports things of its own.
    plain = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, check=False, text=True, timeout=60, env=plain,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_exit_table_names_every_class_once() -> None:
    names = [(module, name) for module, name, _ in errors._BY_CLASS]
    assert len(names) == len(set(names))


def test_ctrl_c_during_a_wait(tmp_path: Path) -> None:
    """A real SIGINT to a real process."""
    with subprocess.Popen(
        [sys.executable, "-m", "jpki_cli", "emulate", "--card", "hanako", "--vpcd", "127.0.0.1:9"],
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ) as process:
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode in (0, 3, 130)  # 130: the signal came before the wait began
    assert b"Traceback" not in err


PRESSED = """
import os, signal, sys
moment = sys.argv.pop(1)
class Watch:
    def find_spec(self, name, *rest):
        if name == moment:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Watch())
from jpki_cli.main import main
main()
"""


@pytest.mark.parametrize(
    "moment",
    ["jpki_cli.root", "click", "jpki_cli.tree", "jpki_cli.session", "jpki_cli.commands.pin",
     "jpki.open", "jpki.emulator"],
)  # fmt: skip
def test_ctrl_c_while_modules_are_loaded(moment: str) -> None:
    """Pressed at the very moment when a module is looked for: from the first one on."""
    done = subprocess.run(
        [sys.executable, "-c", PRESSED, moment, "pin", "status", "--reader", "virtual:hanako"],
        capture_output=True, check=False, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"},
        preexec_fn=_heeding,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, b""), done.stderr
    assert b"Traceback" not in done.stderr


def _heeding() -> None:
    """As in a terminal, also where the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_plugged_cards_are_seen(
    cli: Cli, hanako: PluggedCard, watch: Callable[[PluggedCard], object]
) -> None:
    """The fixture of all other tests: state survives from run to run."""
    assert cli("pin", "check", "auth", "--reader", hanako.uri, pins=["9999"]).code == 4
    status = cli("pin", "status", "--json", "--reader", hanako.uri).json
    assert status["pins"][0]["attempts_left"] == 2
