# SPDX-License-Identifier: Apache-2.0
"""基本情報自動入力 (U1): the items a form needs, from the card into the form, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from jpki import messages
from jpki.card.authenticity import CvKeys
from jpki.card.text_records import TextAttributes
from jpki.dates import japanese_date
from jpki.kiosk.flows.common import Place, demand_yes
from jpki.kiosk.flows.reading import read_attributes
from jpki.kiosk.visit import Close, Ending, FirstScreen, Line, Page, Visit
from jpki.mapping.policy import Operation, Policy

ITEMS: Final = ("name", "address", "birth", "sex")


@dataclass(frozen=True, slots=True)
class Form:
    """A form to be filled in. ``items``: those of ITEMS that it has a place for."""

    title: str
    items: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.items or not set(self.items) <= set(ITEMS):
            raise ValueError("a form names the items it needs")


Deliver = Callable[[Form, Mapping[str, str]], bytes | None]
"""Takes the values of a form, by item. What it returns (PDF) is handed to the person."""


class FormFilling:
    """Fills a form in from the card, once the data are proven to be a municipality's."""

    id = "form_filling"

    def __init__(
        self, policy: Policy, cv_keys: CvKeys, form: Form, deliver: Deliver, *, actor: str
    ) -> None:
        self._place = Place(policy, "forms", "fill-in-form", actor)
        self._cv_keys = cv_keys
        self._form = form
        self._deliver = deliver
        self.first_screen: FirstScreen = self._place.first_screen(self.id)

    def run(self, visit: Visit) -> Ending:
        """As the Protocol has it."""
        self._place.demand(visit, Operation.READ_ITEMS, self._form.items)
        read = read_attributes(visit, self._cv_keys)
        if isinstance(read, Ending):
            return read
        values = values_of(read, self._form.items)
        lines = tuple(_shown(item, value) for item, value in values.items())
        demand_yes(visit, Page("form_filled", lines))
        document = self._deliver(self._form, values)
        media_type = "" if document is None else "application/pdf"
        return Ending(Close.DONE, "form_filled", {}, document, media_type)


def values_of(read: TextAttributes, items: tuple[str, ...]) -> dict[str, str]:
    """The items as text, in the order asked for; an unknown code for the sex stays empty."""
    sex = "" if read.sex is None else messages.text(f"value.sex.{read.sex.value}", "ja")
    every = {"name": read.name, "address": read.address, "birth": str(read.birth), "sex": sex}
    return {item: every[item] for item in items}


def printed_entries(values: Mapping[str, str]) -> dict[str, str]:
    """The values as a Japanese form prints them: by their labels, the day of birth by its era."""
    return {
        messages.text(f"kiosk.line.{item}", "ja"): _by_era(value) if item == "birth" else value
        for item, value in values.items()
    }


def _shown(item: str, value: str) -> Line:
    if item != "birth":
        return Line(item, value)
    return Line(item, {"ja": _by_era(value), messages.EASY: value, "en": value})


def _by_era(day: str) -> str:
    """``昭和55年2月17日`` for ``1980-02-17``; a day of which a part is unknown stays as it is."""
    try:
        return japanese_date(date.fromisoformat(day))
    except ValueError:
        return day
