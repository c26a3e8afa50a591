# SPDX-License-Identifier: Apache-2.0
"""Card files are read strictly: every key, every type, every contradiction."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jpki.card_map import PinKind, TokenKind
from jpki.certificate.kinds import Family, Medium
from jpki.emulator import load_card, load_profile, parse_profile
from jpki.errors import CardFileError
from virtual_terminal import AT, built_in_text

HANAKO = built_in_text("hanako")


def _fault(text: str) -> tuple[str, str]:
    with pytest.raises(CardFileError) as caught:
        parse_profile(text.encode(), "card.toml")
    values = caught.value.values
    assert values["path"] == "card.toml"
    return str(values["place"]), str(values["reason"])


def _changed(key: str, value: str | None) -> str:
    """hanako with ``key = value`` in place of its line; None takes the line away."""
    line = re.compile(rf"(?m)^{re.escape(key)} = .*\n")
    assert line.search(HANAKO)
    return line.sub(lambda _: "" if value is None else f"{key} = {value}\n", HANAKO, count=1)


CHANGED = [
    ("schema", None, "schema", "missing"),
    ("schema", '"jpki.card/2"', "schema", "bad_value"),
    ("name", None, "name", "missing"),
    ("name", '"../x"', "name", "bad_value"),
    ("name", "3", "name", "wrong_type"),
    ("address", None, "holder.address", "missing"),
    ("address", '""', "holder.address", "bad_text"),
    ("address", '"東京都\\u0000"', "holder.address", "bad_text"),
    ("address", f'"{"東" * 201}"', "holder.address", "bad_text"),
    ("birth", None, "holder.birth", "missing"),
    ("birth", '"1980-02-17"', "holder.birth", "wrong_type"),
    ("birth", "1980-02-17T00:00:00", "holder.birth", "wrong_type"),
    ("birth", "1867-02-17", "holder.birth", "bad_date"),
    ("birth", "1980-02-30", "file", "not_toml"),
    ("sex", None, "holder.sex", "missing"),
    ("sex", '"2"', "holder.sex", "bad_value"),
    ("number", None, "holder.number", "missing"),
    ("number", '"53768667718"', "holder.number", "bad_digits"),
    ("number", '"５３７６８６６７７１８８"', "holder.number", "bad_digits"),
    ("number", '"537686677189"', "holder.number", "bad_check_digit"),
    ("code", None, "municipality.code", "missing"),
    ("code", '"99999"', "municipality.code", "bad_value"),
    ("month_day", '"10/27"', "dates.month_day", "bad_date"),
    ("month_day", '"02-29"', "dates.month_day", "bad_date"),
    ("month_day", '"13-01"', "dates.month_day", "bad_date"),
    ("days_before", "-1", "dates.days_before", "bad_value"),
    ("days_before", "true", "dates.days_before", "wrong_type"),
    ("days_before", "1.5", "dates.days_before", "wrong_type"),
    ("security_code", '"22855"', "card.security_code", "bad_digits"),
    ("serial", "0", "certificates.auth.serial", "bad_value"),
    ("serial", '"1"', "certificates.auth.serial", "wrong_type"),
    ("slot", "15", "keys.slot", "bad_value"),
]


@pytest.mark.parametrize(("key", "value", "place", "reason"), CHANGED)
def test_changed_value(key: str, value: str | None, place: str, reason: str) -> None:
    assert _fault(_changed(key, value)) == (place, reason)


ADDED = [
    ("holder", 'name_flags = "0000"', "holder.name_flags", "bad_value"),
    ("holder", 'name_flags = "00002"', "holder.name_flags", "bad_value"),
    ("holder", 'address_flags = "1"', "holder.address_flags", "bad_value"),
    ("dates", "issued = 2019-04-10", "dates.month_day", "contradiction"),
    ("dates", 'expires = "2035-02-17"', "dates.expires", "wrong_type"),
    ("card", 'token = "JPKI"', "card.token", "bad_value"),
    ("card", 'token = "JPKIAPIOSTOKEN"', "applications", "contradiction"),
    ("card", 'transport = "usb"', "card.transport", "bad_value"),
    ("card", 'atr = "zz"', "card.atr", "bad_value"),
    ("card", 'atr = "3B"', "card.atr", "bad_value"),
    ("card", 'atr = "2B00"', "card.atr", "bad_value"),
    ("certificates.auth", "generation = 5", "certificates.auth.generation", "bad_value"),
    ("certificates.auth", 'status = "hold"', "certificates.auth.status", "bad_value"),
    ("certificates.auth", 'status = "revoked"', "certificates.auth.reason", "missing"),
    ("certificates.auth", 'reason = "superseded"', "certificates.auth.reason", "contradiction"),
    ("certificates.sign", "revoked_days = 3", "certificates.sign.revoked_days", "contradiction"),
    ("certificates.sign", 'file = "a.der"', "certificates.sign.key", "missing"),
    ("certificates.sign", 'key = "a.pem"', "certificates.sign.file", "missing"),
    ("certificates.sign", 'file = "a.der"\nkey = "a.pem"', "certificates.sign.file",
     "contradiction"),
    ("certificates.sign", 'present = "no"', "certificates.sign.present", "wrong_type"),
    ("pins", 'auth = "123"', "pins.auth", "bad_pin"),
    ("pins", 'auth = ""', "pins.auth", "bad_pin"),
    ("pins", 'auth = "12a4"', "pins.auth", "bad_pin"),
    ("pins", "auth = 1234", "pins.auth", "wrong_type"),
    ("pins", 'sign = "abc123"', "pins.sign", "bad_pin"),
    ("pins", 'sign = "ABCDEF"', "pins.sign", "bad_pin"),
    ("pins", 'sign = "123456"', "pins.sign", "bad_pin"),
    ("pins", 'sign = "ABCDEF78901234567"', "pins.sign", "bad_pin"),
    ("pins", 'unset = ["licence"]', "pins.unset", "bad_value"),
    ("pins", 'unset = ["auth", "auth"]', "pins.unset", "bad_value"),
    ("pins", 'unset = "auth"', "pins.unset", "wrong_type"),
    ("pins", 'unset = ["auth"]\nauth = "1234"', "pins.auth", "contradiction"),
    ("pins", 'number-a = "537686677188"', "pins.number-a", "unknown_key"),
    ("tries", "auth = 4", "tries.auth", "bad_value"),
    ("tries", "licence = 1", "tries.licence", "unknown_key"),
    ("pins", 'licence = "1234"', "pins.licence", "unknown_key"),
    ("licence", 'number = "990000000001"', "licence", "contradiction"),
    ("quirks", 'blocked_query = "9000"', "quirks.blocked_query", "bad_value"),
    ("quirks", "sfi = 1", "quirks.sfi", "wrong_type"),
    ("quirks", "max_reply = -1", "quirks.max_reply", "bad_value"),
    ("quirks", "quirk = true", "quirks.quirk", "unknown_key"),
    ("alter", "keys = 15", "alter.keys", "bad_value"),
    ("alter", "text_name = 1", "alter.text_name", "wrong_type"),
]  # fmt: skip
TABLES = ["holder", "municipality", "dates", "card", "certificates.auth", "certificates.sign",
          "pins", "tries", "quirks", "alter", "keys"]  # fmt: skip


def _added(table: str, lines: str) -> str:
    head = f"\n[{table}]\n"
    return HANAKO.replace(head, head + lines + "\n") if head in HANAKO else f"{HANAKO}{head}{lines}"


@pytest.mark.parametrize(("table", "lines", "place", "reason"), ADDED)
def test_added_value(table: str, lines: str, place: str, reason: str) -> None:
    assert _fault(_added(table, lines)) == (place, reason)


@pytest.mark.parametrize("table", TABLES)
def test_unknown_key_in_every_table(table: str) -> None:
    assert _fault(_added(table, "nobody_knows = 1")) == (f"{table}.nobody_knows", "unknown_key")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("surprise = 1\n" + HANAKO, "surprise", "unknown_key"),
        (HANAKO + "\n[certificates.other]\n", "certificates.other", "unknown_key"),
        ("applications = 1\n" + HANAKO, "applications", "wrong_type"),
        ('applications = ["jpki", "licences"]\n' + HANAKO, "applications", "bad_value"),
        ('applications = ["text"]\n' + HANAKO, "applications", "contradiction"),
        ('schema = "jpki.card/1"\nname = "x"\nholder = 1\n', "holder", "wrong_type"),
        ('schema = "jpki.card/1"\nname = "x"\n', "holder", "missing"),
        ("pins = 3\n" + HANAKO, "pins", "wrong_type"),
        ('applications = ["jpki"]\n' + HANAKO + '\n[alter]\ntext_name = "x"\n',
         "alter.text_name", "contradiction"),
        (HANAKO + '\n[pins]\nunset = ["auth"]\n[tries]\nauth = 1\n', "tries.auth",
         "contradiction"),
        (HANAKO.replace('month_day = "10-27"', "issued = 1970-01-01"), "dates.issued",
         "contradiction"),
        (HANAKO.replace('month_day = "10-27"', "issued = 2019-01-01\nexpires = 2019-01-01"),
         "dates.expires", "contradiction"),
        ("x" * 70000, "file", "too_large"),
        ("a = [", "file", "not_toml"),
        ("a = " + "[" * 5000, "file", "not_toml"),
    ],
)  # fmt: skip
def test_whole_files(text: str, place: str, reason: str) -> None:
    assert _fault(text) == (place, reason)


def test_not_utf8() -> None:
    with pytest.raises(CardFileError) as caught:
        parse_profile("名 = 1".encode("shift_jis"), "card.toml")
    assert caught.value.values["reason"] == "not_toml"


def test_truncated_at_every_length() -> None:
    """A beginning of a card file is refused, or says the same as far as it goes."""
    raw = HANAKO.encode()
    whole = parse_profile(raw, "card.toml")
    read = 0
    for size in range(len(raw)):
        try:
            shorter = parse_profile(raw[:size], "card.toml")
        except CardFileError:
            continue
        read += 1
        assert shorter.holder == whole.holder
    assert 0 < read < len(raw) / 3


def test_no_error_shows_a_value() -> None:
    for text in (
        _changed("number", '"537686677189"'),
        _added("pins", 'sign = "secret77"'),
        'p = "77',
    ):
        with pytest.raises(CardFileError) as caught:
            parse_profile(text.encode(), "card.toml")
        shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
        assert "537686677189" not in shown
        assert "77" not in shown


def test_repr_of_a_profile_shows_no_person() -> None:
    shown = repr(parse_profile(HANAKO.encode(), "card.toml"))
    for secret in ("花子", "清瀬", "537686677188", "1234", "ABC123", "2285", "1980"):
        assert secret not in shown


def test_defaults() -> None:
    profile = parse_profile(HANAKO.encode(), "card.toml")
    assert profile.pins == {
        PinKind.AUTH: "1234", PinKind.SIGN: "ABC123", PinKind.TEXT: "1234",
        PinKind.JUKI: "1234", PinKind.COMMON: "1234",
    }  # fmt: skip
    assert (profile.token, profile.medium) == (TokenKind.CARD, Medium.CARD)
    assert profile.atr.hex() == "3b888001000005e0b381a1007f"
    assert profile.applications == ("jpki", "surface", "text", "common", "juki")
    assert not profile.certificates[Family.SIGN].revoked


def test_everything_named(tmp_path: Path) -> None:
    """A file that uses every key that can stand with the others."""
    text = HANAKO
    for table, lines in {
        "holder": f'name_flags = "00100"\naddress_flags = "{"0" * 16}"',
        "dates": "expires = 2031-01-01",
        "card": 'token = "JPKIAPICCTOKEN2"\ntransport = "contact"\natr = "3B00"',
        "certificates.auth": 'present = true\ngeneration = 2\nstatus = "good"',
        "pins": 'auth = "8888"\nunset = ["juki"]',
        "tries": "auth = 2\nbirth = 0",
        "alter": 'text_name = "別名"\nkeys = 3',
    }.items():
        head = f"\n[{table}]\n"
        text = text.replace(head, f"{head}{lines}\n") if head in text else f"{text}{head}{lines}\n"
    tomllib.loads(text)
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    profile = load_profile(path)
    assert profile.holder.name_flags == "00100"
    assert profile.certificates[Family.AUTH].generation == 2
    assert (profile.atr, profile.operating_slot) == (b"\x3b\x00", 3)
    card = load_card(str(path), at=AT)
    assert card.atr == b"\x3b\x00"
    assert card.pins()["auth"] == "8888"
    assert "juki" not in card.pins()
    assert card.pins()["number_b"] == "55021720312285"
    assert card.tries()["surface/0011"] == 0


@pytest.mark.parametrize(
    ("name", "reason"), [("hanoko", "unknown_card"), ("no.toml", "unreadable")]
)
def test_card_that_is_not_there(name: str, reason: str) -> None:
    with pytest.raises(CardFileError) as caught:
        load_card(name)
    assert caught.value.values["reason"] == reason


@pytest.mark.parametrize("line", ["issued = 1971-01-01", "days_before = 36500"])
def test_issue_before_there_were_cards(tmp_path: Path, line: str) -> None:
    text = HANAKO.replace("1980-02-17", "1970-02-17").replace("days_before = 365\n", "")
    text = text.replace('month_day = "10-27"', line)
    path = tmp_path / "old.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CardFileError) as caught:
        load_card(str(path), at=AT)
    assert caught.value.values["reason"] == "contradiction"
