# SPDX-License-Identifier: Apache-2.0
"""Emulated cards for the tests: the built-in ones, and ones with a table of their file changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from jpki.emulator import load_card
from virtual_terminal import AT, MakeCard, Terminal, built_in_text


@pytest.fixture
def at() -> datetime:
    return AT


@pytest.fixture
def make(tmp_path: Path) -> MakeCard:
    """``make("hanako", {"quirks": "sfi = false"})``: a built-in card with a table added to."""

    def build(
        name: str = "hanako",
        tables: dict[str, str] | None = None,
        *,
        state_file: Path | None = None,
    ) -> Terminal:
        text = built_in_text(name)
        for table, lines in (tables or {}).items():
            head = f"\n[{table}]\n"
            if head in text:
                key = lines.split("=")[0].strip()
                text = re.sub(rf"(?m)^{key} = .*\n", "", text).replace(head, f"{head}{lines}\n")
            else:
                text += f"{head}{lines}\n"
        path = tmp_path / "card.toml"
        path.write_text(text, encoding="utf-8")
        return Terminal(load_card(str(path), at=AT, state_file=state_file))

    return build


@pytest.fixture
def terminal() -> Terminal:
    """hanako, freshly powered."""
    return Terminal(load_card("hanako", at=AT))


@pytest.fixture
def load() -> Callable[[str], Terminal]:
    """Any built-in card."""
    return lambda name: Terminal(load_card(name, at=AT))
