# SPDX-License-Identifier: Apache-2.0
"""What ``card read`` reads, and with which PINs, worked out before a card is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jpki.card_map import PIN_HOME, TEXT_AP, Application, PinKind
from jpki_cli.clicks import UsageFault

FIELDS = ("name", "birth", "sex", "address")
IMAGES = ("name", "address", "photo", "security-code")
WHAT = (
    "attributes", *FIELDS, "number", "face", "photo", "age", "licence", "certificates", "all",
)  # fmt: skip

# Which PINs open what. Source: the card map.
OPENS_ATTRIBUTES = frozenset({PinKind.TEXT, PinKind.NUMBER_B})
OPENS_NUMBER = frozenset({PinKind.TEXT, PinKind.NUMBER_A})
OPENS_FACE = frozenset({PinKind.NUMBER_A, PinKind.NUMBER_B})
OPENS_NUMBER_IMAGE = frozenset({PinKind.NUMBER_A})
OPENS_AGE = frozenset({PinKind.BIRTH})
OPENS_LICENCE = frozenset({PinKind.LICENCE})
_TEXT_ONLY = frozenset({PinKind.TEXT})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read, and with which PINs, in order.

    ``fields`` empty: no attributes. ``images``: of the card face, by name; ``details``: its
    dates and sex. ``at_least``: only the answer leaves. ``secure``: text records are read
    encrypted. ``asterisks``: for a licence without a PIN.
    """

    fields: tuple[str, ...]
    number: bool
    certificates: bool
    everything: bool
    pins: tuple[PinKind, ...]
    images: tuple[str, ...] = ()
    details: bool = False
    number_image: bool = False
    age: bool = False
    at_least: int | None = None
    secure: bool = False
    licence: bool = False
    asterisks: bool = False

    @property
    def face(self) -> bool:
        """Whether the card face is read."""
        return bool(self.images)

    @property
    def begins(self) -> Application | None:
        """The application that is read first; None: one that needs no PIN."""
        first = next(iter(self.pins), None)
        return None if first is None else self.home(first) or PIN_HOME[first]

    def home(self, kind: PinKind) -> Application | None:
        """Where a PIN is presented; None: where it is at home.

        照合番号 exist in two applications. One entry is one VERIFY in one of them: the
        surface application if anything of it is read, else the text application.
        """
        text = kind in OPENS_FACE and not self.face and (self.fields or self.number)
        return TEXT_AP if text else None


def plan_for(
    what: Sequence[str], given: list[PinKind], *, number: bool, at_least: int | None = None
) -> Plan:
    """What the words ask for. Raises UsageFault for what does not fit together."""
    if at_least is not None and (tuple(what) != ("age",) or number):
        raise UsageFault("usage_at_least_alone")
    if "all" in what:
        if len(what) > 1:
            raise UsageFault("usage_all_alone")
        return _everything(given, number)
    fields = FIELDS if "attributes" in what else tuple(f for f in FIELDS if f in what)
    images = IMAGES if "face" in what else ("photo",) if "photo" in what else ()
    with_text = not images or bool(fields) or PinKind.TEXT in given
    plan = Plan(
        fields=fields,
        number="number" in what or (number and with_text),
        certificates="certificates" in what,
        everything=False,
        pins=tuple(given),
        images=images,
        details="face" in what,
        number_image=number and "face" in what,
        age="age" in what,
        at_least=at_least,
        licence="licence" in what,
    )
    if number and not plan.number and not plan.number_image:
        raise UsageFault("usage_with_opens", record="number", needed="text")
    return _opened(plan if given else _with_defaults(plan))


def secured(plan: Plan) -> Plan:
    """The same with secure messaging, which begins with the text PIN and is for text records.

    A reference number that opens them before that would read them in the clear: refused.
    """
    from dataclasses import replace

    first = next((k for k in plan.pins if k is PinKind.TEXT or plan.home(k) is TEXT_AP), None)
    if first is not PinKind.TEXT or not (plan.fields or plan.number):
        raise UsageFault("usage_secure_needs_text")
    return replace(plan, secure=True)


def _everything(given: list[PinKind], number: bool) -> Plan:
    """``all``: what is free, and what the PINs that were named open."""
    pins = set(given)
    face = bool(OPENS_FACE & pins)
    if number and not OPENS_NUMBER & pins:
        raise UsageFault("usage_with_opens", record="number", needed="number-a, text")
    return Plan(
        fields=FIELDS if PinKind.TEXT in pins else (),
        number=number and PinKind.TEXT in pins,
        certificates=True,
        everything=True,
        pins=tuple(given),
        images=IMAGES if face else (),
        details=face,
        number_image=number and PinKind.NUMBER_A in pins,
        age=PinKind.BIRTH in pins,
        licence=PinKind.LICENCE in pins,
    )


def _with_defaults(plan: Plan) -> Plan:
    """The PINs that go with what is asked for, where ``--with`` names none."""
    from dataclasses import replace

    pins: list[PinKind] = []
    if plan.fields or plan.number:
        pins.append(PinKind.TEXT)
    if plan.face:
        pins.append(PinKind.NUMBER_A)
    if plan.age:
        pins.append(PinKind.BIRTH)
    if plan.licence:
        pins.append(PinKind.LICENCE)
    return replace(plan, pins=tuple(pins))


def _opened(plan: Plan) -> Plan:
    """The plan, if its PINs open all that it asks for."""
    pins = set(plan.pins)
    for wanted, record, opens in (
        (bool(plan.fields), "attributes", OPENS_ATTRIBUTES),
        (plan.number, "number", OPENS_NUMBER),
        (plan.face, "face", OPENS_FACE),
        (plan.number_image, "number-image", OPENS_NUMBER_IMAGE),
        (plan.age, "age-record", OPENS_AGE),
        (plan.licence, "licence", OPENS_LICENCE),
    ):
        if not wanted:
            continue
        if not opens & pins:
            needed = ", ".join(sorted(kind.value for kind in opens))
            raise UsageFault("usage_with_opens", record=record, needed=needed)
        if plan.face and record in ("attributes", "number") and not _TEXT_ONLY & pins:
            words = "face" if plan.details else "photo"
            raise UsageFault("usage_one_application", record=record, surface=words)
    return plan
