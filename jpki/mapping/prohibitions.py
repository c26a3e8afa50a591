# SPDX-License-Identifier: Apache-2.0
"""What no policy allows. Each prohibition is code, numbered, with the article it rests on.

They look at the request, and at the purpose only for the article it stands on; nothing that
a policy file can say switches one off.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jpki.card.my_number import has_check_digit
from jpki.mapping.policy import (
    HOLDER_OPERATIONS,
    NUMBER_OPERATIONS,
    ActorKind,
    Operation,
    Proof,
    Purpose,
    Role,
)
from jpki.mapping.request import Deed, Request, Step, StepOutcome

# Equal to a serial number: from each of them one gets to the same person.
SERIAL_LIKE = frozenset(
    {
        "serial", "certificate", "certificate_hash", "public_key", "key_id", "subject_cn",
        "token_serial", "card_serial", "handle",
    }
)  # fmt: skip
LICENCE_ITEMS = frozenset({"licence"})
_VERIFYING = frozenset({Role.SIGNATURE_VERIFIER, Role.PLATFORM_OPERATOR,
                        Role.AUTHENTICATION_VERIFIER, Role.SPECIAL_VERIFIER})  # fmt: skip
_WEAK = frozenset({Proof.NONE, Proof.TAP, Proof.RECHECK})
_TWELVE = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
RESIDENCE_ACTS = frozenset({"住基法", "住民基本台帳法"})


@dataclass(frozen=True, slots=True)
class Prohibition:
    """``hits`` tells whether a request runs into it; ``article`` is what it rests on."""

    number: str
    rule: str
    article: str
    code: str
    hits: Callable[[Request, Purpose | None], bool]

    def weigh(self, request: Request, purpose: Purpose | None) -> Step:
        """The step: failed where it hits, passed where it was weighed and does not."""
        outcome = StepOutcome.FAILED if self.hits(request, purpose) else StepOutcome.PASSED
        return self.step(outcome)

    @functools.cache  # noqa: B019 (a fixed handful of frozen values; every look-up weighs them all)
    def step(self, outcome: StepOutcome) -> Step:
        """The step of that outcome."""
        return Step(self.rule, self.article, outcome, self.code, self.number)


def _does(*deeds: Deed) -> Callable[[Request, Purpose | None], bool]:
    wanted = frozenset(deeds)

    def hits(request: Request, purpose: Purpose | None) -> bool:
        return bool(request.deeds & wanted)

    return hits


def _gives_serial(request: Request, purpose: Purpose | None) -> bool:
    given = Deed.SERIAL_AS_USER_ID in request.deeds or Deed.SERIAL_GIVEN in request.deeds
    return given or bool(request.items & SERIAL_LIKE)


def _exports(request: Request, purpose: Purpose | None) -> bool:
    return request.operation is Operation.EXPORT or bool(
        request.deeds & {Deed.BULK_EXPORT, Deed.REVOCATION_COPIED}
    )


def holds_number(request: Request) -> bool:
    """Whether a 個人番号 was typed where none may stand: as an actor, a document, an item.

    Twelve digits by themselves with a good check digit, full width or with separators, too.
    Longer runs of digits are left alone: a reference may have them.
    """
    free = (request.actor, request.document, request.receiver, *request.items)
    return any(has_number(text) for text in free)


def has_number(text: str) -> bool:
    """Whether a run of exactly twelve digits in ``text`` could be a 個人番号."""
    plain = re.sub(r"(?<=\d{4})[ \-‐－・](?=\d{4})", "", unicodedata.normalize("NFKC", text))
    return any(has_check_digit(run) for run in _TWELVE.findall(plain))


def _number_in_map(request: Request, purpose: Purpose | None) -> bool:
    if Deed.NUMBER_IN_MAP in request.deeds or holds_number(request):
        return True
    return "number" in request.items and request.operation not in (
        *NUMBER_OPERATIONS,
        Operation.READ_ITEMS,
    )


def _keeps_certificate(request: Request, purpose: Purpose | None) -> bool:
    kept = Deed.CERTIFICATE_KEPT in request.deeds
    return kept and request.operation is not Operation.KEEP_EVIDENCE


def _goes_direct(request: Request, purpose: Purpose | None) -> bool:
    return Deed.DIRECT_TO_JLIS in request.deeds and request.role not in _VERIFYING


def _mixes(request: Request, purpose: Purpose | None) -> bool:
    both = (request.environment, request.map_environment)
    return Deed.ENVIRONMENTS_MIXED in request.deeds or (None not in both and both[0] != both[1])


def _without_pin(request: Request, purpose: Purpose | None) -> bool:
    if request.role is Role.SPECIAL_VERIFIER and Deed.PIN_LEFT_OUT not in request.deeds:
        return False
    return Deed.PIN_LEFT_OUT in request.deeds or request.proof is Proof.FACE


def _weak_opens(request: Request, purpose: Purpose | None) -> bool:
    closed = (Operation.LINK, Operation.DISCLOSE, Operation.ERASE, Operation.CONSENT)
    return request.operation in closed and request.proof in _WEAK


def _online_without_signature(request: Request, purpose: Purpose | None) -> bool:
    """A request for a 住民票の写し from elsewhere than a terminal needs a signature."""
    basis = purpose.legal_basis if purpose else None
    if purpose is None or basis is None or basis.act not in RESIDENCE_ACTS:
        return False
    if not basis.article.startswith("12条") or basis.article.startswith("12条の"):
        return False
    kind = request.channel or purpose.kind_of(request.actor)
    asks = request.operation in (Operation.ENROL, Operation.RESOLVE)
    at_hand = kind in (ActorKind.TERMINAL, ActorKind.STAFF)
    return asks and not at_hand and request.proof is not Proof.SIGN


def _licence_beyond(request: Request, purpose: Purpose | None) -> bool:
    more = bool(request.items & LICENCE_ITEMS) and not request.items <= LICENCE_ITEMS
    return more or Deed.LICENCE_BEYOND in request.deeds


def _child_signs(request: Request, purpose: Purpose | None) -> bool:
    holder = request.operation in HOLDER_OPERATIONS
    return request.minor and holder and request.proof is Proof.SIGN


_SERIAL = "技術的基準31条3項"
_JPKI = "公的個人認証法"
_NUMBER = "番号法"

PROHIBITIONS: tuple[Prohibition, ...] = (
    Prohibition("P1", "R1", _SERIAL, "serial_given", _gives_serial),
    Prohibition("P2", "R1", f"{_JPKI}63条", "lookup_by_serial", _does(Deed.LOOKUP_BY_SERIAL)),
    Prohibition("P3", "R4", _SERIAL, "services_joined", _does(Deed.SERVICES_JOINED)),
    Prohibition("P4", "R1", _SERIAL, "derived_code", _does(Deed.DERIVED_CODE_GIVEN)),
    Prohibition("P5", "R17", f"{_NUMBER}20条", "number_in_map", _number_in_map),
    Prohibition("P5a", "R17", f"{_NUMBER}2条8項", "number_derived", _does(Deed.NUMBER_DERIVED)),
    Prohibition("P5b", "R8", f"{_NUMBER}19条", "number_joins", _does(Deed.NUMBER_JOINS)),
    Prohibition("P6", "R1", f"{_JPKI}52条1項", "bulk_export", _exports),
    Prohibition("P7", "R2", f"{_JPKI}19条", "key_other_use", _does(Deed.KEY_OTHER_USE)),
    Prohibition("P8", "R2", f"{_JPKI}50条", "certificate_kept", _keeps_certificate),
    Prohibition("P9", "R2", f"{_JPKI}施行規則29条1項", "direct_to_jlis", _goes_direct),
    Prohibition("P10", "R12", f"{_JPKI}19条", "revocation_undone", _does(Deed.REVOCATION_UNDONE)),
    Prohibition("P11", "R9", f"{_JPKI}50条", "environments_mixed", _mixes),
    Prohibition("P12", "R2", f"{_JPKI}19条", "profile_unknown", _does(Deed.PROFILE_UNKNOWN)),
    Prohibition("P13", "R10", f"{_JPKI}施行規則64条の3", "without_pin", _without_pin),
    Prohibition("P14", "R10", f"{_JPKI}38条2項", "weak_proof", _weak_opens),
    Prohibition("P15", "R15", "情報通信技術活用法6条1項", "online_needs_signature",
                _online_without_signature),
    Prohibition("P16", "R10", f"{_JPKI}施行規則64条の3", "body_as_key", _does(Deed.BODY_AS_KEY)),
    Prohibition("P17", "R10", f"{_NUMBER}2条7項", "other_device",
                _does(Deed.WEARABLE, Deed.SECOND_CARD, Deed.CARD_CHANGED)),
    Prohibition("P18", "R17", f"{_NUMBER}16条", "face_matched", _does(Deed.FACE_MATCHED)),
    Prohibition("P19", "R17", f"{_NUMBER}16条", "photo_register", _does(Deed.PHOTO_REGISTER)),
    Prohibition("P20", "R13", f"{_NUMBER}18条", "licence_beyond", _licence_beyond),
    Prohibition("P21", "R14", f"{_JPKI}3条", "child_signs", _child_signs),
    Prohibition("P22", "R2", f"{_JPKI}2条", "other_credential", _does(Deed.OTHER_CREDENTIAL)),
)  # fmt: skip

BY_NUMBER: Mapping[str, Prohibition] = {p.number: p for p in PROHIBITIONS}


def weigh_all(request: Request, purpose: Purpose | None) -> tuple[Step, ...]:
    """Every prohibition, in order of its number."""
    return tuple(p.weigh(request, purpose) for p in PROHIBITIONS)
