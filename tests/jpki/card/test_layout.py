# SPDX-License-Identifier: Apache-2.0
"""Layouts from data: today's is the card map, others come from a file that says it is invented."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from jpki.card.layout import TODAY, CardLayout, EcdsaForm, invented_layouts, parse_layout
from jpki.card_map import APPLICATIONS, PIN_HOME, PIN_RULES, FileKind, PinKind, TokenKind
from jpki.errors import CardLayoutError
from jpki.messages import LANGUAGES, text

RAW = (resources.files("jpki.card") / "layouts" / "nextgen.toml").read_bytes()


@pytest.fixture
def nextgen() -> CardLayout:
    (layout,) = invented_layouts()
    return layout


def test_today_is_the_card_map() -> None:
    assert TODAY.applications is APPLICATIONS
    assert TODAY.pin_rules is PIN_RULES
    assert TODAY.homes is PIN_HOME
    assert TODAY.ecdsa is None
    assert not TODAY.invented
    assert TokenKind.NEXTGEN not in TODAY.tokens


def test_nextgen_is_invented_and_says_so(nextgen: CardLayout) -> None:
    assert nextgen.invented
    assert b"INVENTED" in RAW
    assert nextgen.tokens == {TokenKind.NEXTGEN}
    assert nextgen.ecdsa is not None
    assert nextgen.ecdsa.form is EcdsaForm.RAW
    sources = {a.source for a in nextgen.applications}
    sources |= {e.source for a in nextgen.applications for e in a.files.values()}
    assert sources == {"[inferred] invented"}


def test_nextgen_shares_no_identifier_with_today(nextgen: CardLayout) -> None:
    assert not {a.aid for a in nextgen.applications} & {a.aid for a in APPLICATIONS}
    assert all(aid[0] == 0xF0 for aid in (a.aid for a in nextgen.applications))  # unregistered


def test_where_pins_are_at_home(nextgen: CardLayout) -> None:
    assert nextgen.homes[PinKind.AUTH] is nextgen.jpki
    assert nextgen.homes[PinKind.NUMBER_B].name == "card-data"
    assert PinKind.TEXT not in nextgen.homes
    assert nextgen.holds("jpki", PinKind.SIGN) is nextgen.jpki
    assert nextgen.holds("jpki", PinKind.TEXT) is None
    assert nextgen.holds("text", PinKind.TEXT) is None


def test_pin_rules_are_data() -> None:
    changed = RAW.replace(
        b"auth = { min = 4, max = 4, tries = 3", b"auth = { min = 6, max = 8, tries = 9"
    )
    rule = parse_layout(changed).pin_rules[PinKind.AUTH]
    assert (rule.min_length, rule.max_length, rule.tries) == (6, 8, 9)
    assert PIN_RULES[PinKind.AUTH].min_length == 4


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ("jpki.card-layout/1", "jpki.card-layout/2", "schema", "bad_value"),
        ("invented = true", "invented = false", "schema", "bad_value"),
        ("invented = true", "", "invented", "missing"),
        ("invented = true", 'invented = "yes"', "invented", "wrong_type"),
        ("invented = true", "invented = true\nextra = 1", "extra", "unknown_key"),
        ('form = "raw"', 'form = "hex"', "signature.form", "bad_value"),
        ("p1 = 0", "p1 = 6", "signature.p1", "bad_value"),
        ("p1 = 0", "p1 = true", "signature.p1", "wrong_type"),
        ("JPKINEXTGENTEST", "JPKIOTHER", "tokens", "bad_value"),
        ("auth = {", "nobody = {", "pins.nobody", "bad_value"),
        ("auth = { min = 4,", "auth = { min = 5,", "pins.auth.max", "bad_value"),
        ("auth = { min = 4,", "auth = { least = 4,", "pins.auth.least", "unknown_key"),
        ("tries = 3, digits = true", "tries = 3, digits = 1", "pins.auth.digits", "wrong_type"),
        ('name = "jpki"', 'name = "other"', "applications", "contradiction"),
        ('name = "card-data"', 'name = "jpki"', "applications", "contradiction"),
        ("F04A504B494E47415554", "F04A", "applications.aid", "bad_value"),
        ("F04A504B494E47415554", "no hex", "applications.aid", "bad_value"),
        ('fid = "2010"', 'fid = "20"', "applications.files.fid", "bad_value"),
        ('fid = "2010"', 'fid = "2001"', "applications.files", "contradiction"),
        ('name = "auth-key"', 'name = "sign-key"', "applications.files", "contradiction"),
        ('kind = "key"', 'kind = "lock"', "applications.files.kind", "bad_value"),
        ('opened_by = ["sign"]', 'opened_by = ["text", "me"]', "applications.files.opened_by",
         "bad_value"),
        (', pin = "auth"', "", "applications.files.pin", "contradiction"),
        (', pin = "auth"', ', pin = "me"', "applications.files.pin", "bad_value"),
        ('kind = "transparent" }', 'kind = "transparent", pin = "auth" }',
         "applications.files.pin", "contradiction"),
        ("[signature]", "[[signature]]", "signature", "wrong_type"),
        ('schema = "', 'schema = ', "file", "not_toml"),
    ],
)  # fmt: skip
def test_bad_layouts(old: str, new: str, place: str, reason: str) -> None:
    changed = RAW.replace(old.encode(), new.encode(), 1)
    assert changed != RAW
    with pytest.raises(CardLayoutError) as caught:
        parse_layout(changed)
    assert caught.value.values == {"place": place, "reason": reason}
    for lang in LANGUAGES:
        assert text(f"value.reason.{reason}", lang)
        assert "?" not in text("error.card_layout", lang, **caught.value.values)


def test_tables_that_are_no_tables() -> None:
    for old in (r"files = \[.*?\n\]", r"auth = \{.*?\}"):
        changed = re.sub(old, "files = [1]" if "files" in old else "auth = 1", RAW.decode(),
                         count=1, flags=re.S)  # fmt: skip
        with pytest.raises(CardLayoutError) as caught:
            parse_layout(changed.encode())
        assert caught.value.values["reason"] == "wrong_type"


def test_a_file_that_is_no_text_or_too_long() -> None:
    with pytest.raises(CardLayoutError, match="not_toml"):
        parse_layout(b"\xff")
    with pytest.raises(CardLayoutError, match="too_large"):
        parse_layout(RAW + b"#" * 65536)


def test_every_truncation_is_whole_or_refused() -> None:
    """A layout cut at any length is an error, or all that a layout needs."""
    refused = 0
    for size in range(len(RAW)):
        try:
            layout = parse_layout(RAW[:size])
        except CardLayoutError:
            refused += 1
        else:
            assert layout.jpki.file("sign-key").kind is FileKind.KEY
    assert refused > len(RAW) // 2
