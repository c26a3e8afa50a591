# SPDX-License-Identifier: Apache-2.0
"""A desk's queue: each check-in exactly once, whatever is cut, killed, sent again or touched."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from jpki.errors import ChallengeError
from jpki.kiosk.server.half import ServerHalfError
from jpki.kiosk.shelter import tables
from jpki.kiosk.shelter.desk import RATION, ShelterDesk
from jpki.kiosk.shelter.entries import entry_bytes, read_entry
from jpki.kiosk.shelter.half import Bundle, Outcome, Receipt, Relation
from jpki.kiosk.shelter.queue import DeskQueue, Queued
from jpki.kiosk.shelter.queue_format import (
    QueueError,
    close_bundle,
    read_head,
    read_header,
    read_record,
)
from jpki.kiosk.shelter.sealing import SealError, open_sealed, seal
from map_bench import Clock, Holder
from shelter_bench import DESK, OTHER_DESK, PLACE, City, Line, city


@pytest.fixture
def place(tmp_path: Path) -> Iterator[City]:
    made = city(f"sqlite:///{tmp_path}/map.db", tmp_path)
    yield made
    made.map.close()


def _offline(place: City, count: int) -> tuple[ShelterDesk, Line, list[Holder]]:
    """A desk with ``count`` people in its queue, and the line cut."""
    line = place.line()
    desk = place.desk(line)
    desk.stock()
    people = [place.enrolled() for _ in range(count)]
    line.cut = True
    for who in people:
        assert place.check_in(who, desk=desk) is None
    return desk, line, people


def _present(place: City) -> int:
    with place.map.store.reading() as connection:
        found = select(func.count()).where(tables.PRESENCE.c.place == PLACE)
        return connection.execute(found).scalar_one()


def test_what_was_queued_is_decided_once_the_line_is_back(place: City) -> None:
    desk, line, people = _offline(place, 3)
    assert (desk.waiting(), _present(place)) == (3, 0)
    place.suppress(people[1])  # meanwhile: the decision is made at the sync
    line.cut = False
    outcomes = [receipt.outcome for receipt in desk.sync()]
    assert outcomes == [Outcome.CHECKED_IN, Outcome.UNREGISTERED, Outcome.CHECKED_IN]
    assert (desk.waiting(), _present(place), desk.sync()) == (0, 2, ())


def test_a_lost_answer_is_queued_and_counts_once(place: City) -> None:
    line = place.line()
    desk = place.desk(line)
    who = place.enrolled()
    entry = desk.entry(who.answer(desk.challenge()).response)
    line.lost = 1
    assert desk.check_in(entry) is None
    assert [receipt.outcome for receipt in desk.sync()] == [Outcome.CHECKED_IN]
    assert _entries(place) == 1


def _entries(place: City) -> int:
    with place.map.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(tables.ENTRY)).scalar_one()


def test_a_crash_between_sync_and_delete_doubles_nothing(place: City) -> None:
    desk, line, _ = _offline(place, 2)
    kept = place.folder / "kept"
    shutil.copytree(place.folder / DESK, kept)
    line.cut = False
    first = desk.sync()
    shutil.rmtree(place.folder / DESK)
    kept.rename(place.folder / DESK)
    assert place.desk().sync() == first
    assert _entries(place) == 2


def test_without_a_stock_and_a_line_nothing_is_taken(place: City) -> None:
    line = place.line()
    line.cut = True
    with pytest.raises(ServerHalfError, match="server_down"):
        place.desk(line).challenge()


def test_a_challenge_of_the_stock_is_given_out_once(place: City) -> None:
    line = place.line()
    desk = place.desk(line)
    desk.stock()
    line.cut = True
    given = [place.desk(line).challenge().id for _ in range(RATION)]
    assert len(set(given)) == RATION
    with pytest.raises(ServerHalfError):
        desk.challenge()


def test_everybody_sees_the_same_at_a_desk_without_a_line(place: City) -> None:
    """Registered, suppressed or a stranger: queued. Nothing at the desk could tell."""
    desk, _, people = _offline(place, 2)
    place.suppress(people[0])
    assert place.check_in(people[0], desk=desk) is None
    assert not hasattr(desk, "suppressed")


# Bytes of the file, as a power cut, a thief or a worm leaves them


def _files(place: City) -> tuple[Path, Path]:
    (queue,) = (place.folder / DESK).glob("*.queue")
    return queue, queue.with_suffix(".head")


def test_killed_at_any_byte(place: City) -> None:
    """The file ends anywhere in the last record: the others stay, and one more can be taken."""
    desk, line, _ = _offline(place, 1)
    queue, head = _files(place)
    whole, whole_head = queue.read_bytes(), head.read_bytes()
    assert desk.check_in(desk.listed(b"short")) is None
    data = queue.read_bytes()
    for end in range(len(whole), len(data)):
        queue.write_bytes(data[:end])
        head.write_bytes(whole_head)  # it is written after the record
        (queued,) = DeskQueue(place.folder / DESK, desk.keys, place.clock).waiting()
        assert len(queued.records) == 1
    assert place.check_in(place.enrolled(), desk=desk) is None
    line.cut = False
    assert [receipt.outcome for receipt in desk.sync()] == [Outcome.CHECKED_IN] * 2


def test_killed_between_record_and_head(place: City) -> None:
    desk, line, _ = _offline(place, 1)
    _, head = _files(place)
    old = head.read_bytes()
    place.check_in(place.enrolled(), desk=desk)
    head.write_bytes(old)
    line.cut = False
    assert len(desk.sync()) == 2


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_queue_cut_short_is_noticed(place: City, lines: int) -> None:
    desk, line, _ = _offline(place, 3)
    queue, _ = _files(place)
    queue.write_bytes(b"".join(queue.read_bytes().splitlines(keepends=True)[:lines]))
    line.cut = False
    with pytest.raises(QueueError, match="queue_truncated"):
        desk.sync()
    assert _entries(place) == 0


def test_any_altered_byte_is_noticed(place: City) -> None:
    _, line, _ = _offline(place, 2)
    queue, _ = _files(place)
    data = queue.read_bytes()
    line.cut = False
    for at in range(0, len(data), 397):
        queue.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises((QueueError, ServerHalfError)):
            place.desk().sync()
    assert _entries(place) == 0


def test_a_damaged_queue_does_not_keep_new_ones_from_being_taken(place: City) -> None:
    desk, _, _ = _offline(place, 1)
    queue, _ = _files(place)
    queue.write_bytes(queue.read_bytes().replace(b".", b"!", 1))
    assert place.check_in(place.enrolled(), desk=desk) is None
    assert len(list((place.folder / DESK).glob("*.queue"))) == 2


@pytest.mark.parametrize(
    "text",
    [b"", b"5", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a": ' * 100_000,
     b'{"queue": "q", "n": 1e999, "digest": "d"}', b'{"queue": "q", "n": "x", "digest": "d"}'],
)  # fmt: skip
def test_a_line_that_its_desk_signed_and_that_is_none(text: bytes) -> None:
    """Who took a desk's key signs what they like: it is refused like an altered line."""
    key = Ed25519PrivateKey.generate()
    signature = key.sign(b"jpki-shelter-queue/1\n" + text)
    line = base64.b64encode(text) + b"." + base64.b64encode(signature)
    for read in (read_header, read_record, read_head):
        with pytest.raises(QueueError):
            read(line, key.public_key())


@pytest.mark.parametrize("text", [b"", b"5", b"null", b"[5]", b"{", b"[" * 100_000])
def test_a_stock_that_is_damaged_is_fetched_anew(place: City, text: bytes) -> None:
    desk = place.desk()
    desk.stock()
    (place.folder / DESK / "ration.json").write_bytes(text)
    desk.stock()
    assert len(json.loads((place.folder / DESK / "ration.json").read_bytes())) == RATION


def test_a_stolen_desk_tells_nothing(place: City) -> None:
    """Its files and its own key open nothing that was queued; names and numbers are not in it."""
    desk, _, people = _offline(place, 1)
    found = b"".join(path.read_bytes() for path in (place.folder / DESK).iterdir())
    assert people[0].certificate not in found
    (queued,) = DeskQueue(place.folder / DESK, desk.keys, place.clock).waiting()
    assert len(queued.records) == 1
    sealed = seal(desk.keys.server, b"somebody", b"id")
    with pytest.raises(SealError):
        open_sealed(place.city_key, sealed, b"id")
    with pytest.raises(SealError):
        open_sealed(place.key, sealed, b"other id")
    assert open_sealed(place.key, sealed, b"id") == b"somebody"


# What a server takes


def _bundle(place: City, desk: ShelterDesk) -> tuple[Queued, Bundle]:
    (queued,) = DeskQueue(place.folder / DESK, desk.keys, place.clock).waiting()
    nonce = place.half().begin_sync()
    return queued, close_bundle(nonce, queued.header, queued.records, desk.keys.signing)


def _swapped(bundle: Bundle) -> Bundle:
    return replace(bundle, records=(bundle.records[1], bundle.records[0], *bundle.records[2:]))


@pytest.mark.parametrize(
    "touched",
    [
        _swapped,
        lambda bundle: replace(bundle, records=bundle.records[:-1]),
        lambda bundle: replace(bundle, records=bundle.records[1:]),
        lambda bundle: replace(bundle, records=(*bundle.records, bundle.records[0])),
        lambda bundle: replace(bundle, header=bundle.records[0]),
        lambda bundle: replace(bundle, closing=bytes(64)),
        lambda bundle: replace(bundle, records=(b"", *bundle.records[1:])),
    ],
)
def test_a_touched_bundle_is_refused_whole(
    place: City, touched: Callable[[Bundle], Bundle]
) -> None:
    desk, _, _ = _offline(place, 3)
    _, bundle = _bundle(place, desk)
    with pytest.raises(ServerHalfError, match="queue_altered"):
        place.half().sync(touched(bundle))
    assert _entries(place) == 0


def test_records_in_another_order_are_refused_though_the_desk_closed_them(place: City) -> None:
    desk, _, _ = _offline(place, 3)
    queued, bundle = _bundle(place, desk)
    one, two, three = queued.records
    for records in ((two, one, three), (one, three), (one, one)):
        closed = close_bundle(place.half().begin_sync(), bundle.header, records, desk.keys.signing)
        with pytest.raises(ServerHalfError, match="queue_altered"):
            place.half().sync(closed)


def test_a_part_that_leaves_one_out_is_refused(place: City) -> None:
    desk, _, _ = _offline(place, 3)
    queued, _ = _bundle(place, desk)
    nonce = place.half().begin_sync()
    later = close_bundle(nonce, queued.header, queued.records[1:], desk.keys.signing)
    with pytest.raises(ServerHalfError, match="queue_gap"):
        place.half().sync(later)


def test_a_replayed_bundle_is_refused(place: City) -> None:
    desk, _, _ = _offline(place, 2)
    _, bundle = _bundle(place, desk)
    assert len(place.half().sync(bundle)) == 2
    with pytest.raises(ServerHalfError, match="queue_replayed"):
        place.half().sync(bundle)


def test_a_nonce_is_for_one_desk_and_a_short_time(place: City) -> None:
    desk, _, _ = _offline(place, 1)
    queued, _ = _bundle(place, desk)
    for other, wait in ((OTHER_DESK, 0), (DESK, 10)):
        nonce = place.half(other).begin_sync()
        place.clock.forward(minutes=wait)
        closed = close_bundle(nonce, queued.header, queued.records, desk.keys.signing)
        with pytest.raises(ServerHalfError, match="queue_replayed"):
            place.half().sync(closed)


@pytest.mark.parametrize("key", [None, Ed25519PrivateKey.generate()])
def test_a_desk_whose_key_was_taken_out(place: City, key: Ed25519PrivateKey | None) -> None:
    desk, line, _ = _offline(place, 1)
    if key is None:
        del place.desks[DESK]
    else:
        place.desks[DESK] = key.public_key()
    line.cut = False
    with pytest.raises(ServerHalfError, match="queue_altered" if key else "desk_revoked"):
        desk.sync()
    assert desk.waiting() == 1


def test_another_desks_queue_is_refused(place: City) -> None:
    desk, _, _ = _offline(place, 1)
    queued, _ = _bundle(place, desk)
    place.desks[OTHER_DESK] = place.desks[DESK]
    nonce = place.half(OTHER_DESK).begin_sync()
    closed = close_bundle(nonce, queued.header, queued.records, desk.keys.signing)
    with pytest.raises(ServerHalfError, match="queue_altered"):
        place.half(OTHER_DESK).sync(closed)


def test_after_a_day_a_queue_is_too_late_and_says_so(place: City) -> None:
    desk, line, _ = _offline(place, 2)
    place.clock.forward(days=1)
    line.cut = False
    assert [receipt.outcome for receipt in desk.sync()] == [Outcome.EXPIRED] * 2
    assert (desk.waiting(), _present(place)) == (0, 0)


@pytest.mark.parametrize("behind", [timedelta(hours=3), timedelta(days=400)])
def test_a_clock_that_is_behind_takes_nobody_by_stock(place: City, behind: timedelta) -> None:
    line = place.line()
    desk = place.desk(line, clock=Clock(place.clock.now - behind))
    desk.stock()
    line.cut = True
    with pytest.raises(ChallengeError, match="not_yet_issued"):
        desk.challenge()


def test_a_time_of_the_desk_is_kept_between_challenge_and_sync(place: City) -> None:
    desk, who = place.desk(), place.enrolled()
    for claimed in (timedelta(days=-9), timedelta(days=9)):
        entry = desk.entry(who.answer(desk.challenge()).response)
        desk.check_in(replace(entry, at=entry.at + claimed))
        with place.map.store.reading() as connection:
            (at,) = connection.execute(select(tables.PRESENCE.c.at)).one()
        assert at == int(place.clock.now.timestamp()) * 10**6


def test_the_same_id_with_something_else_in_it(place: City) -> None:
    desk, who = place.desk(), place.enrolled()
    entry = desk.entry(who.answer(desk.challenge()).response)
    assert desk.check_in(entry) == Receipt(entry.id, Outcome.CHECKED_IN)
    other = replace(entry, shared=frozenset({Relation.FAMILY}))
    assert desk.check_in(other) == Receipt(entry.id, Outcome.CONFLICT)


def test_the_citys_list_is_for_the_citys_key(place: City) -> None:
    desk = place.desk()
    entry = desk.listed("名簿の一行".encode())
    assert desk.check_in(entry) == desk.check_in(entry) == Receipt(entry.id, Outcome.LISTED)
    with place.map.store.reading() as connection:
        ((name, sealed),) = tables.listed(connection, PLACE)
    with pytest.raises(SealError):
        open_sealed(place.key, sealed, name.encode())
    assert open_sealed(place.city_key, sealed, name.encode()).decode() == "名簿の一行"
    place.map.store.change(lambda connection: tables.end_place(connection, PLACE))
    with place.map.store.reading() as connection:
        assert tables.listed(connection, PLACE) == []


def test_an_entry_is_read_back_and_a_touched_one_is_not(place: City) -> None:
    desk, who = place.desk(), place.enrolled()
    entry = desk.entry(who.answer(desk.challenge()).response, shared=frozenset(Relation))
    raw = json.loads(entry_bytes(entry))
    assert entry_bytes(read_entry(raw)) == entry_bytes(entry)
    for member, value in (
        ("id", "x" * 20), ("at", "2026-11-21T09:00:00"), ("shared", ["neighbour"]),
        ("leaving", 1), ("response", {}), ("sealed", ""), ("name", "somebody"),
    ):  # fmt: skip
        with pytest.raises(ServerHalfError, match="request_malformed"):
            read_entry({**raw, member: value})
    for member in raw:
        with pytest.raises(ServerHalfError, match="request_malformed"):
            read_entry({name: value for name, value in raw.items() if name != member})
