# SPDX-License-Identifier: Apache-2.0
"""避難所チェックイン (U7, R11): who is here, for the city; for others by the person's own word.

Nobody is looked for, and no name is entered. A viewer gives the person a code beforehand; the
person names who has it, and says at each check-in which of them may know.
"""

from __future__ import annotations

import json

from jpki.card.authenticity import CvKeys
from jpki.card.text_records import TextAttributes
from jpki.card_map import PinKind
from jpki.certificate.kinds import Family
from jpki.kiosk.endings import ending_of_refusal, ending_without_pin
from jpki.kiosk.flows.common import Place, demand_certificate, first_screen_of
from jpki.kiosk.flows.reading import read_attributes
from jpki.kiosk.shelter.codes import DIGITS, is_code
from jpki.kiosk.shelter.desk import ShelterDesk
from jpki.kiosk.shelter.half import SERVICE, Deed, Mark, Outcome, Receipt, Relation, Told
from jpki.kiosk.shelter.local import ANSWER, CHECK_IN
from jpki.kiosk.shelter.watch_half import WatchTold
from jpki.kiosk.visit import Close, Ending, Line, Option, Page, Question, Visit
from jpki.mapping.card_answer import TapEvidence, read_tap
from jpki.mapping.policy import Policy, Proof
from jpki.verifying.challenge import Challenge, Response
from jpki.verifying.login import demand_in_time, respond

_ACTIONS = ("check_in", "leave", "ask", "mark", "name", "forget", "asked")
_NO_WORD = "–"
_LISTED = ("name", "birth", "sex_code", "address")


class Shelter:
    """Checks in, and answers those whom the person named. ``cv_keys``: of 券面 data."""

    id = "shelter"

    def __init__(self, desk: ShelterDesk, policy: Policy, cv_keys: CvKeys) -> None:
        self._desk = desk
        self._cv_keys = cv_keys
        place = Place(policy, SERVICE, CHECK_IN)
        answers = Place(policy, SERVICE, ANSWER)
        self.first_screen = first_screen_of(self.id, (place, answers))
        self._proofs = ("auth", "tap") if Proof.TAP in place.found().accept else ("auth",)

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        match choose(visit, "shelter_action", _ACTIONS, pictures=True):
            case "check_in":
                return self._check_in(visit, leaving=False)
            case "leave":
                return self._check_in(visit, leaving=True)
            case "mark":
                mark = Mark(choose(visit, "shelter_mark", tuple(Mark), pictures=True))
                return self._mark(visit, mark)
            case "name":
                return self._name(visit)
            case "forget":
                return ending_of_told(self._tell(visit, Deed.FORGET), "shelter_forgotten")
            case "ask":
                return self._ask(visit)
            case _:
                return self._asked(visit)

    def _check_in(self, visit: Visit, *, leaving: bool) -> Ending:
        listed = not leaving and self._desk.keys.city is not None
        proof = choose(visit, "shelter_proof", (*self._proofs, *(("text",) if listed else ())))
        if proof == "text":
            found = read_attributes(visit, self._cv_keys)
            if isinstance(found, Ending):
                return found
            entry = self._desk.listed(_list_entry(found))
        else:
            shared = frozenset[Relation]() if leaving else _shared(visit)
            visit.desk.progress("ask_server", 0, 2)
            challenge = self._desk.challenge()
            evidence = answer(visit, challenge) if proof == "auth" else tap(visit, challenge)
            entry = self._desk.entry(evidence, shared=shared, leaving=leaving)
        visit.desk.progress("ask_server", 1, 2)
        receipt = self._desk.check_in(entry)
        visit.desk.progress("ask_server", 2, 2)
        ending = _ending_of_receipt(receipt)
        return ending_without_pin(ending) if proof == "tap" else ending

    def _mark(self, visit: Visit, mark: Mark) -> Ending:
        told = self._tell(visit, Deed.MARK, mark=mark)
        if told.outcome is Outcome.DONE:
            show_code(visit, "shelter_code", told.code)
        return ending_of_told(told, "shelter_code_given")

    def _name(self, visit: Visit) -> Ending:
        relation = Relation(choose(visit, "shelter_relation", tuple(Relation)))
        code = ask_code(visit)
        if not is_code(code):
            return Ending(Close.FAILED, "code_unknown")
        return ending_of_told(
            self._tell(visit, Deed.NAME, code=code, relation=relation), "shelter_named"
        )

    def _ask(self, visit: Visit) -> Ending:
        told = self._tell(visit, Deed.ASK)
        if told.outcome is Outcome.DONE:
            lines = [Line(f"mark_{mark}", told.places.get(mark) or _NO_WORD) for mark in Mark]
            visit.desk.show(Page("shelter_answer", tuple(lines)))
        return ending_of_told(told, "shelter_answered")

    def _asked(self, visit: Visit) -> Ending:
        told = self._tell(visit, Deed.ASKED)
        if told.outcome is Outcome.DONE:
            lines = [Line(f"relation_{who}", at.strftime("%m-%d %H:%M")) for who, at in told.asked]
            visit.desk.show(Page("shelter_asked", tuple(lines)))
        return ending_of_told(told, "shelter_answered")

    def _tell(
        self,
        visit: Visit,
        deed: Deed,
        *,
        mark: Mark | None = None,
        code: str = "",
        relation: Relation | None = None,
    ) -> Told:
        visit.desk.progress("ask_server", 0, 2)
        response = answer(visit, self._desk.half.shelter_challenge(deed))
        visit.desk.progress("ask_server", 1, 2)
        told = self._desk.half.tell(deed, response, mark=mark, code=code, relation=relation)
        visit.desk.progress("ask_server", 2, 2)
        return told


def answer(visit: Visit, challenge: Challenge, family: Family = Family.AUTH) -> Response:
    """A challenge answered with a certificate and its PIN. Raises as ``common.login`` does."""
    demand_in_time(challenge, visit.clock())
    demand_certificate(visit, family)
    pin = visit.ask_pin(PinKind.SIGN if family is Family.SIGN else PinKind.AUTH)
    visit.desk.progress("sign", 0, 2)
    return respond(visit.card, challenge, pin, now=visit.clock(), family=family)


def tap(visit: Visit, challenge: Challenge) -> TapEvidence:
    """A challenge answered without a PIN, by a card that was bound before."""
    visit.desk.progress("sign", 0, 2)
    return read_tap(visit.card, challenge, now=visit.clock())


def ask_code(visit: Visit) -> str:
    """Eight digits, one after the other: a terminal has no keyboard."""
    digits = tuple(f"digit_{digit}" for digit in range(10))
    return "".join(choose(visit, f"digit_{place}", digits)[-1] for place in range(1, DIGITS + 1))


def show_code(visit: Visit, page: str, code: str) -> None:
    """A code, to be told to somebody."""
    visit.desk.show(Page(page, (Line("code", f"{code[:4]} {code[4:]}"),)))


def choose(visit: Visit, code: str, options: tuple[str, ...], *, pictures: bool = False) -> str:
    """One of these options; ``pictures``: each has one of its name."""
    shown = (Option(str(each), str(each) if pictures else "") for each in options)
    return visit.desk.choose(Question(code, tuple(shown)))


def _shared(visit: Visit) -> frozenset[Relation]:
    """Who may know, by the person's own yes to each; without one the city only."""
    if choose(visit, "shelter_share", ("city_only", "share_with")) == "city_only":
        return frozenset()
    return frozenset(each for each in Relation if visit.desk.confirm(Page(f"share_{each}")))


def _list_entry(found: TextAttributes) -> bytes:
    """What stands on the city's paper list."""
    members = {name: str(getattr(found, name)) for name in _LISTED}
    return json.dumps(members, ensure_ascii=False).encode("utf-8")


def _ending_of_receipt(receipt: Receipt | None) -> Ending:
    if receipt is None:
        return Ending(Close.DONE, "shelter_queued")
    return ending_of_told(receipt, f"shelter_{receipt.outcome.value}")


def ending_of_told(told: Receipt | Told | WatchTold, done: str) -> Ending:
    """``done`` names the words of what came about."""
    match told.outcome:
        case Outcome.DONE | Outcome.CHECKED_IN | Outcome.LEFT | Outcome.LISTED:
            return Ending(Close.DONE, done)
        case Outcome.UNREGISTERED | Outcome.STALE:
            return Ending(Close.REFUSED, told.outcome.value, {"reason": told.reason})
        case Outcome.CODE_UNKNOWN:
            return Ending(Close.FAILED, "code_unknown")
        case Outcome.REFUSED:
            return ending_of_refusal(told.reason, told.rule, told.article)
        case _:
            return Ending(Close.FAILED, "internal")
