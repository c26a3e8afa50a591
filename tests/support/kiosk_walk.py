# SPDX-License-Identifier: Apache-2.0
"""A walk through the screens of コンビニ交付, and what is kept of a screen to compare it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kiosk_page import PINS, Browser, Kiosk

Box = tuple[str, int, int, int, int]
TOLERANCE = 24  # pixels: fonts are drawn a little differently from machine to machine


def start(kiosk: Kiosk, browser: Browser, language: str) -> None:
    """An empty reader, the page loaded anew, in this language."""
    kiosk.order("pull")
    browser.driver.get(kiosk.url)
    browser.screen("waiting")
    browser.speak(language)


def put_down(kiosk: Kiosk, browser: Browser, card: str = "hanako", flow: str = "konbini") -> None:
    """A card on the reader, up to the flow's first question."""
    assert kiosk.order("insert", card).status == 204
    browser.one("[data-option]")
    if browser.all(f"[data-option='{flow}']"):
        browser.press(f"[data-option='{flow}']")


def up_to_pin(kiosk: Kiosk, browser: Browser, card: str = "hanako") -> None:
    """As ``put_down``, and 住民票の写し chosen."""
    put_down(kiosk, browser, card)
    browser.press("[data-option='residence']")
    browser.screen("pin")


def up_to_document(browser: Browser) -> None:
    """From the PIN to the document, which is paid for."""
    browser.enter("1234")
    browser.screen("confirm")
    browser.press(".strong")
    browser.one("#document")


def screens(kiosk: Kiosk, browser: Browser) -> Iterator[str]:
    """Goes from screen to screen; the name of each while it is shown."""
    yield "waiting"
    kiosk.order("insert", "hanako")
    browser.one("[data-option='konbini']")
    yield "flows"
    browser.press("[data-option='konbini']")
    browser.one("[data-option='residence']")
    yield "choice"
    browser.press("[data-option='residence']")
    browser.screen("pin")
    yield "pin"
    browser.enter("9999")
    browser.screen("failed")
    yield "wrong"
    kiosk.order("pull")
    up_to_pin(kiosk, browser)
    browser.enter("1234")
    browser.screen("confirm")
    yield "fee"
    browser.press(".strong")
    browser.one("#document")
    yield "done"
    up_to_pin(kiosk, browser, "forged")
    browser.enter("1234")
    browser.screen("refused")
    yield "refused"
    kiosk.order("insert", "hanako")
    browser.one("[data-option='konbini']")
    kiosk.order("also", "child")
    browser.screen("failed")
    yield "two"
    kiosk.order("lose")
    browser.screen("reader_lost")
    yield "lost"
    kiosk.order("pull")
    browser.screen("waiting")


def kept(browser: Browser) -> list[Box]:
    """What is kept of the screen. Numbers and times of a document vary: digits are ``#``."""
    return [(re.sub("[0-9a-f]{16}|[0-9]", "#", text), *box) for text, *box in browser.seen()]  # type: ignore[misc]


def differences(was: list[Box], now: list[Box]) -> list[str]:
    """What a person would see: other texts, or the same elsewhere."""
    texts = [[entry[0] for entry in side] for side in (was, now)]
    if texts[0] != texts[1]:
        return [f"{texts[0]} -> {texts[1]}"]
    return [
        f"{new[0]!r}: {old[1:]} -> {new[1:]}"
        for old, new in zip(was, now, strict=True)
        if any(abs(a - b) > TOLERANCE for a, b in zip(old[1:], new[1:], strict=True))
    ]


def answer_somehow(browser: Browser, kind: str, wanted: str = "") -> None:
    """Go on from a screen of this kind: the option wanted, or the first; ``hanako``'s PIN; yes."""
    if kind == "question":
        wished = f"[data-option='{wanted}']"
        browser.press(wished if browser.all(wished) else "[data-option]")
    elif kind != "pin":
        browser.press(".row .strong")
    elif browser.all(".letters"):
        browser.enter("ABC123")
    else:
        fitting = browser.script("return current.most")
        browser.enter(PINS[fitting])
