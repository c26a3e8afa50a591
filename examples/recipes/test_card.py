# SPDX-License-Identifier: Apache-2.0
"""Two tests of a project that uses cards: in this process, and behind a real pcscd."""

from __future__ import annotations

from jpki.testing.cards import PluggedCard
from jpki.testing.virtual_reader import VirtualReader


def test_without_a_reader(emulated_card: PluggedCard) -> None:
    with emulated_card.open() as card:
        assert card.detect().kind.name == "CARD"


def test_another_program_sees_the_card(virtual_reader: VirtualReader) -> None:
    virtual_reader.plug("hanako")
    listed = virtual_reader.run("opensc-tool", "--list-readers").stdout
    assert "Virtual PCD" in listed
