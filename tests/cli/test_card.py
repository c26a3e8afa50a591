# SPDX-License-Identifier: Apache-2.0
"""``jpki card``: what is shown, what is masked, what is written, and to whom it may be shown."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from command_line import Cli, Commands
from jpki.card_map import TEXT_AP
from jpki.testing.cards import CardFactory, PluggedCard

Watch = Callable[[PluggedCard], Commands]
NUMBER = "537686677188"
TEST = ("--trust", "test")


def test_info(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    done = cli("card", "info", "--json", "--reader", hanako.uri)
    assert done.json["token"] == "JPKIAPICCTOKEN2"
    assert done.json["certificates"] == {"auth": "present", "sign": "present"}
    assert "text" in done.json["applications"]
    assert seen.presented == 0
    words = cli("card", "info", "--reader", hanako.uri).out
    assert words.startswith("TEST CARD")


@pytest.mark.parametrize(
    ("name", "sign", "token"),
    [("child", "absent", "JPKIAPICCTOKEN2"), ("android", "present", "JPKIAPGPSETOKEN")],
)
def test_info_of_others(cli: Cli, name: str, sign: str, token: str) -> None:
    told = cli("card", "info", "--json", "--reader", f"virtual:{name}").json
    assert (told["certificates"]["sign"], told["token"]) == (sign, token)


def test_not_our_reader(cli: Cli) -> None:
    assert cli("card", "info", "--reader", "nonsense:x").code == 2
    assert cli("card", "info", "--reader", "virtual:nobody").code in (1, 2)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_read_attributes(cli: Cli, lang: str) -> None:
    arguments = ("card", "read", "--reader", "virtual:hanako", "--lang", lang)
    done = cli(*arguments, pins=["1234"])
    assert done.code == 0
    for word in ("花子", "昭和55年2月17日 (1980-02-17)", "東京都清瀬市", "TEST CARD"):
        assert word in done.out
    assert NUMBER not in done.out


def test_read_some_attributes(cli: Cli) -> None:
    arguments = ("card", "read", "birth,sex", "--json", "--reader", "virtual:hanako")
    told = cli(*arguments, pins=["1234"]).json
    assert told["attributes"] == {"birth": "1980-02-17", "sex": "female", "sex_code": "2"}
    assert told["number"] is None


def test_attributes_by_number_b(cli: Cli, hanako: PluggedCard) -> None:
    arguments = ("card", "read", "name", "--with", "number-b", "--json", "--reader", hanako.uri)
    assert cli(*arguments, pins=[hanako.pins["number_b"]]).json["attributes"]


def test_number_by_number_a(cli: Cli, hanako: PluggedCard) -> None:
    arguments = ("card", "read", "number", "--with", "number-a", "--json", "--reader", hanako.uri)
    assert cli(*arguments, pins=[NUMBER]).json["number"] == {
        "value": None,
        "check_digit_ok": True,
    }


@pytest.mark.parametrize(
    ("arguments", "read", "shown"),
    [
        (("card", "read", "attributes"), False, False),
        (("card", "read", "all", "--with", "text"), False, False),
        (("card", "read", "number"), True, False),
        (("card", "read", "attributes", "--number"), True, False),
        (("card", "read", "number", "--reveal", "number"), True, True),
        (("card", "check", "--with", "text", *TEST), False, False),
        (("card", "check", "--with", "text", "--number", *TEST), True, False),
        (("card", "check", "--with", "text", "--number", "--reveal", "number", *TEST), True, True),
    ],
)
def test_the_number_is_read_when_asked_and_shown_when_asked(
    cli: Cli, hanako: PluggedCard, arguments: tuple[str, ...], read: bool, shown: bool
) -> None:
    seen = _NumberWatch(hanako)
    words = cli(*arguments, "--reader", hanako.uri, pins=["1234"])
    assert words.code == 0, words.err
    assert seen.read is read
    told = cli(*arguments, "--json", "--reader", hanako.uri, pins=["1234"])
    assert (NUMBER in words.out) is shown
    assert (NUMBER in told.out) is shown
    assert NUMBER not in words.err + told.err
    row = next((line for line in words.out.splitlines() if "My Number  " in line), "")
    assert ("●●●●" in row) is (read and not shown)
    assert told.json


class _NumberWatch:
    """Whether EF 0001 of the text application was asked for, by file or by short identifier."""

    def __init__(self, plugged: PluggedCard) -> None:
        self.read = False
        self._application = b""
        self._transmit = plugged.card.transmit
        plugged.card.transmit = self  # type: ignore[method-assign]

    def __call__(self, apdu: bytes | bytearray) -> bytes:
        raw = bytes(apdu)
        if raw.startswith(bytes.fromhex("00A4040C")):
            self._application = raw[5 : 5 + raw[4]]
        if self._application == TEXT_AP.aid:
            self.read |= raw[:3] == b"\x00\xb0\x81" or raw[1:7] == bytes.fromhex("A4020C020001")
        return self._transmit(apdu)


def test_all_reads_what_is_free(cli: Cli) -> None:
    arguments = ("card", "read", "all", "--reader", "virtual:hanako")
    told = cli(*arguments, "--json").json
    assert told["attributes"] is None
    assert told["certificates"]["auth"]["read"] is True
    assert told["certificates"]["sign"] == {"read": False, "reason": "needs_sign"}
    assert "--with text" in cli(*arguments).err


def test_all_reads_what_pins_open(cli: Cli) -> None:
    arguments = ("card", "read", "all", "--with", "text,sign", "--reader", "virtual:hanako")
    told = cli(*arguments, "--json", pins=["1234", "ABC123"]).json
    assert told["attributes"]["sex"] == "female"
    assert told["certificates"]["sign"]["holder"]["name"] == told["attributes"]["name"]
    assert told["certificates"]["sign"]["serial"] is None
    assert told["number"] is None


def test_out_writes_private_files_and_no_number(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "records"
    arguments = (
        "card", "read", "all", "--number", "--with", "text,sign",
        "--reader", "virtual:hanako", "--out", str(out),
    )  # fmt: skip
    pins = ["1234", "ABC123"]
    assert cli(*arguments, pins=pins).code == 2  # the folder is not there
    out.mkdir()
    assert cli(*arguments, pins=pins).code == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"attributes.json", "auth.pem", "sign.pem", "auth-ca.pem", "sign-ca.pem"}
    for name in ("attributes.json", "auth.pem", "sign.pem"):
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600
    record = json.loads((out / "attributes.json").read_text("utf-8"))
    assert record["test"] is True
    assert record["birth"] == "1980-02-17"
    assert all(NUMBER.encode() not in path.read_bytes() for path in out.iterdir())


def test_out_overwrites_nothing_and_spends_no_pin(
    cli: Cli, hanako: PluggedCard, watch: Watch, tmp_path: Path
) -> None:
    (tmp_path / "attributes.json").write_text("mine")
    arguments = ("card", "read", "--reader", hanako.uri, "--out", str(tmp_path))
    seen = watch(hanako)
    assert cli(*arguments, pins=["1234"]).code == 2
    assert seen.seen == []
    assert (tmp_path / "attributes.json").read_text() == "mine"
    assert cli(*arguments, "--force", pins=["1234"]).code == 0
    assert "花子" in (tmp_path / "attributes.json").read_text("utf-8")


def test_damaged_record_is_exit_1(cli: Cli, hanako: PluggedCard) -> None:
    """A card that answers READ BINARY of its records with something else."""
    original = hanako.card.transmit

    def broken(apdu: bytes | bytearray) -> bytes:
        answer = original(apdu)
        if bytes(apdu[:2]) == b"\x00\xb0" and answer.startswith(b"\xff\x20"):
            return b"\xff\x20\x05" + answer[3:]
        return answer

    hanako.card.transmit = broken  # type: ignore[method-assign]
    done = cli("card", "read", "--json", "--reader", hanako.uri, pins=["1234"])
    assert (done.code, done.json["exit"]) == (1, 1)


# card check ---------------------------------------------------------------------------


def test_check_is_valid(cli: Cli) -> None:
    arguments = ("card", "check", "--with", "text,auth,sign", *TEST, "--reader", "virtual:hanako")
    told = cli(*arguments, "--json", pins=["1234", "1234", "ABC123"])
    assert told.code == 0
    verdict = told.json
    assert (verdict["outcome"], verdict["genuine"], verdict["in_force"]) == ("valid", "yes", "yes")
    assert (verdict["environment"], verdict["test"]) == ("test", True)
    assert verdict["card"]["attributes"]["name"] == verdict["card"]["sign_holder"]["name"]


def test_check_screen(cli: Cli) -> None:
    arguments = ("card", "check", "--with", "text,auth", *TEST, "--reader", "virtual:hanako")
    done = cli(*arguments, pins=["1234", "1234"])
    lines = done.out.splitlines()
    assert lines[0].startswith("TEST CARD")
    assert re.search(r"auth 3/3 +sign 5/5 +text 3/3", done.out)
    assert re.search(r"\d+ files, \d+ APDUs", done.out)
    assert "genuine   yes      in force   yes" in done.out
    assert re.search(r"valid \(\d+ checks, \d+ not run\) +\d+\.\d\d s", lines[-1])
    plain = cli(*arguments, pins=["1234", "1234"], encoding="ascii").out
    assert "#####" in plain
    assert "\\u2588" not in plain


def test_columns_line_up_in_japanese(cli: Cli) -> None:
    from jpki_cli.texts import width

    arguments = ("card", "check", *TEST, "--reader", "virtual:hanako", "--lang", "ja")
    lines = [
        line for line in cli(*arguments).out.splitlines() if line.startswith(("  有効", "  未実施"))
    ]
    assert len(lines) > 3
    starts = {width(re.match(r"  \S+ +", line)[0]) for line in lines}  # type: ignore[index]
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("name", "kinds", "code", "genuine", "in_force"),
    [
        ("taro-moved", "text,auth,sign", 1, "yes", "no"),
        ("taro-moved", "text,auth", 0, "yes", "yes"),
        ("jiro-expired", "text,auth", 1, "yes", "no"),
        ("forged", "text,auth", 1, "no", "yes"),
        ("copied", "text,auth", 1, "no", "yes"),
        ("child", "text,auth", 0, "yes", "yes"),
        ("old-g2", "text,auth,sign", 0, "yes", "yes"),
        ("android", "auth", 0, "yes", "yes"),
        ("iphone", "auth", 0, "yes", "yes"),
    ],
)
def test_check_of_others(
    cli: Cli,
    cards: CardFactory,
    name: str,
    kinds: str,
    code: int,
    genuine: str,
    in_force: str,
) -> None:
    card = cards(name)
    pins = [card.pins[kind] for kind in kinds.split(",")]
    arguments = ("card", "check", "--with", kinds, *TEST, "--json", "--reader", card.uri)
    done = cli(*arguments, pins=pins)
    assert (done.code, done.json["genuine"], done.json["in_force"]) == (code, genuine, in_force)


def test_check_without_pins_says_what_to_try_next(cli: Cli) -> None:
    arguments = ("card", "check", *TEST, "--reader", "virtual:hanako")
    done = cli(*arguments)
    assert done.code == 0
    command = "jpki card check --trust test --reader virtual:hanako --with text,auth"
    assert done.out.splitlines()[-1].strip() == command
    told = cli("--json", *arguments).json["card"]["next"]
    assert told == command.replace("jpki card", "jpki --json card")


@pytest.mark.parametrize(
    ("name", "pins"),
    [("iphone", "auth"), ("blocked", "text"), ("face-only", None), ("child", "text,auth")],
)
def test_what_to_try_next_leaves_out_what_cannot_be_used(
    cli: Cli, name: str, pins: str | None
) -> None:
    told = cli("card", "check", *TEST, "--reader", f"virtual:{name}", "--json").json
    command = told["card"]["next"]
    assert (command is None) if pins is None else command.endswith(f"--with {pins}")


def test_a_test_card_under_production_trust_is_invalid_and_says_how_to_go_on(cli: Cli) -> None:
    done = cli("card", "check", "--reader", "virtual:hanako")
    assert done.code == 1
    assert done.out.splitlines()[-1].strip().endswith("--trust test")


def test_a_wrong_pin_ends_the_check(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    arguments = ("card", "check", "--with", "text,auth", *TEST, "--json", "--reader", hanako.uri)
    done = cli(*arguments, pins=["0000", "1234"])
    assert (done.code, done.json["code"], done.json["attempts_left"]) == (4, "pin_incorrect", 2)
    assert seen.presented == 1


def test_at_moves_the_whole_check(cli: Cli) -> None:
    arguments = ("card", "check", *TEST, "--reader", "virtual:hanako", "--json")
    later = cli(*arguments, "--revocation", "none", "--at", "2045-01-01T00:00:00+09:00")
    assert later.json["test"] is True
    assert later.code in (0, 1)


def test_revocation_none_is_not_run(cli: Cli) -> None:
    arguments = ("card", "check", *TEST, "--reader", "virtual:hanako", "--json")
    verdict = cli(*arguments, "--revocation", "none").json
    outcomes = {c["name"]: c["outcome"] for c in verdict["checks"]}
    assert outcomes["auth_revocation"] == "not_run"
    assert verdict["in_force"] == "not_run"


def test_what_a_card_file_says_is_revoked_is_revoked(cli: Cli, tmp_path: Path) -> None:
    """Under the test hierarchy, which publishes it as it does for the built-in cards."""
    built_in = resources.files("jpki.emulator") / "cards" / "hanako.toml"
    own = tmp_path / "own.toml"
    said = '[certificates.auth]\nstatus = "revoked"\nreason = "keyCompromise"\n'
    own.write_text(built_in.read_text("utf-8").replace("[certificates.auth]\n", said), "utf-8")
    for reader, in_force in (("virtual:hanako", "yes"), (f"virtual:{own}", "no")):
        done = cli("card", "check", *TEST, "--reader", reader, "--json")
        assert done.json["in_force"] == in_force, reader
