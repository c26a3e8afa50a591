# SPDX-License-Identifier: Apache-2.0
"""Commands and options under an old name: done as ever, and said on stderr, never on stdout."""

from __future__ import annotations

import pytest

from command_line import Cli
from jpki_cli import renamed
from jpki_cli.renamed import Renamed

HANAKO = ("--reader", "virtual:hanako")


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that no version ever had."""
    top, pin = {"secret": Renamed("pin", "0.2")}, {"tries": Renamed("status", "0.2")}
    monkeypatch.setattr(renamed, "COMMANDS", {"jpki": top, "pin": pin})
    option = {
        "--old-enough": Renamed("--at-least", "0.3"),
        "--json-please": Renamed("--json", "0.3"),
    }
    monkeypatch.setattr(renamed, "OPTIONS", {"card.read": option})


@pytest.mark.parametrize(
    "words", [("secret", "status"), ("pin", "tries"), ("secret", "tries", "auth")]
)
@pytest.mark.parametrize(("lang", "said"), [("en", "0.2"), ("ja", "0.2")])
def test_an_old_command(cli: Cli, words: tuple[str, ...], lang: str, said: str) -> None:
    done = cli(*words, *HANAKO, "--lang", lang)
    now = [{"secret": "pin", "tries": "status"}.get(word, word) for word in words]
    assert (done.code, done.out) == (0, cli(*now, *HANAKO, "--lang", lang).out)
    lines = done.err.splitlines()
    assert len(lines) == sum(old != new for old, new in zip(words, now, strict=True))
    assert all(said in line for line in lines)


@pytest.mark.parametrize("words", [("--old-enough", "20"), ("--old-enough=20",)])
def test_an_old_option(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli("card", "read", "age", *words, *HANAKO, pins=["550217"])
    assert done.code == 0
    assert "--old-enough" in done.err
    assert "--at-least" in done.err
    assert "old-enough" not in done.out


def test_json_stays_json(cli: Cli) -> None:
    done = cli("card", "read", "age", "--json-please", *HANAKO, pins=["550217"])
    assert done.json["age"]["years"] == 46
    assert "--json" in done.err


def test_it_is_shown_nowhere_and_belongs_to_one_command(cli: Cli) -> None:
    assert "old-enough" not in cli("card", "read", "--help").out
    assert "tries " not in cli("pin", "--help").out.partition("Options")[0].split("Commands")[1]
    assert cli("card", "info", "--old-enough", "20", *HANAKO).code == 2
    assert cli("secret", "nothing", *HANAKO).code == 2
