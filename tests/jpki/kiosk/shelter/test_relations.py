# SPDX-License-Identifier: Apache-2.0
"""Who is told where somebody is: those alone whom the person named, and to whom they said yes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from jpki.kiosk.shelter import tables
from jpki.kiosk.shelter.half import Deed, Mark, Outcome, Relation
from jpki.kiosk.shelter.local import CODE_TTL
from jpki.mapping.times import from_micros
from map_bench import Holder, holder
from shelter_bench import OTHER_DESK, OTHER_PLACE, PLACE, City, answered, city

FAMILY, FRIEND, WORK = Relation
LONG = int(CODE_TTL.total_seconds()) * 10**6  # microseconds
STATES = ("there", "left", "never", "suppressed_there", "suppressed_never", "suppressed_later")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("city")
    made = city(f"sqlite:///{folder}/map.db", folder)
    yield made
    made.map.close()


def _be(place: City, who: Holder, state: str, shared: tuple[Relation, ...]) -> None:
    """Bring somebody into a state, at the desk as everybody does it."""
    if state in ("suppressed_there", "suppressed_never"):
        place.suppress(who)
    if not state.endswith("never"):
        wanted = Outcome.UNREGISTERED if state == "suppressed_there" else Outcome.CHECKED_IN
        assert place.check_in(who, shared) is wanted
    if state == "left":
        assert place.check_in(who, leaving=True) is Outcome.LEFT
    if state == "suppressed_later":
        place.suppress(who)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("named", [None, *Relation])
@pytest.mark.parametrize("shared", [(), (FAMILY,), (FRIEND, WORK)])
def test_relations_by_states(
    place: City, state: str, named: Relation | None, shared: tuple[Relation, ...]
) -> None:
    person, viewer = place.enrolled(), place.enrolled()
    if named is None:
        place.tell(viewer, Deed.MARK, mark=Mark.SUN)  # a code that nobody entered
    else:
        place.named(person, viewer, named, Mark.SUN)
    _be(place, person, state, shared)
    told = place.tell(viewer, Deed.ASK)
    expected = PLACE if state == "there" and named in shared else ""
    assert told.outcome is Outcome.DONE
    assert dict(told.places) == {mark: expected if mark is Mark.SUN else "" for mark in Mark}


def test_without_a_word_the_city_only(place: City) -> None:
    person, viewer = place.enrolled(), place.enrolled()
    place.named(person, viewer, FAMILY, Mark.SUN)
    place.check_in(person, [FAMILY])
    place.check_in(person)  # once more, and this time without a yes
    assert not any(place.tell(viewer, Deed.ASK).places.values())


def test_naming_goes_one_way(place: City) -> None:
    person, viewer = place.enrolled(), place.enrolled()
    place.named(person, viewer, FAMILY, Mark.SUN)
    place.check_in(viewer, [FAMILY])
    assert not any(place.tell(person, Deed.ASK).places.values())


def test_whom_one_named_can_be_taken_back(place: City) -> None:
    person, viewer = place.enrolled(), place.enrolled()
    place.named(person, viewer, FAMILY, Mark.SUN)
    place.check_in(person, [FAMILY])
    assert place.tell(person, Deed.FORGET).outcome is Outcome.DONE
    assert not any(place.tell(viewer, Deed.ASK).places.values())


def test_a_code_is_used_once_in_time_and_not_by_its_owner(place: City) -> None:
    viewer, person = place.enrolled(), place.enrolled()

    def name(who: Holder, code: str) -> Outcome:
        return place.tell(who, Deed.NAME, code=code, relation=FAMILY).outcome

    code = place.tell(viewer, Deed.MARK, mark=Mark.FISH).code
    assert name(viewer, code) is Outcome.CODE_UNKNOWN
    assert name(person, "0" * 8) is Outcome.CODE_UNKNOWN
    assert name(person, code) is Outcome.DONE
    assert name(person, code) is Outcome.CODE_UNKNOWN


def test_a_code_is_good_for_a_week(tmp_path: Path) -> None:
    place = city(f"sqlite:///{tmp_path}/map.db", tmp_path)
    viewer, person = place.enrolled(), place.enrolled()
    code = place.tell(viewer, Deed.MARK, mark=Mark.BIRD).code
    response = answered(person, place.half().shelter_challenge(Deed.NAME))
    with place.map.store.reading() as connection:
        (until,) = connection.execute(select(tables.MARK.c.code_until)).one()
    assert from_micros(until) == place.clock.now + CODE_TTL
    place.map.store.change(lambda c: c.execute(update(tables.MARK).values(code_until=until - LONG)))
    told = place.half().tell(Deed.NAME, response, code=code, relation=FAMILY)
    assert told.outcome is Outcome.CODE_UNKNOWN
    place.map.close()


def test_the_person_sees_who_asked(place: City) -> None:
    person, viewer = place.enrolled(), place.enrolled()
    place.named(person, viewer, WORK, Mark.SUN)
    assert place.tell(person, Deed.ASKED).asked == []
    place.tell(viewer, Deed.ASK)
    assert place.tell(person, Deed.ASKED).asked == [(WORK, place.clock.now)]


def test_a_stranger_opens_nothing(place: City) -> None:
    for deed in (Deed.ASK, Deed.ASKED, Deed.FORGET):
        assert place.tell(holder(), deed).outcome is Outcome.UNREGISTERED
    assert place.check_in(holder()) is Outcome.UNREGISTERED


def test_an_answer_for_one_deed_serves_no_other(place: City) -> None:
    """A terminal cannot turn a check-in into a question: it stands in what the holder signs."""
    who, half = place.enrolled(), place.half()
    for asked, given in ((Deed.CHECK_IN, Deed.ASK), (Deed.ASK, Deed.ASKED)):
        response = who.answer(half.shelter_challenge(asked)).response
        told = half.tell(given, response)
        assert (told.outcome, told.reason) == (Outcome.REFUSED, "challenge_other_purpose")


def test_the_later_place_counts_whatever_comes_first(place: City) -> None:
    person, viewer = place.enrolled(), place.enrolled()
    place.named(person, viewer, FAMILY, Mark.SUN)
    first, second = place.desk(), place.desk(name=OTHER_DESK)
    earlier = first.entry(person.answer(first.challenge()).response, shared=frozenset({FAMILY}))
    place.clock.now += timedelta(minutes=1)
    place.check_in(person, [FAMILY], desk=second)
    first.check_in(earlier)  # was on its way for longer
    assert place.tell(viewer, Deed.ASK).places[Mark.SUN] == OTHER_PLACE
