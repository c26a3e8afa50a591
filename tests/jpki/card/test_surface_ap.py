# SPDX-License-Identifier: Apache-2.0
"""Reading the surface application: which PIN opens what, and how many commands it costs."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from jpki.card import Card, NumberPurpose, birth_key
from jpki.card_map import SURFACE_AP, PinKind
from jpki.emulator import EmulatedCard, VirtualConnection, load_card
from jpki.emulator import surface_files as emulated_files
from jpki.emulator.card import ApduTrace
from jpki.errors import NumberNotAllowedError
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import SecurityStatusError

A, B, BIRTH = PinKind.NUMBER_A, PinKind.NUMBER_B, PinKind.BIRTH
SHORT = ReplyLimits(short=256, extended=0)
EXTENDED = ReplyLimits(short=256, extended=65536)
OWN = NumberPurpose.own_card()


def verify(reader: Card, card: EmulatedCard, kind: PinKind) -> None:
    value = card.pins()[kind.value.replace("-", "_")]
    reader.pins.verify(kind, bytearray(value, "ascii"))


@pytest.mark.parametrize(
    ("kind", "opens"),
    [
        (None, {"basic-info", "cv-certificate"}),
        (BIRTH, {"basic-info", "cv-certificate", "age-record"}),
        (B, {"basic-info", "cv-certificate", "face", "filler"}),
        (A, {"basic-info", "cv-certificate", "face", "filler", "number-image"}),
    ],
)
def test_what_each_pin_opens(hanako: EmulatedCard, kind: PinKind | None, opens: set[str]) -> None:
    with Card(VirtualConnection(hanako)) as reader:
        if kind is not None:
            verify(reader, hanako, kind)
        surface = reader.surface
        reads = {
            "age-record": surface.age,
            "face": surface.face,
            "basic-info": surface.basic_info,
            "cv-certificate": surface.cv_certificate,
            "number-image": lambda: surface.number_image(OWN),
            "filler": surface.filler,
        }
        # Every file of the application that can be read at all.
        assert set(reads) == {e.name for e in SURFACE_AP.files.values() if e.readable}
        for name, read in reads.items():
            if name in opens:
                read()
                continue
            with pytest.raises(SecurityStatusError) as caught:
                read()
            assert caught.value.code == "file_needs_pin"
            assert caught.value.values["record"] == name


def test_values(hanako: EmulatedCard) -> None:
    with Card(VirtualConnection(hanako)) as reader:
        verify(reader, hanako, A)
        face, info, number = (
            reader.surface.face(), reader.surface.basic_info(), reader.surface.number_image(OWN),
        )  # fmt: skip
        assert len(number.physical) < 1000
        assert (str(face.birth), face.sex_code, face.key) == ("1980-02-17", "2", number.key)
        assert (info.municipality, info.version.hex()) == ("13221", "06030e01")
        assert reader.surface.filler().empty
        assert reader.surface.cv_certificate().issuer_fits_chain


def test_the_number_image_needs_a_purpose(hanako: EmulatedCard) -> None:
    with Card(VirtualConnection(hanako)) as reader:
        verify(reader, hanako, A)
        before = hanako.apdus
        with pytest.raises(NumberNotAllowedError):
            reader.surface.number_image(None)  # type: ignore[arg-type]
        assert hanako.apdus == before


BORN = """
schema = "jpki.card/1"
name = "born"
[holder]
name = "番号　生子"
address = "東京都清瀬市中里五丁目８４２番地"
birth = {birth}
sex = "female"
number = "900000000770"
[municipality]
code = "13221"
[dates]
month_day = "10-27"
days_before = 365
[card]
security_code = "2285"
[keys]
slot = 0
"""


@pytest.mark.parametrize(
    ("birth", "key"),
    [
        ("1989-01-07", "640107"), ("1989-01-08", "010108"),
        ("1926-12-24", "151224"), ("1926-12-25", "011225"),
        ("2019-04-30", "310430"), ("2019-05-01", "010501"), ("2004-02-29", "160229"),
    ],
)  # fmt: skip
def test_the_birth_date_key_counts_years_of_the_era(tmp_path: Path, birth: str, key: str) -> None:
    path = tmp_path / "born.toml"
    path.write_text(BORN.format(birth=birth), encoding="utf-8")
    card = load_card(str(path))
    with Card(VirtualConnection(card)) as reader:
        assert card.pins()["birth"] == key
        reader.pins.verify(BIRTH, bytearray(key, "ascii"))
        record = reader.surface.age()
        assert str(record.birth) == birth
        assert birth_key(record.birth) == bytearray(key, "ascii")  # type: ignore[arg-type]


# Commands -----------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> EmulatedCard:
    """A card whose photo has 9 kB, so that EF 0002 has more than 10."""
    photo = os.urandom(9500)
    monkeypatch.setattr(emulated_files, "grey_photo", lambda: photo)
    return load_card("hanako")


def read_face(card: EmulatedCard, limits: ReplyLimits) -> tuple[list[ApduTrace], bytes]:
    """The commands from an unselected card to the face, with 照合番号B, and the file."""
    seen: list[ApduTrace] = []
    card.log = seen.append
    with Card(VirtualConnection(card, limits)) as reader:
        verify(reader, card, B)
        face = reader.surface.face().physical
        return list(seen), face


def test_a_large_face_with_short_replies(large: EmulatedCard) -> None:
    seen, face = read_face(large, SHORT)
    assert len(face) > 10 * 1024
    assert len(seen) <= 4 + math.ceil(len(face) / 256)
    # SELECT, counter, VERIFY, then nothing but reads; no byte twice, none too many.
    assert [trace.header[1] for trace in seen[:3]] == [0xA4, 0x20, 0x20]
    assert {trace.header[1] for trace in seen[3:]} == {0xB0}
    assert sum(trace.reply for trace in seen[3:]) == len(face)


def test_a_large_face_with_extended_replies(large: EmulatedCard) -> None:
    seen, face = read_face(large, EXTENDED)
    assert len(seen) == 5  # SELECT, counter, VERIFY, the head, the rest
    assert sum(trace.reply for trace in seen[3:]) == len(face)


def test_the_age_record_costs_six_commands(hanako: EmulatedCard) -> None:
    seen: list[ApduTrace] = []
    hanako.log = seen.append
    with Card(VirtualConnection(hanako, SHORT)) as reader:
        verify(reader, hanako, BIRTH)
        record = reader.surface.age()
        count = len(seen)
    assert count == 3 + math.ceil(547 / 256)
    assert len(record.physical) == 547
