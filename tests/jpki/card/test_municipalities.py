# SPDX-License-Identifier: Apache-2.0
"""Municipality names: the built-in few, and lists that users bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from jpki.card.municipalities import (
    BUILT_IN,
    Municipality,
    code_check_digit,
    load_municipalities,
)
from jpki.errors import ConfigurationError
from jpki.messages import LANGUAGES, has
from jpki.synth import MUNICIPALITIES

HEAD = (
    '団体コード,"都道府県名\n（漢字）","市区町村名\n（漢字）",'
    '"都道府県名\n（カナ）",市区町村名（カナ）\n'
)
ROWS = "011002,北海道,札幌市,ﾎｯｶｲﾄﾞｳ,ｻｯﾎﾟﾛｼ\n132217,東京都,清瀬市,ﾄｳｷｮｳﾄ,ｷﾖｾｼ\n"


def written(folder: Path, data: bytes | str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_the_test_pki_and_nothing_else_is_built_in() -> None:
    assert set(BUILT_IN.places) == set(MUNICIPALITIES)
    for code, place in MUNICIPALITIES.items():
        here = BUILT_IN.find(code)
        assert here is not None
        assert here.japanese == place.japanese
        english = here.english.replace(" ", "-").split(",-")
        assert english == [place.name, place.prefecture]
    assert BUILT_IN.find("99999") is None


@pytest.mark.parametrize(
    "code", ["011002", "131016", "132217", "141003", "271004", "473821", "131130", "102016"]
)
def test_check_digit(code: str) -> None:
    """Published codes: 札幌市, 千代田区, 清瀬市, 横浜市, 大阪市, 与那国町, 渋谷区, 前橋市."""
    assert code_check_digit(code[:5]) == code[5]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp932"])
def test_the_official_list(tmp_path: Path, codec: str) -> None:
    names = load_municipalities(written(tmp_path, (HEAD + ROWS).encode(codec)))
    assert names.find("13221") == Municipality("13221", "東京都清瀬市")
    assert names.find("01100") == Municipality("01100", "北海道札幌市")


def test_what_a_spreadsheet_makes_of_it(tmp_path: Path) -> None:
    """Leading zeros lost, a title above, an empty line, other columns, CRLF."""
    text_ = (
        "都道府県コード及び市区町村コード,,,\r\n"
        + HEAD
        + ROWS.replace("011002", "11002")
        + ",,,\r\n"
    )
    names = load_municipalities(written(tmp_path, text_.replace("\n", "\r\n")))
    assert set(names.places) == {"01100", "13221"}


def test_five_digits_are_codes_without_check_digit(tmp_path: Path) -> None:
    text_ = "団体コード,都道府県名,市区町村名\n13221,東京都,清瀬市\n"
    assert set(load_municipalities(written(tmp_path, text_)).places) == {"13221"}


TOML = 'schema = "jpki.municipalities/1"\n[municipality]\n'


def test_toml(tmp_path: Path) -> None:
    text_ = TOML + '99201 = { ja = "見本県架空市", en = "Kaku-shi" }\n132217 = { ja = "清瀬" }\n'
    names = BUILT_IN.joined(load_municipalities(written(tmp_path, text_, "list.toml")))
    place = names.find("99201")
    assert place is not None
    assert (place.name("ja"), place.name("en")) == ("見本県架空市", "Kaku-shi")
    ours = names.find("13221")
    assert ours is not None
    assert ours.name("en") == ours.name("ja") == "清瀬"
    assert names.find("01101") is not None


@pytest.mark.parametrize(
    ("data", "place", "reason"),
    [
        ("", "-", "no_header"),
        ("団体コード,都道府県名\n", "-", "no_header"),
        (HEAD, "-", "empty"),
        (HEAD + "132218,東京都,清瀬市\n", "line 5", "bad_check_digit"),
        (HEAD + "1322,東京都,清瀬市\n", "line 5", "bad_digits"),
        (HEAD + "１３２２１７,東京都,清瀬市\n", "line 5", "bad_digits"),
        (HEAD + "132217,東京都\n", "line 5", "missing"),
        (HEAD + "132217,,\n", "line 5", "bad_text"),
        (HEAD + "132217,東京都,\x1b[2J\n", "line 5", "bad_text"),
        (HEAD + "132217,東京都,清\u202e瀬市\n", "line 5", "bad_text"),
        (HEAD + ROWS + "132217,東京都,清瀬市\n", "line 7", "twice"),
        (HEAD + '132217,東京都,"' + "x" * 200_000, "line 5", "not_csv"),
        (b"\x81\x20", "-", "bad_text"),
        (b"x" * (4 * 1024 * 1024 + 1), "-", "too_large"),
    ],
)  # fmt: skip
def test_a_bad_list(tmp_path: Path, data: bytes | str, place: str, reason: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(ConfigurationError) as caught:
        load_municipalities(path)
    assert caught.value.values == {"path": str(path), "place": place, "reason": reason}
    assert all(has(f"value.reason.{reason}", lang) for lang in LANGUAGES)


@pytest.mark.parametrize(
    ("data", "place", "reason"),
    [
        ("[", "-", "not_toml"),
        ("\xff".encode("latin-1"), "-", "not_toml"),
        ('schema = "jpki.municipalities/2"', "schema", "bad_value"),
        ('schema = "jpki.municipalities/1"', "municipality", "missing"),
        ('schema = "jpki.municipalities/1"\nmunicipality = 1', "municipality", "wrong_type"),
        ("x = 1\n" + TOML, "x", "unknown_key"),
        (TOML, "-", "empty"),
        (TOML + "13221 = 1", "municipality.13221", "wrong_type"),
        (TOML + "1322 = { ja = \"x\" }", "municipality.1322", "bad_digits"),
        (TOML + "13221 = { en = \"x\" }", "municipality.13221", "missing"),
        (TOML + "13221 = { ja = 1 }", "municipality.13221", "wrong_type"),
        (TOML + "13221 = { ja = \"x\", fr = \"y\" }", "municipality.13221", "unknown_key"),
        (TOML + "13221 = { ja = \" \" }", "municipality.13221", "bad_text"),
    ],
)  # fmt: skip
def test_a_bad_toml_list(tmp_path: Path, data: bytes | str, place: str, reason: str) -> None:
    path = written(tmp_path, data, "list.toml")
    with pytest.raises(ConfigurationError) as caught:
        load_municipalities(path)
    assert caught.value.values == {"path": str(path), "place": place, "reason": reason}


def test_no_list_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_municipalities(tmp_path / "none.csv")
    assert caught.value.values["reason"] == "not_readable"
