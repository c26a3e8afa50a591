# SPDX-License-Identifier: Apache-2.0
"""Every screen of the terminal in a real browser, in each language: seen, measured, compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from jpki import messages
from jpki.open_flows import FLOWS
from kiosk_page import LANGUAGES, Browser, Kiosk, axe_violations, layout_faults
from kiosk_walk import answer_somehow, differences, kept, put_down, screens, start, up_to_pin

FIXTURE = Path(__file__).parents[2] / "fixtures" / "kiosk" / "screens.json"
EXPECTED: dict[str, dict[str, Any]] = json.loads(FIXTURE.read_text(encoding="utf-8"))

pytestmark = pytest.mark.xdist_group("kiosk-screens")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def kiosk() -> Iterator[Kiosk]:
    with Kiosk("--demo", "--reader", "virtual:") as running:
        yield running


@pytest.fixture(scope="module")
def short() -> Iterator[Kiosk]:
    """A terminal that waits for nobody long."""
    with Kiosk("--demo", "--reader", "virtual:", "--idle", "2", "--left", "0.5") as running:
        yield running


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen(kiosk: Kiosk, browser: Browser, language: str) -> None:
    start(kiosk, browser, language)
    found: dict[str, list[str]] = {}
    for name in screens(kiosk, browser):
        faults = [*layout_faults(browser), *axe_violations(browser)]
        faults += differences(EXPECTED[language][name], kept(browser))
        if browser.script("return document.activeElement.id") != "title":
            faults.append("the heading has no focus")
        found[name] = faults
    assert set(found) == set(EXPECTED[language])
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert browser.errors() == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_laptop_shows_every_screen_whole(kiosk: Kiosk, browser: Browser, language: str) -> None:
    """Smaller than a terminal's screen: smaller letters, and still nothing to scroll."""
    browser.screen_size(1366, 768)
    try:
        start(kiosk, browser, language)
        found = {name: layout_faults(browser, 16) for name in screens(kiosk, browser)}
    finally:
        browser.screen_size(1920, 1080)
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_what_happens_meanwhile_is_said(kiosk: Kiosk, browser: Browser) -> None:
    """Screens that pass too fast to be looked at, and at times too fast to be drawn."""
    start(kiosk, browser, "en")
    missing = {
        messages.text(f"kiosk.step.{step}", "en") for step in ("sign", "ask_server", "issue")
    }
    for _ in range(5):
        up_to_pin(kiosk, browser)
        browser.enter("1234")
        browser.screen("confirm")
        browser.press(".strong")
        browser.one("#document")
        missing -= set(browser.script("return seenTitles"))
        kiosk.order("pull")
        browser.screen("waiting")
        if not missing:
            break
    assert missing == set()


def test_the_pad(kiosk: Kiosk, browser: Browser) -> None:
    """Zero in the middle of the last row; shuffled on wish; a keyboard does the same."""
    start(kiosk, browser, "en")
    up_to_pin(kiosk, browser)
    keys = [key.text for key in browser.all(".pad button")]
    assert keys == [*"123456789", "Clear all", "0", "Back one"]
    orders = {tuple(keys)}
    for _ in range(4):
        browser.press("#mix")
        assert sorted(key.text for key in browser.all(".key")) == [*"0123456789"]
        orders.add(tuple(key.text for key in browser.all(".pad button")))
    assert len(orders) >= 3  # off, and two shuffles: alike once in 10! times
    body = browser.one("body")
    for char in "12x34":
        body.send_keys(char)
    assert browser.one("#dots").text == "●●●●"
    assert browser.one("#dots").get_attribute("aria-label") == "4 characters entered"
    body.send_keys("\ue003")  # backspace
    assert browser.script("return document.getElementById('send').disabled")
    body.send_keys("4", "\ue007")  # enter
    browser.screen("confirm")


def test_only_a_keyboard(kiosk: Kiosk, browser: Browser) -> None:
    """Tab and Enter alone lead from the heading to the document, and focus is always seen."""
    start(kiosk, browser, "en")
    put_down(kiosk, browser)
    browser.one("[data-option='residence']")

    def press(key: str) -> None:  # of whatever has the focus, also while the screen is drawn
        ActionChains(browser.driver).send_keys(key).perform()

    def tab_to(selector: str) -> None:
        for _ in range(40):
            press("\ue004")
            if browser.script("return document.activeElement.matches(arguments[0])", selector):
                width = "return getComputedStyle(document.activeElement).outlineWidth"
                assert browser.script(width) == "5px"
                return
        raise AssertionError(f"{selector} is not reached")

    tab_to("[data-option='residence']")
    press("\ue007")
    browser.screen("pin")
    for digit in "1234":
        browser.one("body").send_keys(digit)
    tab_to("#send")
    press("\ue007")
    browser.screen("confirm")
    tab_to(".row .strong")
    press("\ue007")
    browser.one("#document")
    tab_to("#document")


def test_another_language_keeps_the_state(kiosk: Kiosk, browser: Browser) -> None:
    start(kiosk, browser, "ja")
    up_to_pin(kiosk, browser)
    for char in "12":
        browser.one("body").send_keys(char)
    for language in ("en", "ja-easy", "ja"):
        browser.speak(language)
        words = [messages.text(key, language) for key in ("kiosk.pin.auth", "kiosk.words.send")]
        browser.until(lambda words=words: [browser.title(), browser.one("#send").text] == words)  # type: ignore[misc]
        assert browser.one("#dots").text == "●●"


def test_more_time_the_end_and_the_alarm(short: Kiosk, browser: Browser) -> None:
    start(short, browser, "en")
    put_down(short, browser)
    for _ in range(2):
        browser.one("#more:not([hidden]) button").click()
        browser.until(lambda: not browser.all("#more:not([hidden])"))
    assert axe_violations(browser) == []
    browser.screen("timed_out", "card_left")
    browser.screen("card_left")
    for language in LANGUAGES:
        browser.speak(language)
        words = messages.text("kiosk.state.card_left", language)
        browser.until(lambda words=words: browser.one("#alarm").text == words)  # type: ignore[misc]
        assert browser.title() == words
        assert [*layout_faults(browser), *axe_violations(browser)] == []
    short.order("pull")
    browser.screen("waiting")
    assert not browser.all("#alarm:not([hidden])")


def test_a_forgotten_card_leaves_the_document_within_reach(short: Kiosk, browser: Browser) -> None:
    start(short, browser, "en")
    up_to_pin(short, browser)
    browser.enter("1234")
    browser.screen("confirm")
    browser.press(".strong")
    browser.one("#alarm:not([hidden])")
    assert browser.one("#document").is_displayed()
    assert browser.kind() == "done"


@pytest.fixture(scope="module")
def everything() -> Iterator[Kiosk]:
    """A terminal for all flows there are."""
    with Kiosk("--demo", "--reader", "virtual:", "--flow", "all") as running:
        yield running


def test_the_first_screens_of_all_flows(everything: Kiosk, browser: Browser) -> None:
    """Each says on which ground and what who has no card does; and it fits the screen."""
    start(everything, browser, "en")
    for language in LANGUAGES:
        browser.speak(language)
        browser.until(lambda: len(browser.all(".offers li")) == len(FLOWS))
        for offer in browser.all(".offers li"):
            assert all(line.text for line in offer.find_elements("css selector", "h2, p"))
            assert len(offer.find_elements("css selector", "p")) == 3  # for what, ground, else
        assert [*layout_faults(browser), *axe_violations(browser)] == []
    everything.order("insert", "hanako")
    browser.one("[data-option]")
    for language in LANGUAGES:
        browser.speak(language)
        assert [*layout_faults(browser), *axe_violations(browser)] == []
    pictures = browser.script(
        "return [...document.images].map((i) => [i.src, i.complete && i.naturalWidth > 0])"
    )
    assert len(pictures) == len(FLOWS)
    assert [source for source, drawn in pictures if not drawn] == []


WALKS = [
    *((flow, "", "done") for flow in FLOWS if flow != "watch"),
    ("shelter", "mark", "done"),
    ("shelter", "name", "failed"),  # with a code that nobody was given
    ("watch", "arrive", "failed"),  # a card that no guardian registered
    ("watch", "consent", "done"),
]


@pytest.mark.parametrize(("flow", "deed", "close"), WALKS)
def test_every_screen_of_every_flow(
    everything: Kiosk, browser: Browser, flow: str, deed: str, close: str
) -> None:
    """To the end with the first of all choices but ``deed``; each screen in each language."""
    start(everything, browser, "en")
    everything.order("insert", "hanako")
    browser.press(f"[data-option='{flow}']")
    browser.until(lambda: not browser.all(f"[data-option='{flow}']"))
    found: dict[str, list[str]] = {}
    for _ in range(20):
        kind = browser.screen("question", "pin", "confirm", "page", "done", "refused", "failed")
        content = browser.script("return JSON.stringify(current.options || current.title)")
        if content not in found:
            found[content] = []
            for language in LANGUAGES:
                browser.speak(language)
                found[content] += layout_faults(browser)
            found[content] += axe_violations(browser)
        if kind in ("done", "refused", "failed"):
            break
        number = browser.script("return current.number")
        browser.speak("en")
        answer_somehow(browser, kind, deed)
        browser.until(lambda number=number: browser.script("return current.number") > number)  # type: ignore[misc]
    assert kind == close, browser.note()
    assert {name: faults for name, faults in found.items() if faults} == {}
