# SPDX-License-Identifier: Apache-2.0
"""The terminal over the real pcscd: cards in its virtual reader, the page in Chromium."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jpki import messages
from kiosk_page import LANGUAGES, Browser, Kiosk, axe_violations, layout_faults
from pcsc_bed import PcscBed

pytestmark = pytest.mark.xdist_group("kiosk-pcscd")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def bed() -> Iterator[PcscBed]:
    with PcscBed() as made:
        yield made


@pytest.fixture(scope="module")
def kiosk(bed: PcscBed) -> Iterator[Kiosk]:
    words = ("--demo", "--reader", "pcsc:", "--flow", "konbini")
    with Kiosk(*words, environment=bed.environment) as running:
        yield running


def test_a_visit_in_three_languages(kiosk: Kiosk, bed: PcscBed, browser: Browser) -> None:
    """Every screen; the language changes on each. Then the card is taken, and nothing stays."""
    browser.driver.get(kiosk.url)
    browser.screen("waiting")
    bed.plug_in("hanako")
    browser.one("[data-option='residence']")
    found: dict[str, list[str]] = {}

    def look() -> None:
        for language in LANGUAGES:
            browser.speak(language)
            faults = [*layout_faults(browser), *axe_violations(browser)]
            if faults:
                found[f"{language} {browser.title()}"] = faults

    look()
    browser.press("[data-option='residence']")
    browser.screen("pin")
    look()
    browser.enter("1234")
    browser.screen("confirm")
    look()
    browser.press(".strong")
    browser.one("#document")
    look()
    assert found == {}
    assert browser.note() == messages.text("kiosk.ending.issued", LANGUAGES[-1])
    bed.let_go()
    browser.screen("waiting")
    assert "花子" not in browser.script("return document.documentElement.outerHTML")


def test_a_card_pulled_under_the_pin(kiosk: Kiosk, bed: PcscBed, browser: Browser) -> None:
    browser.driver.get(kiosk.url)
    browser.screen("waiting")
    for _ in range(2):
        bed.plug_in("hanako")
        browser.press("[data-option='residence']")
        browser.screen("pin")
        bed.let_go()
        browser.screen("waiting")


class _Nonsense(http.server.BaseHTTPRequestHandler):
    """A server half that is none."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<html>welcome</html>"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("there", [True, False])
def test_a_server_half_that_talks_nonsense_or_is_not_there(
    bed: PcscBed, browser: Browser, tmp_path: Path, there: bool
) -> None:
    """Before the PIN: nobody enters one for nothing."""
    token = tmp_path / "token"
    token.write_text("t" * 40, encoding="ascii")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Nonsense) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        port = server.server_address[1] if there else 9
        words = ("--server", f"http://127.0.0.1:{port}", "--token-file", str(token))
        with Kiosk(*words, "--reader", "pcsc:", environment=bed.environment) as kiosk:
            browser.driver.get(kiosk.url)
            browser.screen("waiting")
            browser.speak("en")
            bed.plug_in("hanako")
            browser.press("[data-option='residence']")
            browser.screen("failed")
            assert browser.note() == messages.text("kiosk.ending.server_down", "en")
            bed.let_go()
            browser.screen("waiting")
        server.shutdown()
