# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the command line's tests; what they hand out is in ``command_line``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import Cli, Commands
from jpki.testing.cards import CardFactory, PluggedCard


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line with nothing of the developer's settings."""
    return Cli({"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "")})


@pytest.fixture
def cards() -> Iterator[CardFactory]:
    """Emulated cards that keep their state between runs, plugged into readers of this process."""
    with CardFactory() as factory:
        yield factory


@pytest.fixture
def hanako(cards: CardFactory) -> PluggedCard:
    return cards("hanako")


@pytest.fixture
def watch() -> Callable[[PluggedCard], Commands]:
    """Count what a card is sent from now on."""
    return Commands
