# SPDX-License-Identifier: Apache-2.0
"""What flows hand over and to whom, what they say, and how a terminal gets them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from flow_bench import Bureau, a_card, bureau, desk_for, visit
from jpki import messages
from jpki.errors import ConfigurationError, MissingExtraError, NumberNotAllowedError
from jpki.kiosk.flows.age_check import AgeCheck
from jpki.kiosk.flows.face_check import FaceCheck
from jpki.kiosk.flows.number_giving import NumberGiving
from jpki.kiosk.screens import Confirmation, Screen, screen_object
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.app import server_app
from jpki.kiosk.server.client import HttpServerHalf
from jpki.kiosk.server.half import Errand
from jpki.kiosk.server.local import LocalServer
from jpki.kiosk.server.terminals import Terminals, token_digest
from jpki.kiosk.server.wire import RequestMalformedError, errand_object, read_errand
from jpki.kiosk.visit import Close, Page
from jpki.mapping.policy import Operation
from jpki.mapping.policy_file import load_policy
from jpki.mapping.sitting import Asker
from jpki.open_flows import ACTORS, FLOWS, INVENTED, make_flows
from jpki.open_shelter import demo_office
from jpki.verdict import Outcome
from jpki.verifying import pdf, pdf_reading, xml, xml_reading
from jpki.verifying.document import DocumentFormat
from map_bench import NOW, ORIGIN
from map_cards import AtTheReader
from server_half import serving


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bureau]:
    made = bureau(tmp_path_factory.mktemp("bureau"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_handed(place: Bureau) -> None:
    place.handed.clear()


# What each flow hands over, and what it does not ---------------------------------------------


def test_the_number_is_handed_over_and_nowhere_else(
    place: Bureau, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulated = a_card("hanako")
    digits = emulated.pins()["number_a"]
    flow = place.flow("number_giving")
    visited = visit(place, flow, emulated, desk_for(emulated))
    (number,) = place.handed
    assert number.reveal() == digits
    told = repr([visited.ending, dict(visited.ending.values), number, vars(flow)]) + caplog.text
    assert digits not in told


@pytest.mark.parametrize("flow", [flow for flow in ACTORS if flow != "konbini"])
def test_nothing_of_the_person_is_logged_or_left_in_an_ending(
    place: Bureau, flow: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulated = a_card("hanako")
    visited = visit(place, place.flow(flow), emulated, desk_for(emulated))
    assert visited.ending.close is Close.DONE
    values = visited.ending.values
    told = f"{visited.ending!r} {dict(values)} {caplog.text}"
    own = {pin for pin in emulated.pins().values() if len(pin) > 4} | {"花子", "中里", "19800217"}
    assert [secret for secret in own if secret in told] == []


def test_what_the_number_is_for_is_said_before_the_pin(place: Bureau) -> None:
    pages: list[Page] = []

    class Reading(ScriptedDesk):
        def confirm(self, page: Page) -> bool:
            pages.append(page)
            return super().confirm(page)

    emulated = a_card("hanako")
    desk = desk_for(emulated, kind=Reading)
    visit(place, place.flow("number_giving"), emulated, desk)
    assert desk.asked == ["give_number", "pin_text"]
    lines = {line.label: line.value for line in pages[0].lines}
    assert lines["ground"] == "番号法9条1項別表"
    assert "個人番号利用事務実施者" in lines["receiver"]
    for language, words in (
        ("ja", "別表の事務"), (messages.EASY, "しんせい"), ("en", "a listed task"),
    ):  # fmt: skip
        shown = screen_object(Screen(1, Confirmation(pages[0])), language)["lines"]
        assert words in shown[0]["value"]


def test_without_a_ground_in_law_the_number_is_not_asked_for(place: Bureau) -> None:
    """Agreeing does not open it (番号法19条)."""
    flow = place.flow("number_giving", service="forms", purpose="fill-in-form")
    emulated = a_card("hanako")
    desk = desk_for(emulated)
    visited = visit(place, flow, emulated, desk)
    assert (visited.ending.close, visited.ending.code) == (Close.REFUSED, "refused")
    assert visited.ending.values["article"]
    assert desk.asked == []
    with pytest.raises(NumberNotAllowedError):
        NumberGiving(load_policy("counter"), {}, place.handed.append, role=" ", actor="terminal-1")


@pytest.mark.parametrize(("actor", "code"), [("register-01", "of_age"), ("web-1", "refused")])
def test_age_is_a_yes_or_a_no_and_for_those_only_who_may_ask(
    place: Bureau, actor: str, code: str
) -> None:
    emulated = a_card("hanako")
    desk = desk_for(emulated)
    flow = AgeCheck(load_policy("age"), place.trust.cv_keys, actor=actor)
    visited = visit(place, flow, emulated, desk)
    assert visited.ending.code == code
    assert desk.asked == (["pin_birth"] if code == "of_age" else [])
    if code == "of_age":
        assert visited.ending.values == {"years": 20}
    assert place.handed == []


@pytest.mark.parametrize(("years", "code"), [(46, "of_age"), (47, "under_age")])
def test_age_on_the_day_in_japan(place: Bureau, years: int, code: str) -> None:
    emulated = a_card("hanako")  # born on 1980-02-17
    flow = place.flow("age_check", years=years)
    assert visit(place, flow, emulated, desk_for(emulated)).ending.code == code


class _Looking(ScriptedDesk):
    """Remembers whether a photo was shown."""

    def __init__(self, **script: object) -> None:
        super().__init__(**script)  # type: ignore[arg-type]
        self.photos = 0

    def confirm(self, page: Page) -> bool:
        self.photos += page.image is not None and page.image.startswith(b"\x89PNG")
        return super().confirm(page)


@pytest.mark.parametrize(
    ("card", "keys", "yes", "code", "photos"),
    [
        ("hanako", True, {"face"}, "face_matches", 1),
        ("hanako", True, set(), "face_differs", 1),
        ("copied", True, {"face"}, "not_genuine", 0),
        ("forged", True, {"face"}, "not_genuine", 0),
        # No CA key known: the clerk is told that nobody can tell, and decides.
        ("hanako", False, {"face"}, "cancelled", 0),
        ("hanako", False, {"face", "face_not_known"}, "face_matches_not_known", 1),
    ],
)
def test_a_photo_is_shown_of_genuine_cards_or_with_the_truth_said(
    place: Bureau, card: str, keys: bool, yes: set[str], code: str, photos: int
) -> None:
    emulated = a_card(card)
    desk = desk_for(emulated, kind=_Looking, yes=frozenset(yes))
    cv_keys = place.trust.cv_keys if keys else {}
    flow = FaceCheck(load_policy("counter"), cv_keys, actor="staff-01")
    visited = visit(place, flow, emulated, desk)
    assert (visited.ending.code, desk.photos) == (code, photos)


@pytest.mark.parametrize("flow", ["form_filling", "number_giving", "age_check"])
def test_what_cannot_be_proven_is_not_handed_over(place: Bureau, flow: str) -> None:
    """Without the CA keys of the environment nobody can tell, so nothing leaves."""
    emulated = a_card("hanako")
    made = place.flow(flow)
    object.__setattr__(made, "_cv_keys", {})
    visited = visit(place, made, emulated, desk_for(emulated))
    assert visited.ending.code == "not_known"
    assert place.handed == []


@pytest.mark.parametrize("format", [DocumentFormat.PDF, DocumentFormat.XML])
def test_an_application_is_signed_and_verifies(place: Bureau, format: DocumentFormat) -> None:
    emulated = a_card("hanako")
    desk = desk_for(emulated)
    visited = visit(place, place.flow("application", format=format), emulated, desk)
    assert desk.asked == ["application", "will_sign", "sign_certificate", "pin_sign"]
    (signed,) = place.handed
    assert signed == visited.ending.document
    judge = place.judge(NOW)
    if format is DocumentFormat.PDF:
        verdict = pdf.verify_signatures(signed, pdf_reading.read_signatures(signed), judge)
    else:
        verdict = xml.verify_signatures(
            xml_reading.read_signatures(signed, lambda name: None), judge
        )
        assert "中里保育園" in signed.decode("utf-8")
    assert verdict.outcome is Outcome.VALID


def test_an_application_is_a_pdf_or_xml(place: Bureau) -> None:
    with pytest.raises(ValueError, match="PDF"):
        place.flow("application", format=DocumentFormat.CMS)


def test_evidence_lies_in_a_store_of_its_own(place: Bureau) -> None:
    emulated = a_card("driver")
    before = len(place.evidence.read("account", "contract 9"))
    visited = visit(place, place.flow("identity_proofing"), emulated, desk_for(emulated))
    assert visited.ending.values == {"reference": "contract 9"}
    kept = place.evidence.read("account", "contract 9")
    assert len(kept) == before + 1
    assert json.loads(kept[-1])["verdict"]["outcome"] == "valid"


def test_where_no_evidence_can_be_kept_nobody_enters_a_password(place: Bureau) -> None:
    half = LocalServer(place.map, terminal="staff-01", origin=ORIGIN, clock=place.clock)
    emulated = a_card("hanako")
    desk = desk_for(emulated)
    visited = visit(place, place.flow("identity_proofing", half), emulated, desk)
    assert (visited.ending.code, visited.tries) == ("server_refused", 0)
    assert desk.asked == ["sign_certificate"]


def test_each_service_knows_a_person_by_another_pseudonym(place: Bureau) -> None:
    emulated = a_card("library")
    found = set()
    for flow in ("library", "points", "staff"):
        visit(place, place.flow(flow), emulated, desk_for(emulated))
        found.add(place.half(ACTORS[flow]).pseudonym(place.handed[-1]))
    assert len(found) == 3
    assert None not in found


def test_a_guardian_agrees_to_a_childs_card(place: Bureau) -> None:
    emulated = a_card("child")
    desk = desk_for(emulated, choices={"whose_card": "child_card"})
    assert visit(place, place.flow("school"), emulated, desk).ending.close is Close.DONE
    assert desk.asked[:2] == ["whose_card", "guardian"]


# Re-reads at the counter (38条の4) -----------------------------------------------------------


def _bound(place: Bureau, name: str) -> None:
    """Registered and bound at the insurer's, and confirmed there once."""
    service, purpose = "eligibility", "confirm-eligibility"
    asker = Asker(actor="terminal-01", service=service, purpose=purpose)
    challenge = place.map.issue_challenge(
        Operation.ENROL, origin=ORIGIN, binds_card=True, service=service, purpose=purpose
    )
    holder = AtTheReader(name)
    presented = place.map.verify(holder.present(challenge))
    place.map.enrol(presented, asker, card=holder.binding(challenge))


@pytest.mark.parametrize(
    ("card", "bound", "code"),
    [
        ("hanako", True, "recognised"),
        ("hanako", False, "card_not_bound"),
        ("jiro-expired", False, "expired"),
        ("face-only", False, "card_not_bound"),
    ],
)
def test_a_reread_takes_no_pin(tmp_path: Path, card: str, bound: bool, code: str) -> None:
    place = bureau(tmp_path)
    if bound:
        _bound(place, card)
    emulated = a_card(card)
    desk = desk_for(emulated, choices={"confirm_by": "here_before"}, pins={})
    visited = visit(place, place.flow("eligibility"), emulated, desk)
    assert (visited.ending.code, visited.tries) == (code, 0)
    assert desk.asked == ["confirm_by"]
    assert len(place.handed) == (1 if code == "recognised" else 0)
    place.close()


def test_a_card_registered_without_binding_is_not_reread(place: Bureau) -> None:
    desk = desk_for(a_card("hanako"), choices={"confirm_by": "here_before"})
    visit(place, place.flow("eligibility"), a_card("hanako"), desk_for(a_card("hanako")))
    visited = visit(place, place.flow("eligibility"), a_card("hanako"), desk)
    assert visited.ending.code == "card_not_bound"


# Over the wire -------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["library", "eligibility", "identity_proofing"])
def test_through_the_server_half_over_http(tmp_path: Path, flow: str) -> None:
    place = bureau(tmp_path)
    token = "s" * 40
    app = server_app(place.half, Terminals({token_digest(token): ACTORS[flow]}))
    emulated = a_card("hanako")
    with serving(app) as url:
        half = HttpServerHalf(url, token)
        visited = visit(place, place.flow(flow, half), emulated, desk_for(emulated))
        assert visited.ending.close is Close.DONE
    place.close()


@pytest.mark.parametrize(
    ("member", "value"),
    [("operation", "erase"), ("operation", None), ("guardian", "yes"), ("reference", "x" * 101),
     ("reference", 7), ("service", "")],
)  # fmt: skip
def test_an_errand_that_is_none_is_refused(member: str, value: object) -> None:
    raw = errand_object(Errand("account", "identity-proofing", Operation.KEEP_EVIDENCE, "c 9"))
    assert read_errand(raw).reference == "c 9"
    with pytest.raises(RequestMalformedError) as caught:
        read_errand({**raw, member: value})
    assert caught.value.values["member"] == member


# First screens, words, pictures, settings ----------------------------------------------------

SETTINGS = {
    "flows": tuple(ACTORS), "server": "http://127.0.0.1:1", "token": "t" * 40,
    "policy": "konbini", "trust": "test",
}  # fmt: skip


def test_every_flow_says_why_by_which_article_and_what_else_there_is(tmp_path: Path) -> None:
    """In each way of speaking: the policy has the words, also the easy ones."""
    demo_office(tmp_path)  # which gives the desk of a shelter its keys
    made = make_flows({**SETTINGS, "flows": FLOWS, "desk": str(tmp_path)})
    assert list(made) == list(FLOWS)
    for flow, one in made.items():
        first = one.first_screen
        assert (first.flow, bool(first.article)) == (flow, True)
        assert set(first.title) == set(messages.SPOKEN)
        assert set(first.alternative_path) == set(messages.SPOKEN)
        for words in (first.title, first.alternative_path):
            assert not re.search("[\u4e00-\u9fff]", words[messages.EASY]), flow


def test_a_flow_stands_under_the_operators_policy_where_that_has_its_service(
    tmp_path: Path,
) -> None:
    preset = resources.files("jpki.mapping") / "presets" / "library.toml"
    own = tmp_path / "city.toml"
    own.write_text(
        re.sub('article = "[^"]*"', 'article = "61条"', preset.read_text("utf-8")), "utf-8"
    )
    made = make_flows({**SETTINGS, "flows": ("library", "points"), "policy": str(own)})
    assert made["library"].first_screen.article.endswith("61条")
    usual = make_flows({**SETTINGS, "flows": ("points",)})["points"].first_screen
    assert made["points"].first_screen == usual


def test_settings_that_name_no_flow_are_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_flows({**SETTINGS, "flows": ("tea",)})
    assert caught.value.code == "flow_unknown"


@pytest.mark.parametrize("flow", INVENTED)
def test_invented_forms_and_receivers_are_for_test_cards(flow: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_flows({**SETTINGS, "flows": (flow,), "trust": "production"})
    assert caught.value.code == "flow_invented"


def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, place: Bureau) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        place.flow("application")
