# SPDX-License-Identifier: Apache-2.0
"""The registry file: what it says, and every way in which it can be wrong, with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jpki.card.free_area import ContentKind
from jpki.card.free_area_file import MAX_SIZE, load_applications, parse_applications
from jpki.card_map import APPLICATIONS, ISD_AID, FileKind
from jpki.errors import ConfigurationError
from jpki.messages import LANGUAGES, has
from library_card import AID, REGISTRY


def test_what_it_says() -> None:
    (one,) = parse_applications(REGISTRY.encode(), "f")
    assert one.aid == b"\xf0JPKI-TEST-LIB"
    assert (one.name("ja"), one.name("en")) == ("見本市立図書館", "Mihon City Library")
    assert [file.fid for file in one.files] == [1, 2, 3, 4]
    assert one.file("branch").kind is FileKind.RECORD
    assert one.file("branch").record == 2
    assert one.file("card-code").content is ContentKind.DIGITS
    assert one.file("contact").opened_by == {"reader"}
    pin = one.pin("reader")
    assert (pin.fid, pin.min_length, pin.max_length, pin.letters) == (0x11, 4, 8, False)


def test_several_records_of_one_file() -> None:
    text = (
        REGISTRY
        + """
[[application.file]]
id = "first-branch"
fid = "0003"
name = { ja = "一", en = "first" }
kind = "record"
record = 1
"""
    )
    (one,) = parse_applications(text.encode(), "f")
    assert one.file("first-branch").fid == one.file("branch").fid


def test_an_empty_registry() -> None:
    assert parse_applications(b'schema = "jpki.applications/1"', "f") == ()


def wrong(raw: bytes | str) -> dict[str, object]:
    with pytest.raises(ConfigurationError) as caught:
        parse_applications(raw if isinstance(raw, bytes) else raw.encode(), "f")
    assert caught.value.values["path"] == "f"
    reason = caught.value.values["reason"]
    assert all(has(f"value.reason.{reason}", lang) for lang in LANGUAGES)
    return {key: caught.value.values[key] for key in ("place", "reason")}


A, F, P = "application[1]", "application[1].file", "application[1].pin[1]"

CHANGES = [
    ('applications/1"', 'applications/2"', "schema", "bad_value"),
    ('schema = "jpki.applications/1"', "", "schema", "missing"),
    ('schema = "jpki.applications/1"', 'schema = 1', "schema", "wrong_type"),
    ('schema = "jpki.applications/1"', 'schema = "jpki.applications/1"\nx = 1', "x", "unknown_key"),
    ('id = "sample-library"', 'id = "Sample"', f"{A}.id", "bad_value"),
    ('id = "sample-library"', 'id = "jpki"', f"{A}.id", "twice"),
    ('id = "sample-library"', "", f"{A}.id", "missing"),
    (f'"{AID}"', '"F0F0"', f"{A}.aid", "bad_value"),
    (f'"{AID}"', f'"{AID}000102"', f"{A}.aid", "bad_value"),
    (f'"{AID}"', '"library"', f"{A}.aid", "bad_value"),
    (f'"{AID}"', "1", f"{A}.aid", "wrong_type"),
    ('{ ja = "見本市立図書館", en = "Mihon City Library" }', '"x"', f"{A}.name", "wrong_type"),
    ('ja = "見本市立図書館", ', "", f"{A}.name.ja", "missing"),
    ('"Mihon City Library"', '"\\u001b[2J"', f"{A}.name.en", "bad_text"),
    ('"Mihon City Library"', '"a\\u202eb"', f"{A}.name.en", "bad_text"),
    ('"Mihon City Library"', '" "', f"{A}.name.en", "bad_text"),
    ('en = "Mihon City Library"', 'en = "x", fr = "y"', f"{A}.name.fr", "unknown_key"),
    ('fid = "0011"', 'fid = "11"', f"{P}.fid", "bad_value"),
    ('fid = "0011"', 'fid = "3F00"', f"{P}.fid", "bad_value"),
    ('fid = "0011"', 'fid = "0001"', f"{F}[1].fid", "twice"),
    ("length = [4, 8]", "length = [8, 4]", f"{P}.length", "bad_value"),
    ("length = [4, 8]", "length = [4, 17]", f"{P}.length", "bad_value"),
    ("length = [4, 8]", "length = [0, 4]", f"{P}.length", "bad_value"),
    ("length = [4, 8]", "length = 4", f"{P}.length", "wrong_type"),
    ("length = [4, 8]", "length = [4, true]", f"{P}.length", "wrong_type"),
    ("length = [4, 8]", "", f"{P}.length", "missing"),
    ("length = [4, 8]", "length = [4, 8]\nletters = 1", f"{P}.letters", "wrong_type"),
    ("length = [4, 8]", 'length = [4, 8]\nvalue = "4649"', f"{P}.value", "unknown_key"),
    ('fid = "0002"', 'fid = "0001"', f"{F}[2].fid", "twice"),
    ('id = "card-code"', 'id = "library"', f"{F}[2].id", "twice"),
    ("size = 10", "size = 0", f"{F}[2].size", "bad_value"),
    ("size = 10", "size = 32768", f"{F}[2].size", "bad_value"),
    ("size = 10", 'size = "10"', f"{F}[2].size", "wrong_type"),
    ("size = 10", "record = 1", f"{F}[2].record", "contradiction"),
    ('content = "digits"', 'content = "number"', f"{F}[2].content", "bad_value"),
    ("record = 2", "size = 2", f"{F}[3].size", "contradiction"),
    ("record = 2", "record = 255", f"{F}[3].record", "bad_value"),
    ('kind = "record"', 'kind = "pin"', f"{F}[3].kind", "bad_value"),
    ('["reader"]', '["other"]', f"{F}[4].opened_by", "unknown_pin"),
    ('["reader"]', '"reader"', f"{F}[4].opened_by", "wrong_type"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "reason"), CHANGES)
def test_one_wrong_value(old: str, new: str, place: str, reason: str) -> None:
    assert REGISTRY.count(old) >= 1
    assert wrong(REGISTRY.replace(old, new, 1)) == {"place": place, "reason": reason}


@pytest.mark.parametrize("known", [*(a.aid for a in APPLICATIONS), ISD_AID], ids=bytes.hex)
def test_no_known_application_under_another_name(known: bytes) -> None:
    """Nor one whose AID begins like it: a card may take the beginning for the whole."""
    for aid in (known, known[:-1], (known + b"\x01")[:16], known[:5]):
        text = REGISTRY.replace(AID, aid.hex())
        assert wrong(text) == {"place": f"{A}.aid", "reason": "known_application"}


@pytest.mark.parametrize("aid", [AID, AID[:-2], AID + "01"])
def test_two_that_could_be_taken_for_each_other(aid: str) -> None:
    again = REGISTRY.replace('schema = "jpki.applications/1"', "").replace(AID, aid)
    text = REGISTRY + again.replace("sample-library", "another")
    assert wrong(text) == {"place": "application[2].aid", "reason": "twice"}


def test_too_many() -> None:
    entry = (
        '[[application]]\nid = "a{0}"\naid = "F0000000{0:02X}"\nname = {{ ja = "a", en = "a" }}\n'
    )
    text = 'schema = "jpki.applications/1"\n' + "".join(map(entry.format, range(33)))
    assert wrong(text) == {"place": "application", "reason": "too_many"}
    assert (
        len(parse_applications(text.partition('[[application]]\nid = "a32"')[0].encode(), "f"))
        == 32
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[", "not_toml"), (b"\xff", "not_toml"), (b"a = " + b"[" * 5000, "not_toml"),
        (b" " * (MAX_SIZE + 1), "too_large"),
    ],
)  # fmt: skip
def test_no_registry(raw: bytes, reason: str) -> None:
    assert wrong(raw) == {"place": "-", "reason": reason}


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_applications(tmp_path / "none.toml")
    assert caught.value.values["reason"] == "not_readable"


@pytest.mark.parametrize("length", range(0, len(REGISTRY), 7))
def test_a_file_cut_short(length: int) -> None:
    """Read as far as it makes sense by itself, or refused with its place: never another error."""
    places = {"-"}
    try:
        assert len(parse_applications(REGISTRY[:length].encode(), "f")) <= 1
    except ConfigurationError as error:
        places = {str(error.values["place"])}
    assert all(re.fullmatch(r"-|schema|application\[1\].*", place) for place in places)
