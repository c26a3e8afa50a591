# SPDX-License-Identifier: Apache-2.0
"""見守り: a guardian's consent, a notice, and no place after 24 hours; none of the suppressed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from jpki.certificate.kinds import Family
from jpki.kiosk.shelter import watch_tables as tables
from jpki.kiosk.shelter.half import Outcome
from jpki.kiosk.shelter.watch_half import KEPT, ArrivalNotice, Channel, WatchDeed
from jpki.kiosk.shelter.wire import watch_told_object
from jpki.mapping.sitting import Asker
from map_bench import Holder, holder
from shelter_bench import SCHOOL, School, school

STAFF = Asker(actor="staff-3", service="watch", document="非開示申出 12")
SECOND = timedelta(seconds=1)


@pytest.fixture
def place(url: str, tmp_path: Path) -> Iterator[School]:
    made = school(url, tmp_path)
    yield made
    made.map.close()


def _places(place: School) -> int:
    with place.map.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(tables.PLACE)).scalar_one()


def test_an_arrival_is_told_to_the_guardian_once(place: School) -> None:
    guardian, child = place.family(Channel.MAIL)
    assert place.arrive(child).outcome is Outcome.CHECKED_IN
    assert place.heard == []  # nobody at the gate waits for it
    assert (place.gates.deliver(), place.gates.deliver()) == (1, 0)
    ((_, channel, notice),) = place.heard
    assert (channel, notice) == (Channel.MAIL, ArrivalNotice(SCHOOL, place.clock.now))
    seen = place.guardian(guardian, WatchDeed.SEE)
    assert list(seen.arrivals) == [(SCHOOL, place.clock.now)]


def test_a_notice_that_fails_is_tried_again(place: School) -> None:
    _, child = place.family()
    place.silent = True
    assert place.arrive(child).outcome is Outcome.CHECKED_IN
    assert place.gates.deliver() == 0
    place.silent = False
    assert (place.gates.deliver(), place.gates.deliver()) == (1, 0)


def test_a_child_without_a_guardians_code_is_not_registered(place: School) -> None:
    guardian, child = holder(Family.SIGN), holder(slot=1)
    told = place.child(child, "12345678")
    assert (told.outcome, told.reason, told.rule) == (Outcome.REFUSED, "guardian_consent", "R14")
    code = place.guardian(guardian, WatchDeed.CONSENT, Channel.APP).code
    assert place.child(child, code).outcome is Outcome.DONE
    assert place.child(holder(slot=1), code).outcome is Outcome.REFUSED  # used up


def test_a_guardian_consents_with_the_sign_certificate_only(place: School) -> None:
    told = place.guardian(holder(Family.AUTH), WatchDeed.CONSENT, Channel.APP)
    assert (told.outcome, told.code) == (Outcome.REFUSED, "")


def test_after_the_withdrawal_nothing_is_kept_or_told(place: School) -> None:
    guardian, child = place.family()
    place.arrive(child)
    assert place.gates.deliver() == 1
    place.arrive(child)  # of which nobody is told in time
    assert place.guardian(guardian, WatchDeed.WITHDRAW).outcome is Outcome.DONE
    assert _places(place) == 0
    told = place.arrive(child)
    assert (told.outcome, told.reason) == (Outcome.REFUSED, "guardian_consent")
    assert (place.gates.deliver(), len(place.heard), _places(place)) == (0, 1, 0)
    assert place.guardian(guardian, WatchDeed.SEE).outcome is Outcome.REFUSED
    again = place.guardian(guardian, WatchDeed.CONSENT, Channel.CALL)
    assert place.child(child, again.code).outcome is Outcome.DONE
    assert place.arrive(child).outcome is Outcome.CHECKED_IN


@pytest.mark.parametrize(("later", "kept"), [(KEPT - SECOND, 1), (KEPT, 0), (KEPT + SECOND, 0)])
def test_no_place_is_kept_or_read_after_24_hours(
    place: School, later: timedelta, kept: int
) -> None:
    guardian, child = place.family()
    place.arrive(child)
    place.clock.now += later
    with place.map.store.reading() as connection:  # before anybody removed it
        assert len(tables.due(connection, place.clock.now)) == kept
    assert len(place.guardian(guardian, WatchDeed.SEE).arrivals) == kept
    assert _places(place) == kept
    assert place.gates.deliver() == kept


def test_a_clock_put_back_reads_no_place(place: School) -> None:
    _, child = place.family()
    place.silent = True
    place.arrive(child)
    with place.map.store.reading() as connection:
        assert tables.due(connection, place.clock.now - SECOND) == []
    place.clock.now -= SECOND
    assert place.gates.purge() == 1


def _gone(place: School, child: Holder) -> None:
    place.map.suppress(place.pseudonym(child), STAFF)


def test_a_suppressed_child_is_a_stranger_and_nobody_hears_of_it(place: School) -> None:
    guardian, child = place.family()
    place.arrive(child)
    _gone(place, child)
    assert place.gates.deliver() == 0
    assert watch_told_object(place.arrive(child)) == watch_told_object(place.arrive(holder()))
    assert list(place.guardian(guardian, WatchDeed.SEE).arrivals) == []
    assert place.heard == []
