# SPDX-License-Identifier: Apache-2.0
"""The bench of a demonstration in a browser: each of its buttons, and what it shows as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from jpki import messages
from jpki.emulator import load_card
from jpki.emulator.population import BUILT_IN
from kiosk_page import Browser, Kiosk, axe_violations, layout_faults

pytestmark = pytest.mark.xdist_group("kiosk-bench")

BUTTONS: Final = {
    ("insert", None), ("pull", None), ("also", None), ("lose", None), ("fault", None),
    ("server", "on"), ("server", "slow"), ("server", "off"),
    ("clock", "-86400"), ("clock", "86400"), ("clock", "31536000"), ("clock", None),
}  # fmt: skip
"""Every button there is, by what it does. Each is pressed in a test below."""
# What the terminal shows at this moment, as its page gets it.
_VIEW = r"""
const done = arguments[0], stop = new AbortController();
fetch("/views?lang=en", { signal: stop.signal })
  .then((reply) => reply.body.getReader().read())
  .then(({ value }) => {
    stop.abort();
    done(JSON.parse(new TextDecoder().decode(value).slice(6).split("\n\n")[0]));
  });
"""


@pytest.fixture(scope="module")
def kiosk() -> Iterator[Kiosk]:
    with Kiosk("--demo", "--reader", "virtual:", "--flow", "konbini") as running:
        yield running


@pytest.fixture(scope="module")
def browser(kiosk: Kiosk) -> Iterator[Browser]:
    """The bench in English, on the first tab."""
    made = Browser()
    made.driver.get(f"{kiosk.url}bench")
    made.press("[data-lang='en']")
    made.until(lambda: _text(made, "h1") == "Bench")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def empty(kiosk: Kiosk, browser: Browser) -> None:
    """Nothing on the reader, nothing broken."""
    kiosk.order("fault")
    kiosk.order("server", "on")
    kiosk.order("pull")
    _until(browser, "waiting")


def _press(browser: Browser, do: str, value: str | None = None) -> None:
    assert (do, value) in BUTTONS
    given = ":not([data-with])" if value is None else f"[data-with='{value}']"
    browser.press(f"[data-do='{do}']{given}")


def _choose(browser: Browser, place: str, value: str) -> None:
    browser.script(
        "const list = document.getElementById(arguments[0]); list.value = arguments[1];"
        "list.dispatchEvent(new Event('change'))",
        place,
        value,
    )


def _text(browser: Browser, selector: str) -> str:
    return str(browser.script(f"return document.querySelector({selector!r}).textContent"))


def _all(browser: Browser, selector: str) -> list[str]:
    texts: list[str] = browser.script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )
    return texts


def _says(browser: Browser, selector: str, words: str) -> None:
    browser.until(lambda: _all(browser, selector) == [words])


def _until(browser: Browser, *states: str) -> dict[str, Any]:
    """Wait until the terminal is in one of these states; what it shows."""

    def view() -> dict[str, Any]:
        found: dict[str, Any] = browser.driver.execute_async_script(_VIEW)
        return found if found["state"] in states else {}

    return browser.until(view)


def _visit(kiosk: Kiosk, browser: Browser) -> str:
    """Ask for a certificate on a tab beside the bench, take the card; how it went, in words."""
    bench = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.driver.get(kiosk.url)
        browser.one("[data-option='residence']")
        browser.speak("en")
        browser.press("[data-option='residence']")
        if browser.screen("pin", "failed") == "pin":
            browser.enter("1234")
        return "" if browser.screen("confirm", "failed") == "confirm" else browser.note()
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(bench)
        kiosk.order("pull")
        _until(browser, "waiting")


def test_the_pins_of_each_card_are_shown(browser: Browser) -> None:
    for card in BUILT_IN:
        _choose(browser, "card", card)
        labels, shown = (_all(browser, f"#pins {tag}") for tag in ("dt", "dd"))
        assert shown == list(load_card(card).pins().values())
        assert len(set(labels)) == len(shown)
        chosen = "return document.getElementById('card').selectedOptions[0].textContent"
        assert browser.script(chosen) == f"{card}: {messages.text(f'bench.card.{card}', 'en')}"


def test_cards_are_swapped_taken_and_put_beside_each_other(browser: Browser) -> None:
    _choose(browser, "card", "hanako")
    _press(browser, "insert")
    _says(browser, "#now", "hanako")
    _until(browser, "choosing")
    _choose(browser, "card", "child")
    _press(browser, "insert")  # in place of the first: the visit is over, or a new one began
    _says(browser, "#now", "child")
    _until(browser, "done", "choosing")
    _press(browser, "pull")
    _until(browser, "waiting")
    _press(browser, "insert")
    _until(browser, "choosing")
    _choose(browser, "card", "driver")
    _press(browser, "also")
    _says(browser, "#now", "child + driver")
    assert _until(browser, "done")["note"] == messages.text("kiosk.ending.second_card", "en")
    _press(browser, "pull")
    _says(browser, "#now", "nothing")
    _until(browser, "waiting")


def test_the_reader_is_unplugged_and_comes_back(browser: Browser) -> None:
    _press(browser, "lose")
    _until(browser, "reader_lost")
    _press(browser, "pull")
    _until(browser, "waiting")


def test_a_fault_comes_with_the_next_card(kiosk: Kiosk, browser: Browser) -> None:
    _choose(browser, "card", "hanako")
    _choose(browser, "fault", "sw=6F00@sign")
    _press(browser, "fault")
    _press(browser, "insert")
    _says(browser, "#now", "hanako")
    assert _visit(kiosk, browser) == messages.text("kiosk.ending.card_unreadable", "en")
    _choose(browser, "fault", "")
    _press(browser, "fault")
    _press(browser, "insert")
    assert _visit(kiosk, browser) == ""


def test_the_line_is_cut_slow_and_whole_again(kiosk: Kiosk, browser: Browser) -> None:
    _choose(browser, "card", "hanako")
    for line, words in (
        ("off", messages.text("kiosk.ending.server_down", "en")), ("slow", ""), ("on", ""),
    ):  # fmt: skip
        _press(browser, "server", line)
        _says(browser, "[data-do='server'][aria-pressed='true']", {"off": "cut"}.get(line, line))
        _press(browser, "insert")
        _until(browser, "choosing")
        assert _visit(kiosk, browser) == words


def test_the_clock_is_moved_and_brought_back(kiosk: Kiosk, browser: Browser) -> None:
    for step, days in (("86400", 1), ("86400", 2), ("-86400", 1), ("31536000", 366)):
        _press(browser, "clock", step)
        _says(browser, "#clock", f"{days} days ahead")
    kiosk.order("clock", 18 * 365 * 86400)
    _says(browser, "#clock", f"{19 * 365 + 1} days ahead")
    _choose(browser, "card", "hanako")
    _press(browser, "insert")
    assert _visit(kiosk, browser) == messages.text("kiosk.ending.expired", "en")
    _press(browser, "clock", "31536000")  # farther than a demonstration goes: said so
    _says(browser, "#failed:not([hidden])", "That could not be done: bench_unknown")
    _press(browser, "clock")
    _says(browser, "#clock", "0 days ahead")
    assert not browser.all("#failed:not([hidden])")
    assert [line for line in browser.errors() if "409" not in line] == []


def test_verdict_decision_and_ledger_come_by_themselves(kiosk: Kiosk, browser: Browser) -> None:
    browser.until(lambda: len(browser.all("#ledger tr")) > 1)
    before = int(_text(browser, "#ledger td"))  # the newest entry
    _choose(browser, "card", "hanako")
    _press(browser, "insert")
    _says(browser, "#verdict", messages.text("bench.no_verdict", "en"))
    assert _text(browser, "#decision") == ""
    assert _visit(kiosk, browser) == ""
    browser.until(lambda: int(_text(browser, "#ledger td")) == before + 1)
    newest = [cell.text for cell in browser.all("#ledger tr:first-child td")]
    assert newest[2:7] == [
        "resolve", "issue-residence-certificate", "住民基本台帳法12条", "kiosk-01", "resolved",
    ]  # fmt: skip
    assert _text(browser, "#decision") == messages.text("map.outcome.resolved", "en")
    rows = _all(browser, "#verdict td:nth-child(2)")
    assert len(rows) > 3
    assert set(rows) == {messages.text("value.outcome.valid", "en")}
    assert not [name for name in ("番号", "花子", "清瀬市中里") if name in _text(browser, "body")]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_it_speaks_both_languages_and_everybody_can_use_it(browser: Browser, language: str) -> None:
    browser.press(f"[data-lang='{language}']")
    _says(browser, "h1", messages.text("bench.title", language))
    assert all(_all(browser, "[data-words]"))
    small = [fault for fault in layout_faults(browser) if "px high" not in fault]  # it may scroll
    assert [*small, *axe_violations(browser)] == []
    assert browser.errors() == []
    browser.press("[data-lang='en']")
    _says(browser, "h1", "Bench")


def test_there_is_no_other_button(browser: Browser) -> None:
    found = browser.script(
        "return [...document.querySelectorAll('[data-do]')].map(b =>"
        " [b.dataset.do, b.dataset.with || null])"
    )
    assert {(do, value) for do, value in found} == BUTTONS
