# SPDX-License-Identifier: Apache-2.0
"""Composition root: what stands behind a reader URI, and what ``--trust`` brings.

The only module outside the emulator, the test PKI and the pytest plug-in that imports
them, and only when they are asked for.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from jpki.card import Card
from jpki.card.layout import TODAY, CardLayout, invented_layouts
from jpki.certificate.kinds import Environment
from jpki.errors import CardFileError, NotOurCardError
from jpki.validation.trust import TrustStore
from jpki.verifying.material import TrustMaterial
from jpki.verifying.sources import read_certificates
from jpki_apdu import readers
from jpki_apdu.errors import (
    CardError,
    NoCardError,
    ReaderBusyError,
    ReaderUriError,
    SeveralReadersError,
    TranscriptError,
)
from jpki_apdu.reader_memory import ReaderMemory

if TYPE_CHECKING:
    from jpki.card_map import Application
    from jpki.emulator import EmulatedCard, VirtualConnection
    from jpki_apdu.connection import CardConnection
    from jpki_apdu.tracing import PublicNames, Recorder

VIRTUAL, REPLAY = "virtual", "replay"

TEST_ISSUER = "JPKI-SYNTH-ISSUER"
"""Id of the key by which JPKI-SYNTH issues documents."""

ANSWER_LIMIT = 30.0
"""Seconds a card may take for one answer. A signature takes about one [inferred]."""


@dataclass(frozen=True, slots=True)
class OpenedCard:
    """A card of ours, open. ``others``: readers that hold one too and were not taken.

    ``emulated``: known to be an emulated card from the way it was reached.
    """

    card: Card
    reader: str
    others: tuple[str, ...] = ()
    emulated: bool = False


_plugged: dict[str, EmulatedCard] = {}
_connections: dict[str, list[VirtualConnection]] = {}
_numbers = itertools.count(1)
_lock = threading.Lock()


def plug(card: EmulatedCard) -> str:
    """Put an emulated card into a reader of this process; returns the reader's URI."""
    with _lock:
        name = f"#{next(_numbers)}"
        _plugged[name] = card
        _connections[name] = []
    return f"{VIRTUAL}:{name}"


def unplug(uri: str) -> None:
    """Take the card out; open connections see it removed. Harmless when repeated."""
    name = uri.removeprefix(f"{VIRTUAL}:")
    with _lock:
        _plugged.pop(name, None)
        connections = _connections.pop(name, [])
    for connection in connections:
        connection.eject()


def built_in_cards() -> tuple[str, ...]:
    """Names of the emulated cards that come with the toolkit."""
    from jpki.emulator import BUILT_IN

    return BUILT_IN


def emulated_card(
    name: str,
    *,
    at: datetime | None = None,
    state_file: Path | None = None,
    faults: Iterable[str] = (),
    timing: str | None = None,
) -> EmulatedCard:
    """An emulated card: built in, by name, or from a TOML file.

    ``faults``: what goes wrong, one line each, besides what the file says. ``timing``: the
    link whose time is taken. Raises CardFileError, FaultSpecError.
    """
    from jpki.emulator import load_card

    card = load_card(name, at=at, state_file=state_file, faults=faults)
    if timing is not None:
        card.timing = timing
    return card


def open_connection(
    uri: str,
    *,
    wait: float | None = None,
    at: datetime | None = None,
    timeout: float | None = ANSWER_LIMIT,
) -> CardConnection:
    """Open a reader by URI: ``pcsc:``, ``vpcd:``, ``virtual:NAME-OR-FILE``, ``replay:``.

    ``wait``: seconds to wait for a card, None = do not wait. ``at``: the day a ``virtual:``
    card lives in; other readers ignore it. ``timeout``: seconds for one answer, after which
    TransportTimeoutError is raised; None = as the reader has it. Raises TransportError,
    ReaderUriError.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == VIRTUAL:
        return readers.watched(lambda: _open_virtual(rest, at, timeout))
    return readers.open_reader(uri, wait=wait, timeout=timeout)


def _open_virtual(rest: str, at: datetime | None, timeout: float | None) -> CardConnection:
    from jpki.emulator import VirtualConnection, load_card

    if not rest:
        raise ReaderUriError(uri=f"{VIRTUAL}:", reason="no_name")
    limit = ANSWER_LIMIT if timeout is None else timeout
    if not rest.startswith("#"):
        return VirtualConnection(load_card(rest, at=at), timeout=limit)
    with _lock:
        card = _plugged.get(rest)
        if card is None:
            raise NoCardError(reader=f"{VIRTUAL}:{rest}")
        connection = VirtualConnection(card, timeout=limit)
        _connections[rest].append(connection)
    return connection


def _virtual_opener(rest: str, wait: float | None, timeout: float | None) -> CardConnection:
    return _open_virtual(rest, None, timeout)


def _open_replay(rest: str, wait: float | None, timeout: float | None) -> CardConnection:
    """``replay:FILE``. Besides its header, the bytes themselves must be nobody's."""
    from jpki.emulator.refusal import refuse
    from jpki.errors import ForgeryRefusedError
    from jpki_apdu.replay import ReplayConnection, read_replay

    replay = read_replay(rest)
    try:
        for data in (replay.replies(), *replay.commands()):
            refuse(data)
    except ForgeryRefusedError as exc:
        raise TranscriptError("replay_material", path=rest) from exc
    return ReplayConnection(replay)


readers.register_scheme(VIRTUAL, _virtual_opener)
readers.register_scheme(REPLAY, _open_replay)


@contextmanager
def recorded(
    path: Path | str, *, replayable: bool = False, job: str = "", overwrite: bool = False
) -> Iterator[Recorder]:
    """Write a transcript of every connection that is opened inside this block.

    A trace, which holds no data, or with ``replayable`` a recording of one emulated card
    with all its bytes. ``job``: what is done, in words of the program. The file is new
    (``overwrite``: or replaced) and private. Raises TranscriptError.
    """
    from jpki import __version__
    from jpki_apdu.tracing import Recorder

    made = "made-by" if replayable else "tool"
    headers = {made: f"jpki {__version__}", "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    if job:
        headers["job"] = job
    with (
        Recorder(
            path,
            replayable=replayable,
            headers=headers,
            names=published_names(),
            overwrite=overwrite,
        ) as recorder,
        readers.watch(recorder.opened),
    ):
        yield recorder


def published_names() -> PublicNames:
    """The identifiers of the card map: published, and the same on every card."""
    from jpki.card_map import APPLICATIONS, FOREIGN_APPLICATIONS, ISD_AID
    from jpki_apdu.tracing import PublicNames

    files = {fid.to_bytes(2, "big") for app in APPLICATIONS for fid in app.files}
    applications = {other.aid: other.name for other in FOREIGN_APPLICATIONS}
    applications |= {app.aid: app.name for app in APPLICATIONS} | {ISD_AID: "isd"}
    return PublicNames(applications, frozenset(files))


def open_card(
    uri: str,
    *,
    wait: float | None = None,
    at: datetime | None = None,
    needs_pin: bool = False,
    trust: str = Environment.PRODUCTION,
    timeout: float | None = ANSWER_LIMIT,
    begins: Application | None = None,
) -> OpenedCard:
    """Open the card of ours behind ``uri`` and recognise it.

    ``begins``: the application that the job begins with, as for ``Card.recognise``.
    ``timeout``: seconds for one answer, as for ``open_connection``. A command whose time is
    up may be carried out all the same; of a PIN that is PinOutcomeUnknownError.

    ``trust``: as for ``load_trust``. Under ``test``, and for ``virtual:`` and ``replay:``, a
    card is also looked for by the invented layouts; elsewhere such a card is none of ours.

    With ``pcsc:`` and several readers that hold a card of ours, ``needs_pin`` refuses to
    guess (SeveralReadersError, ``names``); otherwise the first is taken and the rest are
    named in ``others``. Raises TransportError, NotOurCardError, UnsupportedTokenError.
    """
    candidates = _candidates(uri)
    invented = trust == Environment.TEST or uri.partition(":")[0] in (VIRTUAL, REPLAY)
    layouts = (TODAY, *(invented_layouts() if invented else ()))
    if len(candidates) < 2:
        connection = open_connection(uri, wait=wait, at=at, timeout=timeout)
        return _recognised(connection, layouts, begins)

    def opener(name: str) -> OpenedCard:
        connection = readers.open_reader(f"pcsc:{name}", timeout=timeout)
        return _recognised(connection, layouts, begins)

    found, refusal = _ours(candidates, opener, keep_all=needs_pin)
    if not found:
        raise refusal or NoCardError(reader=uri)
    if needs_pin and len(found) > 1:
        for opened in found:
            opened.card.close()
        raise SeveralReadersError(names=", ".join(opened.reader for opened in found))
    first, *rest = found
    for opened in rest:
        opened.card.close()
    others = tuple(name for name in candidates if name != first.reader)
    return OpenedCard(first.card, first.reader, others)


def _candidates(uri: str) -> list[str]:
    """Names of PC/SC readers that hold a card, when the URI leaves the choice open."""
    if uri not in ("pcsc:", "pcsc"):
        return []
    return [state.name for state in readers.list_readers() if state.card_present]


def _ours(
    names: Iterable[str], opener: Callable[[str], OpenedCard], *, keep_all: bool
) -> tuple[list[OpenedCard], CardError | None]:
    found: list[OpenedCard] = []
    refusal: CardError | None = None
    for name in names:
        try:
            found.append(opener(name))
        except ReaderBusyError as exc:
            # A busy reader may hold a card of ours: it counts as a reason, not as a card.
            refusal = exc
        except CardError as exc:
            refusal = refusal or exc
        if found and not keep_all:
            break
    return found, refusal


def _recognised(
    connection: CardConnection, layouts: Sequence[CardLayout], begins: Application | None
) -> OpenedCard:
    """The card as the first layout that fits it; the refusal is that of the first."""
    refusal: CardError | None = None
    limits = ReaderMemory.of_user().limits(connection.name)
    card = Card(connection, limits=limits)
    try:
        for layout in layouts:
            card = Card(connection, limits=limits, layout=layout)
            try:
                card.recognise(begins)
            except NotOurCardError as exc:
                refusal = refusal or exc
            else:
                return OpenedCard(card, connection.name, emulated=connection.synthetic)
        raise refusal or NotOurCardError(seen="unknown")
    except BaseException:
        card.close()
        raise


def load_trust(
    name: str,
    *,
    at: datetime | None = None,
    ca_files: Iterable[Path | str] = (),
    cards: Iterable[str] = (),
) -> TrustMaterial:
    """What ``--trust NAME`` brings.

    ``production``: the six pinned roots; their certificates come from ``ca_files`` or the
    card. ``test``: JPKI-SYNTH's roots (the P-384 ones too), CV keys, CRLs as of ``at``, TSA and
    issuer of documents.
    ``jlis-test``: the roots J-LIS lends, from ``ca_files``. Anything else is a file or folder
    whose certificates are the anchors. ``cards``: card files; what they say is revoked stands
    on the lists of ``test``, as it does for the built-in cards. Raises InputFileError,
    TrustRootError.
    """
    from jpki.card import cv_keys

    if name == Environment.TEST:
        return _test_trust(at, cards)
    if name == Environment.PRODUCTION:
        store = TrustStore(Environment.PRODUCTION).with_candidates(read_certificates(ca_files))
        return TrustMaterial(store, cv_keys.PRODUCTION)
    if name == Environment.JLIS_TEST:
        store = TrustStore(Environment.JLIS_TEST, read_certificates(ca_files))
        return TrustMaterial(store, cv_keys.JLIS_TEST)
    return TrustMaterial(TrustStore(Environment.CUSTOM, read_certificates([name])))


def roots_of(
    name: str, *, at: datetime | None = None, ca_files: Iterable[Path | str] = ()
) -> tuple[bytes, ...]:
    """The roots of ``load_trust``, DER, and nothing else of it: what a signer may enclose."""
    if name == Environment.TEST:
        from jpki.synth import SynthPki

        pki = SynthPki(at)
        return (*pki.trust_anchors(), *pki.next_trust_anchors())
    store = load_trust(name, at=at, ca_files=ca_files).store
    return tuple(anchor.certificate.der for anchor in store.anchors)


def _test_trust(at: datetime | None, cards: Iterable[str]) -> TrustMaterial:
    from jpki.emulator import populate
    from jpki.emulator.population import find_profile, register
    from jpki.synth import SynthPki
    from jpki.synth.keystore import stored_ec_key
    from jpki.synth.tsa import tsa_certificate
    from jpki.verifying.issued import IssuerKey

    pki = SynthPki(at)
    populate(pki)
    for card in cards:
        with suppress(CardFileError):  # said where the card is opened
            register(pki, find_profile(card))
    anchors = (*pki.trust_anchors(), *pki.next_trust_anchors())
    crls = (*pki.crls(), *pki.next_crls())
    issuer = stored_ec_key("document-issuer").public_key()
    return TrustMaterial(
        TrustStore(Environment.TEST, anchors),
        pki.cv_ca_keys(),
        crls,
        (tsa_certificate(),),
        (IssuerKey(TEST_ISSUER, issuer, Environment.TEST),),
    )


__all__ = [
    "OpenedCard",
    "built_in_cards",
    "emulated_card",
    "load_trust",
    "open_card",
    "open_connection",
    "plug",
    "published_names",
    "recorded",
    "roots_of",
    "unplug",
]
