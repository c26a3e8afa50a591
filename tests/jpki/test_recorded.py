# SPDX-License-Identifier: Apache-2.0
"""``jpki.open.recorded`` and ``replay:`` as the library offers them, with and without faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from jpki.card import Card
from jpki.card_map import JPKI_AP, PinKind
from jpki.emulator import load_card
from jpki.emulator.refusal import PINNED_ROOT_KEY_IDS
from jpki.open import open_card, open_connection, plug, published_names, recorded, unplug
from jpki_apdu import readers
from jpki_apdu.errors import CardError, CardRemovedError, TranscriptError
from jpki_apdu.replay import ReplayConnection, read_replay
from jpki_apdu.transcript import Command, Failure, compare, read_trace


def _job(uri: str) -> None:
    with open_card(uri).card as card:
        card.info()
        card.pins.verify(PinKind.AUTH, bytearray(b"1234"))
        card.jpki.certificate("auth")
        card.connection.finish()


def test_a_trace_of_what_is_opened_inside(tmp_path: Path) -> None:
    with recorded(tmp_path / "t", job="a job") as made:
        _job("virtual:hanako")
    _job("virtual:hanako")
    trace = read_trace(tmp_path / "t")
    assert trace.headers["job"] == "a job"
    assert trace.commands == made.commands > 10
    named = {entry.step.select for entry in trace.entries if isinstance(entry.step, Command)}
    assert {"jpki", "text", "surface"} <= named


def test_both_ways_to_open_are_seen_once(tmp_path: Path) -> None:
    uri = plug(load_card("hanako"))
    try:
        with recorded(tmp_path / "t") as made:
            readers.open_reader(uri).close()
            open_connection(uri).close()
    finally:
        unplug(uri)
    assert made.connections == 2


def test_names_are_those_of_the_card_map() -> None:
    names = published_names()
    assert names.applications[JPKI_AP.aid] == "jpki"
    assert all(name.isascii() and " " not in name for name in names.applications.values())
    assert all(len(file) == 2 for file in names.files)


@pytest.mark.parametrize("name", ["hanako", "android", "library", "nextgen"])
def test_every_kind_of_card_is_replayed(name: str, tmp_path: Path) -> None:
    with recorded(tmp_path / "r", replayable=True), open_card(f"virtual:{name}").card as card:
        info = card.info()
    with open_card(f"replay:{tmp_path / 'r'}").card as card:
        again = card.info()
        card.connection.finish()
    assert (again.token.info.label, again.applications) == (
        info.token.info.label,
        info.applications,
    )
    assert (again.counters, again.certificates) == (info.counters, info.certificates)


def test_recorded_and_replayed(tmp_path: Path) -> None:
    with recorded(tmp_path / "r", replayable=True):
        _job("virtual:hanako")
    opened = open_card(f"replay:{tmp_path / 'r'}")
    assert opened.emulated
    assert isinstance(opened.card.connection, ReplayConnection)
    _job(f"replay:{tmp_path / 'r'}")


def test_a_replay_is_traced_like_the_card_itself(tmp_path: Path) -> None:
    with recorded(tmp_path / "r", replayable=True):
        _job("virtual:hanako")
    with recorded(tmp_path / "card"):
        _job("virtual:hanako")
    with recorded(tmp_path / "replay"):
        _job(f"replay:{tmp_path / 'r'}")
    assert compare(read_trace(tmp_path / "card"), read_trace(tmp_path / "replay")) is None


FAULTS = [
    "pull:before@5", "pull:during@verify", "pull:after@9", "reset@6", "sw=6F00@3", "card:6F00",
    "reply:never@8", "reader:6700=128", "extended:6700", "busy:exclusive", "reply:repeat@4",
    "reinsert@7", "card:61xx=128", "card:6Cxx", "reply:cut=1@6",
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_is_replayed_too(fault: str, tmp_path: Path) -> None:
    """The job ends on the recording as it ended on the card, and has the same trace."""

    def outcome(uri: str) -> tuple[str, object] | None:
        try:
            _job(uri)
        except CardError as error:
            return error.code, error.values.get("attempts_left")
        return None

    uri = plug(load_card("hanako", faults=[fault]))
    try:
        with recorded(tmp_path / "card"), recorded(tmp_path / "r", replayable=True):
            on_card = outcome(uri)
    finally:
        unplug(uri)
    with recorded(tmp_path / "replay"):
        assert outcome(f"replay:{tmp_path / 'r'}") == on_card
    first, second = (
        [entry.step for entry in read_trace(tmp_path / name).entries] for name in ("card", "replay")
    )
    codes = [[s for s in steps if isinstance(s, Command)] for steps in (first, second)]
    assert codes[0] == codes[1]
    assert [isinstance(s, Failure) for s in first] == [isinstance(s, Failure) for s in second]


@pytest.mark.parametrize("where", ["whole", "split", "sent"])
def test_real_material_is_not_replayed(where: str, tmp_path: Path) -> None:
    key_id = next(iter(PINNED_ROOT_KEY_IDS)).hex()
    lines = {
        "whole": f"> 00B0000000\n< {key_id}9000\n",
        "split": f"> 00B000000A\n< {key_id[:20]}9000\n> 00B0000A0A\n< {key_id[20:]}9000\n",
        "sent": f"> 00D6000014{key_id}\n< 9000\n",
    }[where]
    head = "# jpki-replay/1\n# origin: synthetic\n= open limits=256/0 atr=3B00 reader=x\n"
    (tmp_path / "r").write_text(f"{head}{lines}= end\n")
    assert read_replay(tmp_path / "r").commands()
    with pytest.raises(TranscriptError) as caught:
        open_connection(f"replay:{tmp_path / 'r'}")
    assert caught.value.code == "replay_material"


def test_the_card_leaves_while_it_is_recorded(tmp_path: Path) -> None:
    uri = plug(load_card("hanako"))
    with recorded(tmp_path / "r", replayable=True):
        card = Card(open_connection(uri))
        card.detect()
        unplug(uri)
        with pytest.raises(CardRemovedError):
            card.jpki.certificate("auth")
        card.close()
    again = Card(open_connection(f"replay:{tmp_path / 'r'}"))
    again.detect()
    with pytest.raises(CardRemovedError):
        again.jpki.certificate("auth")
    again.close()
