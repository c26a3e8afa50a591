# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in: ``emulated_card``, ``card_factory``, ``test_pki``, all in process.

Registered under the entry point ``pytest11``. It imports pytest and nothing else until a
fixture is used, so a test run that does not need a card does not pay for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jpki.synth import SynthPki
    from jpki.testing.cards import CardFactory, PluggedCard


@pytest.fixture
def card_factory() -> Iterator[CardFactory]:
    """Makes emulated cards: ``card_factory("taro-moved")``, ``card_factory("my-card.toml")``.

    Each call gives a fresh card with full counters; all are unplugged after the test.
    """
    from jpki.testing.cards import CardFactory

    with CardFactory() as factory:
        yield factory


@pytest.fixture
def emulated_card(card_factory: CardFactory) -> PluggedCard:
    """The emulated card ``hanako``, plugged in: ``uri``, ``connect()``, ``open()``, ``pins``."""
    return card_factory("hanako")


@pytest.fixture
def test_pki() -> SynthPki:
    """The test PKI of today: roots, certificates, CRLs and OCSP answers, all marked as test."""
    from jpki.synth import SynthPki

    return SynthPki()
