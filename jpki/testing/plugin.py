# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in: emulated cards, the test PKI and its servers, a real virtual reader.

Registered under the entry point ``pytest11``. It imports pytest and nothing else until a
fixture is used, so a test run that does not need a card does not pay for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jpki.emulator import EmulatedCard
    from jpki.emulator.faults import Fault
    from jpki.synth import SynthPki
    from jpki.testing.cards import CardFactory, PluggedCard
    from jpki.testing.crl_server import CrlServer
    from jpki.testing.ocsp_server import OcspServer
    from jpki.testing.platform_server import PlatformServer
    from jpki.testing.transcripts import Transcripts
    from jpki.testing.tsa_server import TsaServer
    from jpki.testing.virtual_reader import VirtualReader


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
def fault() -> Iterator[Callable[..., None]]:
    """Makes a card go wrong: ``fault(emulated_card, "pull:during@verify", "reader:6700=128")``.

    Each call replaces what was set before and begins the count of commands anew; after the
    test the card is as it was. The lines are those of ``jpki emulate --fault``.
    """
    from jpki.testing.cards import PluggedCard

    before: list[tuple[EmulatedCard, tuple[Fault, ...]]] = []

    def set_faults(card: PluggedCard | EmulatedCard, *faults: Fault | str) -> None:
        emulated = card.card if isinstance(card, PluggedCard) else card
        before.append((emulated, emulated.faults))
        emulated.faults = faults

    yield set_faults
    for emulated, faults in reversed(before):
        emulated.faults = faults


@pytest.fixture
def transcript(tmp_path: Path) -> Transcripts:
    """Records, replays and compares what passes between a job and its card.

    ``with transcript.record() as path``, ``with transcript.replay(path) as uri``, and
    ``with transcript.like(path)`` for a trace from elsewhere.
    """
    from jpki.testing.transcripts import Transcripts

    return Transcripts(tmp_path)


@pytest.fixture
def test_pki() -> SynthPki:
    """The test PKI of today: roots, certificates, CRLs and OCSP answers, all marked as test.

    It knows which certificates of the built-in cards are revoked; ``revoke`` adds others.
    """
    from jpki.emulator import populate
    from jpki.synth import SynthPki

    pki = SynthPki()
    populate(pki)
    return pki


@pytest.fixture
def crl_server(test_pki: SynthPki) -> Iterator[CrlServer]:
    """The lists of ``test_pki`` over HTTP on loopback: ``url``, ``list_url(…)``, ``mode``."""
    from jpki.testing.crl_server import CrlServer

    with CrlServer(test_pki) as server:
        yield server


@pytest.fixture
def ocsp_server(test_pki: SynthPki) -> Iterator[OcspServer]:
    """The OCSP responder of ``test_pki`` over HTTP on loopback: ``url``, ``mode``, ``requests``."""
    from jpki.testing.ocsp_server import OcspServer

    with OcspServer(test_pki) as server:
        yield server


@pytest.fixture
def platform_server(test_pki: SynthPki) -> Iterator[PlatformServer]:
    """A platform operator over HTTP on loopback: ``url``, ``key``, ``know(…)``, ``mode``.

    It needs the extra ``map``, as what asks it does.
    """
    from jpki.testing.platform_server import PlatformServer

    with PlatformServer(test_pki) as server:
        yield server


@pytest.fixture
def tsa_server(test_pki: SynthPki) -> Iterator[TsaServer]:
    """A time stamp authority over HTTP on loopback: ``url``, ``certificate``, ``mode``."""
    from jpki.testing.tsa_server import TsaServer

    with TsaServer(test_pki.at) as server:
        yield server


@pytest.fixture
def virtual_reader() -> Iterator[VirtualReader]:
    """A real pcscd of its own with an empty virtual reader: ``plug("hanako")``, ``run("prog")``.

    Fails, and does not skip, where pcscd or its virtual reader is missing.
    """
    from jpki.testing.virtual_reader import VirtualReader, VirtualReaderError

    try:
        reader = VirtualReader()
    except VirtualReaderError as error:
        pytest.fail(_words(error), pytrace=False)
    with reader:
        yield reader


def _words(error: Exception) -> str:
    """What an error says to a person, in the language of ``JPKI_LANG``."""
    import os

    from jpki import messages
    from jpki_apdu.errors import Coded

    assert isinstance(error, Coded)
    lang = os.environ.get("JPKI_LANG", "en")
    return messages.text(
        f"error.{error.code}", lang if lang in messages.LANGUAGES else "en", **error.values
    )
