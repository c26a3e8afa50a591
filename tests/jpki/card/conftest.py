# SPDX-License-Identifier: Apache-2.0
"""Keys for invented municipalities, made once for a run; emulated cards to open."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from card_files import Keys
from jpki.emulator import EmulatedCard, load_card


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys(*(rsa.generate_private_key(65537, 2048) for _ in range(4)))


@pytest.fixture
def hanako() -> EmulatedCard:
    return load_card("hanako")


@pytest.fixture
def quirky(tmp_path: Path) -> Callable[[str], EmulatedCard]:
    """Hanako's card with other switches."""

    def make(quirks: str) -> EmulatedCard:
        base = files("jpki.emulator").joinpath("cards/hanako.toml").read_text(encoding="utf-8")
        path = tmp_path / "card.toml"
        path.write_text(f"{base}\n[quirks]\n{quirks}\n", encoding="utf-8")
        return load_card(str(path))

    return make
