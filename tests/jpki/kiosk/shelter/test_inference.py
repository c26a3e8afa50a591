# SPDX-License-Identifier: Apache-2.0
"""Nothing tells a suppressed person from one who is not there.

Not the bytes of an answer, the statements and their rows, what is stored, a count or a log.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import event, select

from jpki.kiosk.shelter import tables
from jpki.kiosk.shelter.half import Deed, Mark, Outcome, Relation
from jpki.kiosk.shelter.wire import counts_object, receipts_object, told_object
from map_bench import Holder, holder
from shelter_bench import OTHER_PLACE, PLACE, City, city

FAMILY = Relation.FAMILY
VARYING = frozenset({"id", "digest", "person", "viewer", "at", "code", "code_until"})


@pytest.fixture
def place(url: str, tmp_path: Path) -> Iterator[City]:
    made = city(url, tmp_path)
    yield made
    made.map.close()


@contextmanager
def statements(place: City) -> Iterator[list[tuple[str, int]]]:
    """Every statement with the rows it gave or changed."""
    seen: list[tuple[str, int]] = []

    def after(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append((statement, cursor.rowcount))

    event.listen(place.map.store.engine, "after_cursor_execute", after)
    try:
        yield seen
    finally:
        event.remove(place.map.store.engine, "after_cursor_execute", after)


def rows(place: City) -> Counter[str]:
    """What is stored about the shelter, without what is random or a time."""
    with place.map.store.reading() as connection:
        return Counter(
            f"{table.name} "
            + str({n: value for n, value in row._mapping.items() if n not in VARYING})
            for table in tables.METADATA.sorted_tables
            for row in connection.execute(select(table))
        )


def _asked_after(place: City, viewer: Holder) -> tuple[bytes, list[tuple[str, int]], Any]:
    """What asking gives: bytes on the wire, statements with row counts, rows that were added."""
    half = place.half()
    response = viewer.answer(half.shelter_challenge(Deed.ASK)).response
    before = rows(place)
    with statements(place) as seen:
        told = half.tell(Deed.ASK, response)
    return json.dumps(told_object(told)).encode(), list(seen), rows(place) - before


def _viewer_of(place: City, state: str) -> Holder:
    person, viewer = place.enrolled(), place.enrolled()
    place.named(person, viewer, FAMILY, Mark.SUN)
    if state == "suppressed":
        place.check_in(person, [FAMILY])
        place.suppress(person)
    elif state == "there":
        place.check_in(person, [FAMILY])
    elif state == "not_shared":
        place.check_in(person)
    elif state == "left":
        place.check_in(person, [FAMILY])
        place.check_in(person, leaving=True)
    return viewer


@pytest.mark.parametrize("absent", ["never", "not_shared", "left"])
def test_asking_after_a_suppressed_person(place: City, absent: str) -> None:
    suppressed = _asked_after(place, _viewer_of(place, "suppressed"))
    assert suppressed == _asked_after(place, _viewer_of(place, absent))


def test_what_is_told_has_the_shape_of_its_schema(place: City) -> None:
    schema = resources.files("jpki") / "schemas" / "kiosk.shelter-1.json"
    shape = Draft202012Validator(json.loads(schema.read_text("utf-8")))
    viewer = _viewer_of(place, "there")
    told = told_object(place.tell(viewer, Deed.ASK))
    receipt = place.desk().check_in(place.desk().listed(b"somebody"))
    assert receipt is not None
    for body in (told, receipts_object([receipt]), counts_object(place.half().counts())):
        shape.validate(body)


def test_the_comparison_can_fail(place: City) -> None:
    answer, seen, _ = _asked_after(place, _viewer_of(place, "there"))
    other, others, _ = _asked_after(place, _viewer_of(place, "suppressed"))
    assert answer != other
    assert [each for each, _ in seen] == [each for each, _ in others]


def _checked_in(place: City, who: Holder) -> tuple[bytes, list[tuple[str, int]], Any]:
    desk, half = place.desk(), place.half()
    entry = desk.entry(who.answer(desk.challenge()).response, shared=frozenset({FAMILY}))
    before = rows(place)
    with statements(place) as seen:
        receipt = half.check_in(entry)
    body = json.dumps(receipts_object([receipt])).replace(entry.id, "id").encode()
    return body, list(seen), rows(place) - before


def test_a_suppressed_person_checks_in_like_a_stranger(place: City) -> None:
    person = place.enrolled()
    place.suppress(person)
    suppressed, stranger = _checked_in(place, person), _checked_in(place, holder())
    assert suppressed == stranger
    assert [row.split()[0] for row in suppressed[2]] == ["shelter_entry"]


@pytest.mark.parametrize("deed", [Deed.ASK, Deed.ASKED, Deed.FORGET, Deed.MARK, Deed.NAME])
def test_a_suppressed_viewer_is_a_stranger(place: City, deed: Deed) -> None:
    person = place.enrolled()
    place.suppress(person)
    told = [
        place.tell(who, deed, mark=Mark.SUN, code="12345678", relation=FAMILY)
        for who in (person, holder())
    ]
    assert told_object(told[0]) == told_object(told[1])


def test_naming_a_suppressed_viewer_is_like_naming_another(place: City) -> None:
    told = []
    for suppressed in (True, False):
        viewer, person = place.enrolled(), place.enrolled()
        code = place.tell(viewer, Deed.MARK, mark=Mark.SUN).code
        if suppressed:
            place.suppress(viewer)
        told.append(place.tell(person, Deed.NAME, code=code, relation=FAMILY))
    assert told[0] == told[1]


def test_nothing_is_logged_about_anybody(place: City, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="jpki"):
        for state in ("suppressed", "never", "there"):
            _asked_after(place, _viewer_of(place, state))
    assert caplog.text == ""


def _fill(place: City, count: int) -> list[Holder]:
    people = [place.enrolled() for _ in range(count)]
    for each in people:
        assert place.check_in(each) is Outcome.CHECKED_IN
    return people


def test_counts_below_ten_are_not_told(place: City) -> None:
    _fill(place, 9)
    assert place.half().counts() == {PLACE: None, OTHER_PLACE: None}
    _fill(place, 1)
    assert place.half().counts() == {PLACE: 10, OTHER_PLACE: None}


def test_two_counts_never_differ_by_one_person(place: City) -> None:
    people = _fill(place, 12)
    shown: list[int | None] = []
    steps: list[Callable[[], object]] = [
        *(lambda who=who: place.check_in(who, leaving=True) for who in people[:11]),
        *(lambda who=who: place.check_in(who) for who in people[:11]),
        lambda: place.suppress(people[0]),
        lambda: place.suppress(people[0], lift=True),
    ]
    for step in steps:
        shown.append(place.half().counts()[PLACE])
        step()
    changes = [(a or 0) - (b or 0) for a, b in pairwise(shown)]
    assert any(changes)
    assert all(change == 0 or abs(change) >= 10 for change in changes)


def test_a_suppressed_person_is_in_no_count(place: City) -> None:
    people = _fill(place, 9)
    hidden = place.enrolled()
    place.check_in(hidden)
    place.suppress(hidden)
    assert place.half().counts()[PLACE] is None
    assert len(people) == 9
