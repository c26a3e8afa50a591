# SPDX-License-Identifier: Apache-2.0
"""``jpki kiosk serve`` as a person meets it: the program in a process, its page in Chromium."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from http_client import Reply, request
from secret_runs import DRIVER

T = TypeVar("T")
PATIENCE: Final = 20.0
LANGUAGES: Final = ("ja", "ja-easy", "en")
PINS: Final = {4: "1234", 6: "550217", 12: "537686677188", 14: "55021720352285"}
"""Of ``hanako``, by their length."""

# What a person sees: every piece of text and every control, with where it is. Digits vary.
_SEEN = """
const boxes = [];
const walk = (node) => {
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE && child.textContent.trim()) {
      const range = document.createRange();
      range.selectNodeContents(child);
      const box = range.getBoundingClientRect();
      if (box.width && box.height) boxes.push([child.textContent.trim(), box]);
    } else if (child.nodeType === Node.ELEMENT_NODE) {
      const box = child.getBoundingClientRect();
      if (child.tagName === "IMG" && box.width) boxes.push([child.getAttribute("src"), box]);
      walk(child);
    }
  }
};
walk(document.body);
return boxes.map(([text, box]) => [text, box.x, box.y, box.width, box.height]);
"""
# Titles of all screens since the page was loaded: some are gone before anybody could ask.
_REMEMBER = """
window.seenTitles = [];
document.addEventListener("DOMContentLoaded", () => {
  const title = document.getElementById("title");
  if (title) new MutationObserver(() => seenTitles.push(title.textContent))
    .observe(title, { childList: true });
});
"""


class Kiosk:
    """The program, running. ``log``: where every log record of it goes, at every level."""

    def __init__(
        self,
        *options: str,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        command = [sys.executable, "-m", "jpki_cli"]
        if log is not None:
            command = [sys.executable, "-c", DRIVER, str(log)]
        words = ["kiosk", "serve", "--trust", "test", "--port", "0", "--json", *options]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("JPKI_")}
        self._process = subprocess.Popen(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**kept, **(environment or {})},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.ready: dict[str, Any] = json.loads(line or b"{}")
        if "url" not in self.ready:
            said = self._process.communicate(timeout=PATIENCE)[1].decode()
            raise AssertionError(f"{self.ready} {said}")
        self.url = str(self.ready["url"])
        self.origin = self.url.rstrip("/")
        self._csrf = ""

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End it; its exit code and what it wrote on stderr."""
        self._process.send_signal(number)
        _, err = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, err.decode()

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, do: str, value: object = None) -> Reply:
        """Press a button of the bench."""
        if not self._csrf:
            self._csrf = json.loads(request(f"{self.url}check/words").body)["csrf"]
        return self.post("bench/order", json.dumps({"do": do, "with": value}).encode(), self._csrf)

    def post(self, path: str, body: bytes, csrf: str = "", **headers: str) -> Reply:
        """POST as the page does; ``headers`` in place of its own."""
        own = {"Origin": self.origin, "X-CSRF": csrf}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        return request(f"{self.url}{path}", body, own)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()


class Browser:
    """One headless Chromium of 1920 × 1080."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
        self._wait = WebDriverWait(self.driver, PATIENCE, 0.03, [StaleElementReferenceException])
        self.run_cdp("Page.addScriptToEvaluateOnNewDocument", source=_REMEMBER)
        self.screen_size(1920, 1080)

    def run_cdp(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)

    def screen_size(self, width: int, height: int) -> None:
        self.run_cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def script(self, text: str, *arguments: object) -> Any:
        return self.driver.execute_script(text, *arguments)

    def until(self, found: Callable[[], T]) -> T:
        """Ask until it is there. The answer."""
        return self._wait.until(lambda _: found())

    def one(self, selector: str) -> WebElement:
        """The element, as soon as there is one."""
        return self.until(lambda: self.all(selector))[0]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def kind(self) -> str:
        """Which screen is shown: the class of ``main``."""
        return str(self.script("return document.querySelector('main').className"))

    def screen(self, *kinds: str) -> str:
        """Wait for one of these screens; which it was."""
        return self.until(lambda: (kind := self.kind()) in kinds and kind)  # type: ignore[return-value]

    def title(self) -> str:
        return str(self.script("return document.getElementById('title').textContent"))

    def note(self) -> str:
        return str(self.script("return document.getElementById('note').textContent"))

    def press(self, selector: str) -> None:
        """Press a button that can be pressed."""
        self.until(lambda: self.script(_PRESS, selector))

    def speak(self, language: str) -> None:
        """Switch the language and wait for its words."""
        pressed = f"[data-lang='{language}'][aria-pressed='true']"
        if not self.all(pressed):
            before = self.title()
            self.press(f"[data-lang='{language}']")
            self.until(lambda: self.title() != before)

    def enter(self, pin: str) -> None:
        """Enter a PIN on the pad and send it."""
        for char in pin:
            self.script(_KEY, char)
        self.press("#send")

    def errors(self) -> list[str]:
        """What the browser complained about since the last time.

        Not that a process is gone whose screens it was reading: it goes with the card.
        """
        said = [str(entry["message"]) for entry in self.driver.get_log("browser")]
        gone = ("net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_CONNECTION_REFUSED")
        return [line for line in said if not line.endswith(gone)]

    def seen(self) -> list[tuple[str, int, int, int, int]]:
        """Every text and picture with its box, in the order of the page; pixels."""
        return [(text, *map(round, box)) for text, *box in self.script(_SEEN)]

    def close(self) -> None:
        self.driver.quit()


_PRESS = """
const found = document.querySelector(arguments[0]);
if (!found || found.disabled) return false;
found.click();
return true;
"""
_KEY = """
for (const key of document.querySelectorAll(".key"))
  if (key.textContent === arguments[0]) return key.click();
throw new Error(`no key ${arguments[0]}`);
"""


def axe_violations(browser: Browser) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its own best practices."""
    browser.script(_axe_source())
    found = browser.driver.execute_async_script(
        "axe.run(document, {resultTypes: ['violations']}).then(arguments[0])"
    )
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def _axe_source() -> str:
    """axe-core, as the package ``axe-playwright-python`` carries it (see .ci/setup)."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None, "axe-core is not installed: run .ci/setup all"
    assert spec.origin is not None
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


_FAULTS_OF_LAYOUT = """
const faults = [];
const root = document.documentElement;
if (root.scrollHeight > innerHeight) faults.push(`${root.scrollHeight} px high`);
if (root.scrollWidth > innerWidth) faults.push(`${root.scrollWidth} px wide`);
for (const each of document.querySelectorAll("button, a, input, select")) {
  const box = each.getBoundingClientRect();
  if (box.width && (box.width < 44 || box.height < 44))
    faults.push(`target ${box.width} x ${box.height}: ${each.textContent}`);
}
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const size = parseFloat(getComputedStyle(walker.currentNode.parentElement).fontSize);
  if (walker.currentNode.textContent.trim() && size < arguments[0])
    faults.push(`${size} px: ${walker.currentNode.textContent.trim()}`);
}
return faults;
"""


def layout_faults(browser: Browser, smallest: int = 24) -> Sequence[str]:
    """Targets below 44 px, text below ``smallest`` px, and whatever does not fit the screen."""
    found: list[str] = browser.script(_FAULTS_OF_LAYOUT, smallest)
    return found
