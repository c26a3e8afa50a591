# SPDX-License-Identifier: Apache-2.0
"""The flows of shelter and gate on emulated cards: every card, every step a person takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Table, func, select

from flow_bench import a_card, pull_everywhere, visit
from jpki import messages
from jpki.card_map import PinKind
from jpki.kiosk import web
from jpki.kiosk.endings import ending_of
from jpki.kiosk.flows.shelter import Shelter
from jpki.kiosk.flows.watch import Watch
from jpki.kiosk.screens import Screen, screen_object
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.app import server_app
from jpki.kiosk.server.terminals import Terminals, token_digest
from jpki.kiosk.shelter import tables
from jpki.kiosk.shelter.client import HttpShelterHalf
from jpki.kiosk.shelter.half import Mark, Outcome
from jpki.kiosk.shelter.routes import ShelterRoutes
from jpki.kiosk.shelter.sealing import open_sealed
from jpki.kiosk.visit import Close, Ending, Flow, Page, Question, Visit
from jpki.mapping.card_answer import read_binding
from jpki.mapping.policy import Operation
from jpki.mapping.policy_file import load_policy
from jpki.mapping.presentation import Evidence
from jpki.mapping.service import open_map
from jpki.mapping.sitting import Asker
from jpki.open import load_trust, open_card
from jpki.verifying.login import respond
from jpki.verifying.material import ValidationOptions
from map_bench import NOW, ORIGIN
from server_half import serving
from shelter_bench import DESK, GATE, PLACE, SCHOOL, City, School, city, school

PINS = {PinKind.AUTH: "1234", PinKind.SIGN: "ABC123", PinKind.TEXT: "1234"}
CARDS = (
    "hanako", "taro-moved", "jiro-expired", "child", "face-only", "blocked", "old-g1", "old-g2",
    "android", "iphone", "driver", "library", "nextgen", "forged", "copied",
)  # fmt: skip
PICTURES = Path(web.__path__[0]) / "static" / "pictures"
CHECK_IN = {"shelter_action": "check_in", "shelter_share": "share_with"}
AUTH = {**CHECK_IN, "shelter_proof": "auth"}


@dataclass
class Both:
    """A city and a school that know the built-in cards, behind one server on loopback."""

    city: City
    school: School
    url: str

    def half(self, name: str) -> HttpShelterHalf:
        return HttpShelterHalf(self.url, name * 8)

    def run(self, flow: Flow, card: str, desk: ScriptedDesk) -> Ending:
        with open_card(f"virtual:{card}", at=NOW, trust="test").card as opened:
            try:
                return flow.run(Visit(opened, desk, clock=self.city.clock))
            except Exception as error:
                return ending_of(error)

    def shelter(self) -> Shelter:
        keys = load_trust("test", at=NOW).cv_keys
        desk = self.city.desk(self.half(DESK))
        return Shelter(desk, load_policy("shelter"), keys)

    def watch(self) -> Watch:
        return Watch(self.half(GATE), load_policy("watch"))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("both")
    trust = load_trust("test", at=NOW)
    validator = ValidationOptions(at=NOW).validator(trust)
    towns = city(f"sqlite:///{folder}/map.db", folder)
    gates = school(f"sqlite:///{folder}/watch.db", folder)
    for town, policy, keys, url in (
        (towns, "shelter", "map.keys", "map.db"), (gates, "watch", "watch.keys", "watch.db"),
    ):  # fmt: skip
        town.map.close()
        town.map = open_map(
            f"sqlite:///{folder}/{url}", folder / keys, load_policy(policy), validator,
            cv_keys=trust.cv_keys, clock=town.clock,
        )  # fmt: skip
    _bind(towns, "hanako")
    names = {token_digest(name * 8): name for name in (DESK, GATE)}
    routes = ShelterRoutes(towns.shelters, gates.gates)
    app = server_app(lambda _: None, Terminals(names, rate=1e6, burst=1e6), routes.works())  # type: ignore[arg-type, return-value]
    with serving(app) as url:
        yield Both(towns, gates, url)
    towns.map.close()
    gates.map.close()


def _bind(place: City, name: str) -> None:
    """Register a card before, with its PIN, so that a tap is enough."""
    challenge = place.map.issue_challenge(
        Operation.ENROL, origin=ORIGIN, service="shelter", purpose="check-in", binds_card=True
    )
    with open_card(f"virtual:{name}", at=NOW, trust="test").card as card:
        answer = respond(card, challenge, bytearray(b"1234"), now=NOW)
        card.pins.verify(PinKind.TEXT, bytearray(b"1234"))
        bound = read_binding(card, challenge, now=NOW)
    asker = Asker(actor=DESK, service="shelter", purpose="check-in")
    assert place.map.enrol(place.map.verify(Evidence(answer)), asker, card=bound).done


EXPECTED = {
    "auth": {
        "": "unregistered", "hanako": "shelter_checked_in", "jiro-expired": "expired",
        "old-g1": "expired", "face-only": "pin_blocked", "blocked": "pin_blocked",
        "android": "refused", "iphone": "refused", "copied": "not_genuine",
    },
    "tap": {
        "": "card_not_bound", "hanako": "shelter_checked_in", "android": "card_unreadable",
        "iphone": "card_unreadable", "nextgen": "card_unreadable",
    },
    "text": {
        "": "shelter_listed", "face-only": "pin_blocked", "forged": "not_genuine",
        "copied": "not_genuine", "android": "pin_absent", "iphone": "pin_absent",
        "nextgen": "pin_absent",
    },
}  # fmt: skip


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("proof", EXPECTED)
def test_every_card_checks_in(both: Both, card: str, proof: str) -> None:
    desk = ScriptedDesk(choices={**CHECK_IN, "shelter_proof": proof}, pins=PINS)
    ending = both.run(both.shelter(), card, desk)
    assert ending.code == EXPECTED[proof].get(card, EXPECTED[proof][""])


def _told(both: Both, card: str, action: str, **choices: str) -> tuple[Ending, Showing]:
    desk = Showing({"shelter_action": action, **choices})
    return both.run(both.shelter(), card, desk), desk


class Showing(ScriptedDesk):
    """A scripted desk that keeps the pages, as a person's eyes would."""

    def __init__(self, choices: dict[str, str], yes: frozenset[str] = frozenset()) -> None:
        super().__init__(choices=choices, pins=PINS, yes=yes)
        self.pages: dict[str, dict[str, str]] = {}

    def show(self, page: Page) -> None:
        self.pages[page.code] = {line.label: str(line.value) for line in page.lines}


def _digits(code: str) -> dict[str, str]:
    digits = code.replace(" ", "")
    return {f"digit_{place}": f"digit_{digit}" for place, digit in enumerate(digits, 1)}


def test_from_a_code_to_an_answer(both: Both) -> None:
    _bind(both.city, "library")
    _, viewer = _told(both, "library", "mark", shelter_mark="star")
    code = viewer.pages["shelter_code"]["code"]
    named, _ = _told(both, "hanako", "name", shelter_relation="family", **_digits(code))
    assert named.code == "shelter_named"
    again, _ = _told(both, "hanako", "name", shelter_relation="family", **_digits(code))
    assert again.code == "code_unknown"
    for yes, expected in ((frozenset[str](), "–"), (frozenset({"share_family"}), PLACE)):
        desk = ScriptedDesk(choices=AUTH, pins=PINS, yes=yes)
        assert both.run(both.shelter(), "hanako", desk).code == "shelter_checked_in"
        ending, seen = _told(both, "library", "ask")
        assert ending.code == "shelter_answered"
        assert seen.pages["shelter_answer"] == {
            f"mark_{mark}": expected if mark is Mark.STAR else "–" for mark in Mark
        }
    ending, seen = _told(both, "hanako", "asked")
    assert seen.pages["shelter_asked"] == {
        "relation_family": both.city.clock.now.strftime("%m-%d %H:%M")
    }
    left = _told(both, "hanako", "leave", shelter_proof="tap")[0]
    assert left.code == "shelter_left"
    assert _told(both, "hanako", "forget")[0].code == "shelter_forgotten"
    wrong = _told(both, "hanako", "name", shelter_relation="family", **_digits("12345678"))[0]
    assert wrong.code == "code_unknown"


def test_the_city_reads_its_own_list(both: Both) -> None:
    both.run(both.shelter(), "child", ScriptedDesk(
        choices={**CHECK_IN, "shelter_proof": "text"}, pins=PINS))  # fmt: skip
    with both.city.map.store.reading() as connection:
        name, sealed = tables.listed(connection, PLACE)[-1]
    entry = json.loads(open_sealed(both.city.city_key, sealed, name.encode()))
    assert set(entry) == {"name", "birth", "sex_code", "address"}


def test_without_a_line_everybody_is_queued_and_a_sync_decides(both: Both) -> None:
    desk = both.city.desk(both.half(DESK))
    desk.stock()
    away = both.city.desk(HttpShelterHalf("http://127.0.0.1:9", DESK * 8, timeout=1))
    keys = load_trust("test", at=NOW).cv_keys
    flow = Shelter(away, load_policy("shelter"), keys)
    for card in ("hanako", "driver"):
        ending = both.run(flow, card, ScriptedDesk(choices=AUTH, pins=PINS))
        assert (ending.close, ending.code) == (Close.DONE, "shelter_queued")
    assert [each.outcome for each in desk.sync()] == [Outcome.CHECKED_IN, Outcome.UNREGISTERED]
    assert both.half(DESK).counts() == {PLACE: None, "清瀬第三中学校": None}


def _gate(both: Both, card: str, action: str, **choices: str) -> tuple[Ending, Showing]:
    desk = Showing({"watch_action": action, **choices}, frozenset({"watch_safety"}))
    return both.run(both.watch(), card, desk), desk


def test_from_consent_to_a_notice(both: Both) -> None:
    _registered(both)
    arrived, _ = _gate(both, "child", "arrive", watch_proof="auth")
    assert arrived.code == "watch_arrived"
    assert both.school.gates.deliver() == 1
    assert both.school.heard[-1][2].place == SCHOOL
    seen = _gate(both, "hanako", "see")[1]
    assert seen.pages["watch_arrivals"]["arrival"].endswith(SCHOOL)
    assert _gate(both, "hanako", "withdraw")[0].code == "watch_withdrawn"
    refused = _gate(both, "child", "arrive", watch_proof="auth")[0]
    assert (refused.code, refused.values["rule"]) == ("guardian_consent", "R14")


def test_a_child_has_no_sign_certificate_and_cannot_consent(both: Both) -> None:
    ending = _gate(both, "child", "consent", watch_channel="mail")[0]
    assert (ending.close, ending.code) == (Close.FAILED, "no_certificate")


def test_who_says_no_to_the_safety_talk_presents_nothing(both: Both) -> None:
    desk = Showing({"watch_action": "consent", "watch_channel": "app"})
    assert both.run(both.watch(), "hanako", desk).code == "cancelled"
    assert desk.asked == ["watch_action", "watch_safety"]


@pytest.mark.parametrize("proof", ["auth", "tap", "text"])
def test_pulled_at_every_command_at_a_desk(both: Both, proof: str) -> None:
    """Nobody is checked in, or listed, by a card that was pulled."""
    before = _rows(both.city, tables.ENTRY)
    choices = {**CHECK_IN, "shelter_proof": proof}
    pull_everywhere(
        both.city, both.shelter(), lambda card: ScriptedDesk(choices=choices, pins=PINS)
    )
    assert _rows(both.city, tables.ENTRY) == before + 1


@pytest.mark.parametrize(
    ("card", "action"), [("hanako", "consent"), ("hanako", "see"), ("child", "arrive")]
)
def test_pulled_at_every_command_at_a_gate(both: Both, card: str, action: str) -> None:
    """Nobody is told of an arrival by a card that was pulled."""
    _registered(both)
    both.school.gates.deliver()
    told = len(both.school.heard)
    choices = {"watch_action": action, "watch_channel": "mail", "watch_proof": "auth"}
    yes = frozenset({"watch_safety"})
    pull_everywhere(both.school, both.watch(), lambda _: Showing(choices, yes), card)
    both.school.gates.deliver()
    assert len(both.school.heard) == told + (action == "arrive")


@pytest.mark.parametrize(
    ("action", "kind", "most"), [("check_in", PinKind.AUTH, 3), ("consent", PinKind.SIGN, 5)]
)
def test_wrong_pins_end_at_the_floor_and_never_below(
    both: Both, action: str, kind: PinKind, most: int
) -> None:
    card = a_card("hanako")
    flow = both.watch() if action == "consent" else both.shelter()
    choices = {**AUTH, "shelter_action": action, "watch_action": action, "watch_channel": "app"}
    yes = frozenset({"watch_safety"})
    for left in range(most - 1, 0, -1):
        desk = ScriptedDesk(
            choices=choices, pins={kind: "9999" if most == 3 else "WRONG1"}, yes=yes
        )
        visited = visit(both.city, flow, card, desk)
        assert (visited.ending.code, visited.tries) == (
            "pin_incorrect" if left > 1 else "pin_floor",
            1,
        )
        assert visited.ending.values["attempts_left"] == left
    desk = ScriptedDesk(choices=choices, pins=PINS, yes=yes)  # even the right one
    visited = visit(both.city, flow, card, desk)
    assert (visited.ending.code, visited.tries) == ("pin_last_try", 0)
    assert f"pin_{kind.value}" not in desk.asked


def _rows(place: City, table: Table) -> int:
    with place.map.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _registered(both: Both) -> None:
    """A guardian's consent, and the child's card."""
    consented, desk = _gate(both, "hanako", "consent", watch_channel="mail")
    assert consented.code == "watch_consented"
    code = _digits(desk.pages["watch_code"]["code"])
    assert _gate(both, "child", "register_child", **code)[0].code == "watch_registered"


@pytest.mark.parametrize("flow", ["shelter", "watch"])
def test_the_first_screen_names_another_way(both: Both, flow: str) -> None:
    first = (both.shelter() if flow == "shelter" else both.watch()).first_screen
    assert set(first.alternative_path) == set(messages.SPOKEN)
    assert first.article
    assert (PICTURES / f"{flow}.svg").is_file()
    for language in messages.SPOKEN:
        assert messages.text(f"kiosk.option.{flow}", language)


class Speaking(Showing):
    """Asks for the words of every screen in each language, and for its pictures."""

    def choose(self, question: Question) -> str:
        pictures = [option.picture for option in question.options if option.picture]
        assert all((PICTURES / f"{picture}.svg").is_file() for picture in pictures)
        for language in messages.SPOKEN:
            screen_object(Screen(1, question), language)
        return super().choose(question)

    def show(self, page: Page) -> None:
        for language in messages.SPOKEN:
            screen_object(Screen(1, page), language)
        super().show(page)

    def confirm(self, page: Page) -> bool:
        for language in messages.SPOKEN:
            screen_object(Screen(1, page), language)
        super().confirm(page)
        return True


@pytest.mark.parametrize("action", ["check_in", "leave", "ask", "mark", "forget", "asked", "name"])
def test_every_screen_has_words(both: Both, action: str) -> None:
    choices = {**AUTH, "shelter_action": action, "shelter_mark": "sun"}
    desk = Speaking({**choices, "shelter_relation": "work", **_digits("12345678")})
    ending = both.run(both.shelter(), "hanako", desk)
    for language in messages.SPOKEN:
        assert screen_object(Screen(1, ending), language)["note"]


@pytest.mark.parametrize("action", ["consent", "register_child", "arrive", "see", "withdraw"])
def test_every_screen_of_a_gate_has_words(both: Both, action: str) -> None:
    choices = {"watch_action": action, "watch_channel": "call", "watch_proof": "tap"}
    ending = both.run(both.watch(), "hanako", Speaking({**choices, **_digits("12345674")}))
    for language in messages.SPOKEN:
        assert screen_object(Screen(1, ending), language)["note"]
