# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at a terminal: each says what to do next, costs no extra try, issues nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import map_bench
from jpki import messages
from kiosk_page import LANGUAGES, Browser, Kiosk
from kiosk_walk import put_down, start, up_to_document, up_to_pin

pytestmark = pytest.mark.xdist_group("kiosk-faults")

CLOSES = ("done", "refused", "failed")
_EARLY = "return document.getElementById('early').textContent"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def kiosk(cluster: map_bench.Cluster) -> Iterator[Kiosk]:
    """A demonstration over PostgreSQL."""
    url = cluster.create("kiosk")
    words = ("--demo", "--reader", "virtual:", "--flow", "konbini", "--db", url)
    with Kiosk(*words) as running:
        yield running


def _says(browser: Browser, *codes: str, **values: object) -> None:
    """Wait until the page says one of these endings, in every way of speaking."""
    for language in LANGUAGES:
        browser.speak(language)
        words = [messages.text(f"kiosk.ending.{code}", language, **values) for code in codes]
        browser.until(lambda words=words: browser.note() in words)  # type: ignore[misc]
    browser.speak("en")


def _ledger(kiosk: Kiosk, browser: Browser) -> int:
    """Entries of the map's ledger so far."""
    numbers = browser.driver.execute_async_script(
        "const done = arguments[0]; const source = new EventSource('/bench/events');"
        "source.onmessage = (e) => { source.close(); done(JSON.parse(e.data).ledger); }"
    )
    return max((line["number"] for line in numbers), default=0)


@pytest.mark.parametrize(
    ("card", "pin", "code"),
    [
        ("forged", "1234", "unregistered"),
        ("copied", "1234", "not_genuine"),
        ("blocked", None, "pin_blocked"),
        ("face-only", None, "pin_blocked"),
        ("jiro-expired", None, "expired"),
        ("child", "1234", None),
        ("taro-moved", "1234", None),
        ("nextgen", "1234", None),  # which only a terminal for test cards knows
    ],
)
def test_cards(
    kiosk: Kiosk, browser: Browser, card: str, pin: str | None, code: str | None
) -> None:
    start(kiosk, browser, "en")
    put_down(kiosk, browser, card)
    browser.press("[data-option='residence']")
    if pin is not None:
        browser.screen("pin")
        browser.enter(pin)
    shown = browser.screen("confirm", *CLOSES)
    if code is None:  # such a person is a resident like others
        assert shown == "confirm"
        return
    assert shown in ("refused", "failed")
    _says(browser, code)
    assert not browser.all("#document")


def test_the_wrong_pin_down_to_the_floor(kiosk: Kiosk, browser: Browser) -> None:
    """Three tries, of which two are used: the last is never presented, whoever stands there."""
    start(kiosk, browser, "en")
    for left in (2, 1):
        up_to_pin(kiosk, browser, "driver")
        browser.enter("9999")
        browser.screen("failed")
        code = "pin_incorrect" if left > 1 else "pin_floor"  # nobody is sent to try once more
        _says(browser, code, attempts_left=left)
        kiosk.order("pull")
        browser.screen("waiting")
    for _ in range(2):
        put_down(kiosk, browser, "driver")
        browser.press("[data-option='residence']")
        browser.screen("failed")
        _says(browser, "pin_last_try", attempts_left=1)


@pytest.mark.parametrize("state", ["choosing", "pin", "confirm", "done"])
def test_a_card_pulled_in_every_state(kiosk: Kiosk, browser: Browser, state: str) -> None:
    start(kiosk, browser, "en")
    put_down(kiosk, browser)
    if state != "choosing":
        browser.press("[data-option='residence']")
        browser.screen("pin")
    if state in ("confirm", "done"):
        browser.enter("1234")
        browser.screen("confirm")
    if state == "done":
        browser.press(".strong")
        browser.one("#document")
    kiosk.order("pull")
    browser.screen("waiting")
    for language in LANGUAGES:
        browser.speak(language)
        words = "" if state == "done" else messages.text("kiosk.ending.card_gone", language)
        browser.until(lambda words=words: browser.script(_EARLY) == words)  # type: ignore[misc]
    assert browser.script("return [entry.value, documentUrl]") == ["", ""]
    browser.speak("en")
    up_to_pin(kiosk, browser)  # and the next person is served
    assert browser.script(_EARLY) == ""


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("pull:during@verify", {"pin_unknown"}),
        ("reply:cut=3@any", {"card_unreadable", "card_silent", "not_our_card"}),
        ("sw=6F00@sign", {"card_unreadable", "not_our_card"}),
    ],
)
def test_cards_that_fail(kiosk: Kiosk, browser: Browser, fault: str, codes: set[str]) -> None:
    start(kiosk, browser, "en")
    kiosk.order("fault", fault)
    kiosk.order("insert", "hanako")
    kiosk.order("fault")
    for _ in range(3):
        shown = browser.screen("question", "pin", *CLOSES)
        if shown in CLOSES:
            break
        if shown == "question":
            browser.press("[data-option='residence']")
        else:
            browser.enter("1234")
        browser.until(lambda shown=shown: browser.kind() != shown)  # type: ignore[misc]
    assert browser.screen(*CLOSES) == "failed"
    _says(browser, *codes)


def test_the_server_is_cut_off_before_and_after_the_pin(kiosk: Kiosk, browser: Browser) -> None:
    """Before: nobody is asked for a PIN. At the fee: nothing is issued, the fee comes back."""
    start(kiosk, browser, "en")
    up_to_pin(kiosk, browser)
    browser.enter("1234")
    browser.screen("confirm")
    kiosk.order("server", "off")
    browser.press(".strong")
    browser.screen("failed")
    _says(browser, "server_down")
    kiosk.order("pull")
    put_down(kiosk, browser)
    browser.press("[data-option='residence']")
    browser.screen("failed")
    _says(browser, "server_down")
    kiosk.order("server", "on")
    up_to_pin(kiosk, browser)


def test_a_slow_server_is_waited_for_in_sight(kiosk: Kiosk, browser: Browser) -> None:
    """Who is waited for is said, and the page goes on: it changes its language meanwhile."""
    start(kiosk, browser, "en")
    put_down(kiosk, browser)
    kiosk.order("server", "slow")
    try:
        browser.press("[data-option='residence']")
        browser.screen("progress")
        assert browser.title() == messages.text("kiosk.step.ask_server", "en")
        assert browser.note() == messages.text("kiosk.state_note.working", "en")
        assert browser.one("progress").is_displayed()
        assert browser.script("return document.querySelector('progress').position") == -1  # moves
        browser.speak("ja")
        browser.screen("pin")
        assert messages.text("kiosk.step.ask_server", "ja") in browser.script("return seenTitles")
        browser.enter("1234")
        browser.screen("progress")
        browser.screen("confirm")
    finally:
        kiosk.order("server", "on")


def test_a_receipt_says_what_was_issued_and_nothing_of_the_person(
    kiosk: Kiosk, browser: Browser
) -> None:
    start(kiosk, browser, "en")
    up_to_pin(kiosk, browser)
    up_to_document(browser)
    labels = [label.text for label in browser.all("dt")]
    names = ("document", "issuer", "number", "time", "fee")
    assert labels == [messages.text(f"kiosk.receipt.{name}", "en") for name in names]
    document, issuer, number, _, fee = [value.text for value in browser.all("dd")]
    assert (document, issuer, fee) == ("certificate of residence", "清瀬市", "200")
    assert len(number) == 16
    assert "花子" not in browser.one("body").text


def test_reload_back_and_a_second_tab(kiosk: Kiosk, browser: Browser) -> None:
    """The page comes back to where the visit is; of two tabs the first answer counts."""
    start(kiosk, browser, "en")
    up_to_pin(kiosk, browser)
    browser.driver.refresh()
    browser.screen("pin")
    browser.driver.get("about:blank")
    browser.driver.back()
    browser.screen("pin")
    browser.speak("en")
    before = _ledger(kiosk, browser)
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.driver.get(kiosk.url)
        browser.screen("pin")
        up_to_document(browser)
        browser.driver.switch_to.window(first)
        browser.one("#document")
        assert _ledger(kiosk, browser) == before + 1
    finally:
        for handle in browser.driver.window_handles:
            if handle != first:
                browser.driver.switch_to.window(handle)
                browser.driver.close()
        browser.driver.switch_to.window(first)


def test_the_clock_is_wrong(kiosk: Kiosk, browser: Browser) -> None:
    """Years ahead every certificate has ended: said before a PIN is asked for."""
    start(kiosk, browser, "en")
    assert kiosk.order("clock", 15 * 365 * 86400).status == 204
    try:
        put_down(kiosk, browser)
        browser.press("[data-option='residence']")
        browser.screen("failed")
        _says(browser, "expired")
    finally:
        kiosk.order("clock", -15 * 365 * 86400)
    up_to_pin(kiosk, browser)


def test_an_issued_document_is_checked(kiosk: Kiosk, browser: Browser, tmp_path: Path) -> None:
    """Downloaded from the terminal, checked on the page; one byte more and it is not genuine."""
    start(kiosk, browser, "en")
    up_to_pin(kiosk, browser)
    up_to_document(browser)
    data = bytes(
        browser.driver.execute_async_script(
            "const done = arguments[0];"
            "fetch(`${view.access.url}/document`, {headers: headers(view.access)})"
            ".then((r) => r.arrayBuffer()).then((b) => done([...new Uint8Array(b)]))"
        )
    )
    number = browser.all("dd")[2].text
    files = {"valid": data, "invalid": data + b"\n", "nothing": b"x"}
    browser.driver.get(f"{kiosk.url}check")
    browser.one("#go")
    browser.speak("en")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        browser.one("#file").send_keys(str(tmp_path / name))
        browser.script("document.getElementById('result').replaceChildren()")
        browser.press("#go")
        outcome = "valid" if name == "valid" else "invalid"
        assert browser.one("#verdict").text.endswith(
            messages.text(f"kiosk.check.outcome.{outcome}", "en")
        )
        if name == "valid":
            assert number in browser.one("#result").text
            assert "番号" not in browser.one("#result").text  # nothing of the person


def test_the_database_goes_down_and_comes_back(
    kiosk: Kiosk, browser: Browser, cluster: map_bench.Cluster
) -> None:
    start(kiosk, browser, "en")
    put_down(kiosk, browser)
    cluster.stop("immediate")
    try:
        browser.press("[data-option='residence']")
        browser.screen("pin", "failed")
        if browser.kind() == "pin":
            browser.enter("1234")
        browser.screen("failed")
        _says(browser, "server_down")
    finally:
        cluster.start()
    up_to_pin(kiosk, browser)
    browser.enter("1234")
    browser.screen("confirm")
