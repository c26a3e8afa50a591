# SPDX-License-Identifier: Apache-2.0
"""基本情報自動入力: which items leave the card's data, and how a form prints them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from flow_bench import a_card, bureau, desk_for, visit
from jpki.kiosk.flows.form_filling import Form, printed_entries
from jpki.open_flows import make_flows

SETTINGS = {"flows": ("form_filling",), "policy": "konbini", "trust": "test"}


def test_a_form_gets_the_items_it_has_a_place_for(tmp_path: Path) -> None:
    place, emulated = bureau(tmp_path), a_card("hanako")
    visited = visit(place, place.flow("form_filling"), emulated, desk_for(emulated))
    place.close()
    assert place.handed == [{"name": "番号　花子", "birth": "1980-02-17"}]
    assert "番号" not in repr(visited.ending)


def test_a_form_is_printed_as_an_office_reads_it(tmp_path: Path) -> None:
    """That of a demonstration: Japanese labels, the day of birth by its era."""
    place, emulated = bureau(tmp_path), a_card("hanako")
    flow = make_flows(SETTINGS)["form_filling"]
    document = visit(place, flow, emulated, desk_for(emulated)).ending.document
    place.close()
    assert document is not None
    text = subprocess.run(
        ["pdftotext", "-", "-"], input=document, capture_output=True, check=True
    ).stdout.decode()  # fmt: skip
    for words in ("転居届", "氏名", "花子", "住所", "生年月日", "昭和55年2月17日"):
        assert words in text
    assert not re.search("name|birth|1980", text)


def test_what_is_unknown_of_a_birth_stays_as_it_is() -> None:
    assert printed_entries({"birth": "1980-??-??"}) == {"生年月日": "1980-??-??"}
    assert printed_entries({"sex": "女"}) == {"性別": "女"}


def test_a_form_that_names_no_item_or_another_is_none() -> None:
    for items in ((), ("number",)):
        with pytest.raises(ValueError, match="items"):
            Form("x", items)
