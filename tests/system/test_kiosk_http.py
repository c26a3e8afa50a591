# SPDX-License-Identifier: Apache-2.0
"""Faults at a whole terminal over the page's own HTTP, where no browser matters."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import map_bench
from http_visitor import CLOSES, HttpVisitor, until
from jpki import messages
from kiosk_page import Kiosk

pytestmark = pytest.mark.xdist_group("kiosk-http")

REVOKED = """\
schema = "jpki.card/1"
name = "mika"
[holder]
name = "見本　美香"
address = "東京都渋谷区見本町三丁目４番５号"
birth = 1999-12-31
sex = "female"
number = "900000000770"
[municipality]
code = "13113"
[certificates.auth]
status = "revoked"
reason = "keyCompromise"
revoked_days = 3
[certificates.sign]
status = "revoked"
reason = "keyCompromise"
revoked_days = 3
"""


@pytest.fixture(scope="module")
def kiosk(cluster: map_bench.Cluster) -> Iterator[Kiosk]:
    """A demonstration over PostgreSQL."""
    words = ("--demo", "--reader", "virtual:", "--flow", "konbini", "--flow", "shelter")
    with Kiosk(*words, "--db", cluster.create("kiosk")) as running:
        yield running


@pytest.fixture
def person(kiosk: Kiosk) -> HttpVisitor:
    """Somebody at the empty terminal."""
    kiosk.order("pull")
    made = HttpVisitor(kiosk)
    made.until_state("waiting")
    return made


@contextmanager
def down(cluster: map_bench.Cluster) -> Iterator[None]:
    """The database is away as long as the block lasts."""
    cluster.stop("immediate")
    try:
        yield
    finally:
        cluster.start()


def says(person: HttpVisitor, code: str, **values: object) -> dict[str, Any]:
    """The visit ended with this code, and says so in every way of speaking; its screen."""
    ended = person.until(*CLOSES)
    assert ended["code"] == code, ended
    for language in messages.SPOKEN:
        shown = person.screen(language)
        assert shown is not None
        assert shown["note"] == messages.text(f"kiosk.ending.{code}", language, **values)
    return ended


def up_to_pin(kiosk: Kiosk, person: HttpVisitor, card: str = "hanako") -> int:
    """The number of the screen that wants the PIN."""
    assert kiosk.order("insert", card).status == 204
    person.choose("konbini", "residence")
    return int(person.until("pin")["number"])


def test_a_pin_from_many_pages_at_once_is_one_pin(kiosk: Kiosk, person: HttpVisitor) -> None:
    """Two tabs, a double click, an answer sent again: one of them counts, and costs one try."""
    number = up_to_pin(kiosk, person, "driver")
    with ThreadPoolExecutor(8) as pool:
        wrong = [{"number": number, "pin": "9999"}] * 8
        assert sorted(pool.map(person.post, wrong)) == [204] + [409] * 7
    says(person, "pin_incorrect", attempts_left=2)
    assert person.post({"number": number, "pin": "9999"}) == 409
    kiosk.order("pull")
    person.until_state("waiting")
    up_to_pin(kiosk, person, "driver")
    person.answer(pin="1234")
    person.until("confirm")


def test_the_database_goes_between_pin_and_answer(
    kiosk: Kiosk, person: HttpVisitor, cluster: map_bench.Cluster
) -> None:
    up_to_pin(kiosk, person)
    with down(cluster):
        person.answer(pin="1234")
        says(person, "server_down")
    kiosk.order("pull")
    person.until_state("waiting")
    up_to_pin(kiosk, person)
    pin = person.screen()
    assert pin is not None
    assert pin["note"] == messages.text("kiosk.pin_tries", "en", attempts_left=3)


def test_an_answer_that_was_given_outlives_the_database(
    kiosk: Kiosk, person: HttpVisitor, cluster: map_bench.Cluster
) -> None:
    """At the fee the map has decided: the document comes, once, and the ledger says it once."""
    newest = written(person)[0]["number"]
    up_to_pin(kiosk, person)
    person.answer(pin="1234")
    person.until("confirm")
    with down(cluster):
        person.answer(yes=True)
        says(person, "issued")
        assert person.document() == person.document()
    (entry,) = written(person, after=newest)
    assert (entry["operation"], entry["outcome"]) == ("resolve", "resolved")


def written(person: HttpVisitor, after: int = 0) -> list[dict[str, Any]]:
    """Entries of the ledger that the bench shows, newest first."""
    return [line for line in person.bench()["ledger"] if line["number"] > after]


@pytest.mark.parametrize("proof", ["tap", "auth"])
def test_no_check_in_is_lost_while_the_database_is_down(
    kiosk: Kiosk, person: HttpVisitor, cluster: map_bench.Cluster, proof: str
) -> None:
    """Kept safely, decided once when the database is back; nobody has to come again."""
    newest = written(person)[0]["number"]
    kiosk.order("insert", "hanako")
    person.choose("shelter", "check_in", proof)
    person.until("question")
    with down(cluster):
        person.choose("city_only")
        if proof == "auth":
            person.until("pin")
            person.answer(pin="1234")
        says(person, "shelter_queued")
    kiosk.order("pull")
    (entry,) = until(lambda: written(person, after=newest))
    assert (entry["purpose"], entry["outcome"]) == ("check-in", "resolved")


def test_a_revoked_card_of_ones_own_opens_nothing(tmp_path: Path) -> None:
    """A card file may say that its certificates are revoked: the town's lists say so too."""
    file = tmp_path / "mika.toml"
    file.write_text(REVOKED, encoding="utf-8")
    words = ("--flow", "konbini", "--flow", "application", "--flow", "city_id")
    with Kiosk("--demo", "--reader", f"virtual:{file}", *words) as kiosk:
        person = HttpVisitor(kiosk)
        for choices, pin, code in (
            (("konbini", "residence"), "1234", "certificate_ended"),
            (("city_id",), "ABC123", "certificate_ended"),
            (("application", "nursery"), "ABC123", "signature_not_valid"),
        ):
            person.choose(*choices)
            while person.until("confirm", "pin")["kind"] == "confirm":
                person.answer(yes=True)
            person.answer(pin=pin)
            assert says(person, code)["document"] is None
            kiosk.order("pull")
            person.until_state("waiting")
            kiosk.order("insert", str(file))
