# SPDX-License-Identifier: Apache-2.0
"""``card read face``, ``photo``, ``age``, and ``card check`` with the keys of the card face."""

from __future__ import annotations

import io
import json
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from command_line import Cli, Commands
from jpki.card import PinCounter
from jpki.emulator import surface_files
from jpki.emulator.images import grey_photo
from jpki.emulator.images import png as letters
from jpki.testing.cards import CardFactory, PluggedCard

Watch = Callable[[PluggedCard], Commands]
NUMBER, NUMBER_B, BIRTH = "537686677188", "55021720352285", "550217"
# On this day her reference number B is the one above: the expiry year moves with time.
HANAKO = ("--reader", "virtual:hanako", "--at", "2026-11-21T09:00:00Z")
TEST = ("--trust", "test")
IMAGES = {"name.png", "address.png", "photo.png", "security-code.png"}


def size(path: Path) -> tuple[int, int]:
    """Of a PNG file that Pillow reads."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        image.load()
        return image.size


def private(folder: Path) -> bool:
    return all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())


# face and photo -----------------------------------------------------------------------


@pytest.mark.parametrize(("with_", "pin"), [((), NUMBER), (("--with", "number-b"), NUMBER_B)])
def test_face(cli: Cli, with_: tuple[str, ...], pin: str) -> None:
    done = cli("card", "read", "face", *with_, *HANAKO, pins=[pin])
    assert done.code == 0
    for word in ("TEST CARD", "昭和55年2月17日 (1980-02-17)", "female", "2035", "240 × 320"):
        assert word in done.out
    assert "not read (only with --number)" in done.out
    assert NUMBER not in done.out + done.err
    assert "--out" in done.err  # nowhere to draw a photo
    told = cli("card", "read", "face", *with_, "--json", *HANAKO, pins=[pin]).json["face"]
    assert (told["birth"], told["sex"], told["expires"][:4]) == ("1980-02-17", "female", "2035")
    assert set(told["images"]) == {"name", "address", "photo", "security-code"}
    assert told["images"]["photo"] == {
        "format": "jpeg2000", "width": 240, "height": 320, "file": None,
    }  # fmt: skip


def test_photo_alone(cli: Cli, tmp_path: Path) -> None:
    arguments = ("card", "read", "photo", *HANAKO, "--out", str(tmp_path))
    done = cli(*arguments, pins=[NUMBER])
    assert done.code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png"}
    assert private(tmp_path)
    assert size(tmp_path / "photo.png") == (240, 320)
    assert "1980" not in done.out
    assert str(tmp_path / "photo.png") in done.err
    told = cli(*arguments, "--force", "--json", pins=[NUMBER]).json["face"]
    assert (told["birth"], told["sex"], told["expires"]) == (None, None, None)
    assert told["images"]["photo"]["file"] == "photo.png"
    assert set(told["images"]) == {"photo"}


def test_face_into_a_folder(cli: Cli, tmp_path: Path) -> None:
    arguments = ("card", "read", "face", *HANAKO, "--out", str(tmp_path))
    done = cli(*arguments, "--json", pins=[NUMBER])
    assert {path.name for path in tmp_path.iterdir()} == {*IMAGES, "face.json"}
    assert private(tmp_path)
    for name in IMAGES:
        assert size(tmp_path / name) > (10, 10)
    kept = json.loads((tmp_path / "face.json").read_text("utf-8"))
    assert kept["test"] is True
    assert kept["images"] == done.json["face"]["images"]
    # The pictures of text are those on the card, byte for byte.
    assert (tmp_path / "name.png").read_bytes() == letters("TEST CARD hanako", height=16)


def test_the_picture_of_the_number_is_read_when_asked_and_written_when_asked(
    cli: Cli, tmp_path: Path
) -> None:
    arguments = ("card", "read", "face", *HANAKO, "--out", str(tmp_path), "--json", "--force")
    picture = tmp_path / "number.png"
    assert "number" not in cli(*arguments, pins=[NUMBER]).json["face"]["images"]
    read = cli(*arguments, "--number", pins=[NUMBER]).json["face"]["images"]["number"]
    assert read == {"format": "png", "width": 72, "height": 12, "file": None}
    assert not picture.exists()
    assert "number" not in json.loads((tmp_path / "face.json").read_text())["images"]
    done = cli(*arguments, "--number", "--reveal", "number", pins=[NUMBER])
    assert done.json["face"]["images"]["number"]["file"] == "number.png"
    assert picture.exists()
    assert private(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("face", "--number", "--with", "number-b"),  # does not open the picture of the number
        ("photo", "--number"),  # no picture of the number is asked for
        ("face", "--reveal", "number"),
        ("face", "--with", "text"),
        ("face", "--with", "birth"),
        ("age", "--with", "number-a"),
        ("face,attributes", "--with", "number-b"),  # one entry, one application
        ("photo,number", "--with", "number-a"),
        ("age,face", "--at-least", "20"),
        ("attributes", "--at-least", "20"),
        ("age", "--at-least", "20", "--number"),
        ("age", "--at-least", "20", "--out", "."),
        ("age", "--at-least", "-1"),
        ("age", "--at-least", "x"),
        ("face,all",),
    ],
)
def test_what_does_not_fit_together(
    cli: Cli, hanako: PluggedCard, watch: Watch, arguments: tuple[str, ...]
) -> None:
    seen = watch(hanako)
    done = cli("card", "read", *arguments, "--reader", hanako.uri, pins=["1", "2", "3"])
    assert done.code == 2, done.err
    assert seen.seen == []


def test_face_and_text_together(cli: Cli, hanako: PluggedCard) -> None:
    told = cli(
        "card", "read", "face,name", "--json", "--reader", hanako.uri, pins=["1234", NUMBER]
    ).json
    assert told["attributes"] == {"name": "番号　花子"}
    assert told["face"]["birth"] == "1980-02-17"
    left = [c.attempts_left for c in _counters(hanako)]
    assert set(left) == {10, 3, 5}  # nothing was spent


def _counters(plugged: PluggedCard) -> tuple[PinCounter, ...]:
    from jpki.card import Card
    from jpki.emulator import VirtualConnection

    with Card(VirtualConnection(plugged.card)) as reader:
        return reader.pins.counters()


def test_all_with_the_keys_of_the_face(cli: Cli, tmp_path: Path) -> None:
    arguments = ("card", "read", "all", "--with", "text,number-a,birth,sign", *HANAKO)
    pins = ["1234", NUMBER, BIRTH, "ABC123"]
    told = cli(*arguments, "--json", "--out", str(tmp_path), pins=pins).json
    assert told["attributes"]["birth"] == told["face"]["birth"] == told["age"]["birth"]
    assert told["certificates"]["sign"]["read"] is True
    assert told["number"] is None
    assert "number" not in told["face"]["images"]
    assert "number.png" not in {path.name for path in tmp_path.iterdir()}
    number = cli(*arguments, "--json", "--number", pins=pins).json
    assert number["number"] == {"value": None, "check_digit_ok": True}
    assert number["face"]["images"]["number"]["file"] is None


def test_nothing_is_overwritten_and_no_pin_is_spent(
    cli: Cli, hanako: PluggedCard, watch: Watch, tmp_path: Path
) -> None:
    (tmp_path / "photo.png").write_text("mine")
    seen = watch(hanako)
    arguments = ("card", "read", "face", "--reader", hanako.uri, "--out", str(tmp_path))
    assert cli(*arguments, pins=[NUMBER]).code == 2
    assert seen.seen == []
    assert (tmp_path / "photo.png").read_text() == "mine"
    assert cli(*arguments, "--force", pins=[NUMBER]).code == 0
    assert size(tmp_path / "photo.png") == (240, 320)


@pytest.mark.parametrize(
    "photo", [b"not an image at all", grey_photo(30000, 30000), b""],
    ids=["no image", "absurd size", "nothing"],
)  # fmt: skip
def test_a_photo_that_is_none_leaves_no_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: bytes
) -> None:
    monkeypatch.setattr(surface_files, "grey_photo", lambda: photo)
    for what in ("face", "photo"):
        done = cli("card", "read", what, "--json", *HANAKO, "--out", str(tmp_path), pins=[NUMBER])
        assert (done.code, done.json["code"]) == (1, "card_data")
        assert "image" in done.json["message"]
    assert list(tmp_path.iterdir()) == []


def test_without_pillow(cli: Cli, tmp_path: Path, hanako: PluggedCard, watch: Watch,
                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    seen = watch(hanako)
    arguments = ("card", "read", "photo", "--reader", hanako.uri)
    done = cli(*arguments, "--out", str(tmp_path), pins=[NUMBER])
    assert done.code == 2
    assert 'pip install "jpki[images]"' in done.err
    assert seen.seen == []  # found out before a PIN was spent
    assert cli(*arguments, pins=[NUMBER]).code == 0  # looking needs no decoder
    drawn = cli(*arguments, pins=[NUMBER], terminal=True, env={"TERM": "xterm-256color"})
    assert drawn.code == 0
    assert "jpki[images]" in drawn.err


@pytest.mark.parametrize(
    ("encoding", "term", "drawn"),
    [
        ("utf-8", "xterm-256color", True),
        ("ascii", "xterm-256color", False),
        ("utf-8", "dumb", False),
    ],
)
def test_the_photo_is_drawn_where_a_terminal_can(
    cli: Cli, encoding: str, term: str, drawn: bool
) -> None:
    done = cli("card", "read", "photo", *HANAKO, pins=[NUMBER], terminal=True,
               encoding=encoding, env={"TERM": term, "COLORTERM": "truecolor"})  # fmt: skip
    assert done.code == 0
    text = done.raw.decode(encoding)
    rows = [row for row in text.splitlines() if row.count("▀") == 40]
    assert len(rows) == (27 if drawn else 0)  # 53 lines of pixels, two in one line
    assert ("--out" in done.err) is not drawn


def test_a_drawn_pixel_is_the_one_of_the_photo(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TERM", "xterm-256color"), ("COLORTERM", "truecolor")):
        monkeypatch.setenv(name, value)  # rich asks the process, not us, what it can show
    out = io.BytesIO()
    halves = Image.new("L", (240, 320), 255)
    halves.paste(0, (0, 160, 240, 320))
    halves.save(out, "JPEG2000")
    monkeypatch.setattr(surface_files, "grey_photo", out.getvalue)
    done = cli("card", "read", "photo", *HANAKO, pins=[NUMBER], terminal=True,
               env={"TERM": "xterm-256color", "COLORTERM": "truecolor"})  # fmt: skip
    rows = [row for row in done.out.splitlines() if "▀" in row]
    # rich may fold equal cells: the first row is white on white, the last ends in black.
    assert re.search(r"38;2;255;255;255.*48;2;255;255;255", rows[0])
    assert re.search(r"38;2;0;0;0.*48;2;0;0;0", rows[-1])


# age ----------------------------------------------------------------------------------


def test_age(cli: Cli) -> None:
    arguments = ("card", "read", "age", *HANAKO)
    assert re.search(r"1980-02-17.*46", cli(*arguments, pins=[BIRTH]).out, re.S)
    told = cli(*arguments, "--json", pins=[BIRTH]).json
    assert told["age"] == {"birth": "1980-02-17", "years": 46}
    assert told["attributes"] is None
    assert told["face"] is None


@pytest.mark.parametrize(
    ("years", "at", "answer", "code"),
    [
        (20, "2026-11-21T09:00:00Z", True, 0),
        (90, "2026-11-21T09:00:00Z", False, 1),
        (0, "2026-11-21T09:00:00Z", True, 0),
        # Midnight in Japan before the birthday, and after.
        (47, "2027-02-16T14:59:59Z", False, 1),
        (47, "2027-02-16T15:00:00Z", True, 0),
    ],
)
def test_only_yes_or_no_leaves(cli: Cli, years: int, at: str, answer: bool, code: int) -> None:
    arguments = ("card", "read", "age", "--at-least", str(years), *HANAKO, "--at", at)
    done = cli(*arguments, "--json", pins=[BIRTH])
    assert done.code == code
    assert done.json == {
        "schema": "jpki.age/1", "test": True, "at_least": years, "answer": answer,
    }  # fmt: skip
    for lang, words in (("en", ("yes", "no")), ("ja", ("はい", "いいえ"))):
        shown = cli(*arguments, "--lang", lang, pins=[BIRTH])
        assert shown.code == code
        assert shown.out.split()[-1] == words[not answer]
        assert not re.search(r"1980|昭和|0217|02-17|\b46\b", shown.out + shown.err)


def test_age_reads_one_record(cli: Cli, hanako: PluggedCard, watch: Watch) -> None:
    seen = watch(hanako)
    arguments = ("card", "read", "age", "--at-least", "20", "--reader", hanako.uri)
    assert cli(*arguments, pins=[BIRTH]).code == 0
    assert seen.presented == 1
    headers = [header for header, _ in seen.seen]
    assert sum(header.startswith("00A404") for header in headers) == 1  # surface
    by_sfi = [header[4:6] for header in headers if header.startswith("00B0") and header[4] in "89"]
    assert by_sfi == ["84", "81"]  # whose key issued the card's data, and the record


def test_a_birth_date_that_is_not_known_to_the_day(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surface_files.SurfaceFiles, "_birth", lambda self: b"20060000")
    arguments = ("card", "read", "age", *HANAKO, "--at", "2026-06-01T00:00:00Z", "--json")
    done = cli(*arguments, "--at-least", "20", pins=[BIRTH])
    assert (done.code, done.json["answer"]) == (5, None)
    told = cli(*arguments, pins=[BIRTH]).json["age"]
    assert told == {"birth": "2006-??-??", "years": None}


# card check ---------------------------------------------------------------------------


def test_check_with_the_face(cli: Cli) -> None:
    arguments = ("card", "check", "--with", "number-b,birth", *TEST, *HANAKO)
    verdict = cli(*arguments, "--json", pins=[NUMBER_B, BIRTH])
    assert verdict.code == 0
    card = verdict.json["card"]
    assert card["face"]["birth"] == card["age"]["birth"] == "1980-02-17"
    assert card["attributes"] is None
    outcomes = {c["name"]: c["outcome"] for c in verdict.json["checks"]}
    assert outcomes["surface_present"] == outcomes["holder_bound"] == "valid"
    assert outcomes["unsigned_data"] == outcomes["text_data"] == "not_run"
    shown = cli(*arguments, pins=[NUMBER_B, BIRTH]).out
    assert "昭和55年2月17日 (1980-02-17)   female" in shown
    unsigned = next(line for line in shown.splitlines() if "under no signature" in line)
    assert "expiry date, image of the security code, table of contents" in unsigned


def test_a_text_check_says_what_it_does_not_prove(cli: Cli) -> None:
    arguments = ("card", "check", "--with", "text", *TEST, *HANAKO)
    done = cli(*arguments, pins=["1234"])
    assert done.code == 0
    assert "no signature ties its key to this person" in done.out
    ja = cli(*arguments, "--lang", "ja", pins=["1234"])
    assert "その鍵と本人を結ぶ署名はありません" in ja.out


@pytest.mark.parametrize(
    ("name", "kind", "wrong"),
    [
        ("copied", "number_b", {"surface_present"}),
        # No record gives a key to challenge the card with: the challenge fails with the face.
        ("forged", "number_b", {"surface_face", "surface_present"}),
    ],
)
def test_bad_cards(cli: Cli, cards: CardFactory, name: str, kind: str, wrong: set[str]) -> None:
    card = cards(name)
    arguments = ("card", "check", "--with", "number-b", *TEST, "--json", "--reader", card.uri)
    done = cli(*arguments, pins=[card.pins[kind]])
    assert (done.code, done.json["genuine"]) == (1, "no")
    assert {c["name"] for c in done.json["checks"] if c["outcome"] == "invalid"} == wrong


def test_check_of_the_number_without_its_digits(cli: Cli) -> None:
    arguments = ("card", "check", "--with", "number-a", "--number", *TEST, *HANAKO)
    done = cli(*arguments, pins=[NUMBER])
    assert done.code == 0
    assert "its image was checked and is not shown" in done.out
    assert NUMBER not in done.out + done.err
    assert cli(*arguments, "--reveal", "number", pins=[NUMBER]).code == 2
