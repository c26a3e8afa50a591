# SPDX-License-Identifier: Apache-2.0
"""Screens of a presentation as a page gets them: words in its language, and what may be answered.

Every word comes from the catalogues; a page adds none.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jpki import messages
from jpki.kiosk.receipt import receipt
from jpki.kiosk.visit import Ending, Page, Question


@dataclass(frozen=True, slots=True)
class PinEntry:
    """A PIN is wanted. ``kind`` names it; ``least`` and ``most`` characters; ``digits``: no
    letters in it."""

    kind: str
    attempts_left: int | None
    least: int
    most: int
    digits: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """A step under way: ``done`` of ``total``."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A page with yes and no."""

    page: Page = field(repr=False)


Content = Question | PinEntry | Progress | Confirmation | Page | Ending | None


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen. ``number`` counts up: an answer names the one it answers."""

    number: int
    content: Content = field(repr=False)


def screen_object(screen: Screen, language: str) -> dict[str, Any]:
    """The screen as members, with words. Holds what is personal: for the page alone."""
    return {"number": screen.number, **_content(screen.content, language)}


def _content(content: Content, language: str) -> dict[str, Any]:
    match content:
        case Question():
            return _question(content, language)
        case PinEntry():
            return _pin(content, language)
        case Progress():
            return _progress(content, language)
        case Confirmation():
            return {**_page(content.page, language), "kind": "confirm"}
        case Page():
            return {**_page(content, language), "kind": "page"}
        case Ending():
            return _ending(content, language)
        case None:
            return _progress(Progress("look", 0, 1), language)


def _progress(progress: Progress, language: str) -> dict[str, Any]:
    return {
        "kind": "progress",
        "title": messages.text(f"kiosk.step.{progress.step}", language),
        "note": messages.text("kiosk.state_note.working", language),
        "done": progress.done,
        "total": progress.total,
    }


def _question(question: Question, language: str) -> dict[str, Any]:
    return {
        "kind": "question",
        "title": messages.text(f"kiosk.question.{question.code}", language, **question.values),
        "options": [
            {
                "id": option.id,
                "words": messages.text(f"kiosk.option.{option.id}", language),
                "picture": option.picture,
            }
            for option in question.options
        ],
    }


def _pin(entry: PinEntry, language: str) -> dict[str, Any]:
    values: dict[str, object] = {"kind": entry.kind}
    if entry.attempts_left is not None:
        values["attempts_left"] = entry.attempts_left
    known = "kiosk.pin_tries" if entry.attempts_left is not None else "kiosk.pin_tries_unknown"
    return {
        "kind": "pin",
        "title": messages.text(f"kiosk.pin.{entry.kind}", language, **values),
        "note": messages.text(known, language, **values),
        "least": entry.least,
        "most": entry.most,
        "digits": entry.digits,
    }


def _page(page: Page, language: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "title": messages.text(f"kiosk.page.{page.code}", language),
        "lines": [
            {
                "label": messages.text(f"kiosk.line.{line.label}", language),
                "value": line.value if isinstance(line.value, str) else said(line.value, language),
            }
            for line in page.lines
        ],
    }
    if page.image is not None:
        shown["image"] = base64.b64encode(page.image).decode("ascii")
    return shown


def _ending(ending: Ending, language: str) -> dict[str, Any]:
    values: Mapping[str, object] = ending.values
    return {
        "kind": "ending",
        "close": ending.close.value,
        "code": ending.code,
        "title": messages.text(f"kiosk.close.{ending.close.value}", language),
        "note": messages.text(f"kiosk.ending.{ending.code}", language, **values),
        "receipt": receipt(ending, language),
        "document": _document(ending, language),
    }


def _document(ending: Ending, language: str) -> dict[str, str] | None:
    """What is handed over: its type, the words of the button that takes it, a name for a file."""
    if ending.document is None:
        return None
    take = f"kiosk.take.{ending.code}"
    key = take if messages.has(take) else "kiosk.take.any"
    suffix = ending.media_type.rpartition("/")[2]
    return {
        "media_type": ending.media_type,
        "words": messages.text(key, language, format=suffix.upper()),
        "name": f"document.{suffix}",
    }


def said(words: Mapping[str, str], language: str) -> str:
    """What a policy says, in the language nearest to the person's; "" where it says nothing."""
    near = (language, "ja" if language == messages.EASY else "en", *words)
    return next((words[each] for each in near if words.get(each)), "")
