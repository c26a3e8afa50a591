# SPDX-License-Identifier: Apache-2.0
"""``jpki card read licence``: what is shown and written, with which PIN, what is left unread."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from command_line import Cli, Commands
from jpki.testing.cards import CardFactory, PluggedCard

Watch = Callable[[PluggedCard], Commands]
READ = ("card", "read", "licence")
NUMBER = "991204567893"


@pytest.fixture
def driver(cards: CardFactory) -> PluggedCard:
    return cards("driver")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str], str]:
    """The URI of the driver's card with tables added to its file."""

    def make(tables: str) -> str:
        base = (resources.files("jpki.emulator") / "cards/driver.toml").read_text("utf-8")
        path = tmp_path / "changed.toml"
        path.write_text(f"{base}\n{tables}\n", encoding="utf-8")
        return f"virtual:{path}"

    return make


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("Valid until", "semi-medium vehicles", "nothing was proved")),
        ("ja", ("有効期限", "準中型", "何も証明されません")),
    ],
)
def test_as_text(cli: Cli, driver: PluggedCard, lang: str, words: tuple[str, ...]) -> None:
    done = cli(*READ, "--reader", driver.uri, "--lang", lang, pins=["1234"])
    assert done.code == 0
    for word in (*words, "TEST CARD", "眼鏡等", "架空のものです（〓）", NUMBER, "優良"):
        assert word in done.out
    assert "valid:" not in done.out


def test_as_json(cli: Cli, driver: PluggedCard) -> None:
    told = cli(*READ, "--with", "licence", "--json", "--reader", driver.uri, pins=["1234"]).json
    licence = told["licence"]
    assert (licence["number"], licence["held"]) == (NUMBER, ["moped", "semi_medium"])
    assert licence["conditions"][0] == {"text": "眼鏡等", "complete": True}
    assert licence["remarks"][0] == {"text": "この記載は架空のものです（〓）", "complete": False}
    assert list(licence["gaiji"]) == ["1"]
    assert licence["obtained"] == {"small": "2006-09-01", "others": "2008-07-15", "second": None}
    assert licence["photo"] == {"format": "jpeg2000", "width": 240, "height": 320, "file": None}
    signature = licence["signature"]
    assert (signature["outcome"], signature["code"]) == ("cannot_tell", "licence_signer_unknown")


def test_nothing_but_licence_items_is_read(cli: Cli, driver: PluggedCard, watch: Watch) -> None:
    seen = watch(driver)
    told = cli(*READ, "--json", "--reader", driver.uri, pins=["1234"]).json
    assert seen.presented == 1
    for member in ("attributes", "number", "face", "age", "certificates"):
        assert told[member] is None
    everything = cli(*READ, "--reader", driver.uri, pins=["1234"]).out
    for word in ("走一", "清瀬市", "1986", "900000000125"):
        assert word not in everything


def test_other_reads_leave_the_licence_alone(cli: Cli, driver: PluggedCard) -> None:
    told = cli("card", "read", "all", "--with", "text", "--json", "--reader", driver.uri,
               pins=["1234"]).json  # fmt: skip
    assert told["licence"] is None
    both = cli("card", "read", "all", "--with", "text,licence", "--json", "--reader", driver.uri,
               pins=["1234", "1234"]).json  # fmt: skip
    assert both["licence"]["number"] == NUMBER
    assert both["attributes"]["name"]


def test_files(cli: Cli, driver: PluggedCard, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    arguments = (*READ, "--out", str(out), "--reader", driver.uri)
    assert cli(*arguments, pins=["1234"]).code == 0
    assert {path.name for path in out.iterdir()} == {"licence.json", "licence-photo.png"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in out.iterdir())
    written = json.loads((out / "licence.json").read_text(encoding="utf-8"))
    assert (written["test"], written["number"]) == (True, NUMBER)
    assert written["photo"]["file"] == "licence-photo.png"
    assert (out / "licence-photo.png").read_bytes().startswith(b"\x89PNG")
    again = cli(*arguments, "--json", pins=["1234"])
    assert (again.code, again.json["code"]) == (2, "usage_out_exists")


@pytest.mark.parametrize("form", ["raw", "ber"])
def test_both_forms_of_tags(cli: Cli, changed: Callable[[str], str], form: str) -> None:
    uri = changed(f'[quirks]\nlicence_tags = "{form}"')
    told = cli(*READ, "--json", "--reader", uri, pins=["1234"]).json["licence"]
    assert told["long_tags"] == form
    assert told["photo"]["width"] == 240


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_wrong_pin(cli: Cli, driver: PluggedCard, lang: str) -> None:
    done = cli(*READ, "--reader", driver.uri, "--lang", lang, pins=["0000"])
    assert (done.code, done.out) == (4, "")
    assert "9" in done.err
    # Whoever unlocks it, it is not the office that the other PINs are a matter of.
    assert "municipal" not in done.err
    assert "市区町村" not in done.err


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize(("tries", "code"), [(0, "pin_blocked"), (1, "pin_last_try")])
def test_no_more_tries(
    cli: Cli, changed: Callable[[str], str], tries: int, code: str, lang: str
) -> None:
    uri = changed(f"[tries]\nlicence = {tries}")
    done = cli(*READ, "--json", "--reader", uri, "--lang", lang, pins=["1234"])
    assert (done.code, done.json["code"]) == (4, code)
    assert "municipal" not in done.json["message"]
    assert "市区町村" not in done.json["message"]


def test_no_licence_on_the_card(cli: Cli) -> None:
    done = cli(*READ, "--json", "--reader", "virtual:hanako", pins=["1234"])
    assert (done.code, done.json["code"]) == (1, "application_absent")


UNSET = '[pins]\nunset = ["licence"]\n'


def test_without_a_pin_none_is_presented(cli: Cli, changed: Callable[[str], str]) -> None:
    done = cli(*READ, "--json", "--reader", changed(UNSET), pins=["0000"])
    assert done.json["licence"]["number"] == NUMBER


def test_without_a_pin_and_closed(cli: Cli, changed: Callable[[str], str]) -> None:
    uri = changed(f'{UNSET}[quirks]\nlicence_unset = "asterisks"')
    done = cli(*READ, "--json", "--reader", uri, pins=["0000"])
    assert (done.code, done.json["code"]) == (4, "licence_closed_without_pin")
    done = cli(*READ, "--asterisks", "--json", "--reader", uri, pins=["0000"])
    assert done.json["licence"]["number"] == NUMBER


def test_asterisks_are_for_the_licence(cli: Cli) -> None:
    done = cli("card", "read", "name", "--asterisks", "--json", "--reader", "virtual:driver")
    assert (done.code, done.json["code"]) == (2, "usage_asterisks")


def test_which_pin_opens_it(cli: Cli) -> None:
    done = cli(*READ, "--with", "text", "--json", "--reader", "virtual:driver")
    assert (done.code, done.json["code"]) == (2, "usage_with_opens")


def test_info_and_counters_name_it(cli: Cli, driver: PluggedCard) -> None:
    told = cli("card", "info", "--json", "--reader", driver.uri).json
    assert "licence" in told["applications"]
    assert "driver's licence" in cli("card", "info", "--reader", driver.uri).out
    for command in (("card", "info"), ("pin", "status")):
        pins = cli(*command, "--json", "--reader", driver.uri).json["pins"]
        (one,) = [pin for pin in pins if pin["kind"] == "licence"]
        assert (one["application"], one["attempts_left"], one["max_tries"]) == ("licence", 10, 10)


def test_check_the_pin(cli: Cli, driver: PluggedCard) -> None:
    told = cli("pin", "check", "licence", "--json", "--reader", driver.uri, pins=["1234"]).json
    assert (told["kind"], told["attempts_left"]) == ("licence", 10)
