# SPDX-License-Identifier: Apache-2.0
"""Visits of a person whose every value stands nowhere else, and a search of all that is left.

What is searched: what the terminal says, the logs of all its processes at the finest level, their
arguments and environment, its temporary files, and what the browser keeps, asks and complains of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from jpki import messages
from jpki.emulator import load_card
from kiosk_page import Browser, Kiosk
from secret_card import CARD, WRONG
from secret_runs import marks_of

pytestmark = pytest.mark.xdist_group("kiosk-secrets")

FLOWS: Final = (
    "konbini", "form_filling", "number_giving", "age_check", "application", "shelter", "watch",
)  # fmt: skip
Marks = dict[str, list[str]]
"""Every form a value could take, by group."""
CLOSES: Final = ("done", "refused", "failed")
# Every process of the terminal begins with this: all its loggers write, and all they have.
LOGGING: Final = """
import logging, os
logging.basicConfig(
    filename=os.path.join(os.environ["LOGS"], f"{os.getpid()}.log"), level=1,
    format="%(name)s %(message)s",
)
"""
# What a browser keeps of a page: every store, and where it was.
_KEPT: Final = """
const done = arguments[0];
Promise.all([caches.keys(), indexedDB.databases()]).then(([stores, databases]) => done([
  {...localStorage}, {...sessionStorage}, document.cookie, stores, databases, location.href,
  history.state, window.name, document.title, document.documentElement.outerHTML]));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``secrets.toml``: the card; ``logs``, ``tmp``: of the terminal; ``site``: see LOGGING."""
    made = tmp_path_factory.mktemp("kiosk")
    for name in ("logs", "tmp", "site"):
        (made / name).mkdir()
    (made / "site" / "sitecustomize.py").write_text(LOGGING, encoding="utf-8")
    (made / "secrets.toml").write_text(CARD, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def marks(folder: Path) -> Marks:
    return marks_of(folder / "secrets.toml")


@pytest.fixture(scope="module")
def kiosk(folder: Path) -> Iterator[Kiosk]:
    flows = [word for flow in FLOWS for word in ("--flow", flow)]
    environment = {
        "TMPDIR": str(folder / "tmp"), "LOGS": str(folder / "logs"),
        "PYTHONPATH": str(folder / "site"),
    }  # fmt: skip
    reader = f"virtual:{folder / 'secrets.toml'}"
    with Kiosk("--demo", "--reader", reader, *flows, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


def _leaks(marks: Marks, text: str) -> list[str]:
    """Groups of which a form is in ``text``, standing alone: ports and sizes are numbers too."""
    return [group for group, forms in marks.items() if any(_stands(form, text) for form in forms)]


def _stands(form: str, text: str) -> bool:
    alone = rf"(?<![0-9A-Za-z]){re.escape(form)}(?![0-9A-Za-z])"
    return form in text and re.search(alone, text) is not None


def _processes(pid: int) -> list[str]:
    """Arguments and environment of a process and its children, as every process of ours sees."""
    pids = [pid]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            found = re.search(r"^PPid:\t(\d+)$", status.read_text(), re.M)
        except OSError:  # it has ended
            continue
        if found and int(found[1]) == pid:
            pids.append(int(status.parent.name))
    return [
        (Path("/proc") / str(each) / name).read_text(errors="replace")
        for each in pids
        for name in ("cmdline", "environ")
    ]


def _visit(browser: Browser, folder: Path, flow: str, wrong: str = "") -> str:
    """To the end: the first of all choices, the PIN that is asked for (or ``wrong``), yes."""
    pins = load_card(str(folder / "secrets.toml")).pins()
    titles = {
        messages.text(f"kiosk.pin.{kind}", "en"): kind for kind in ("auth", "sign", "text", "birth")
    }
    browser.press(f"[data-option='{flow}']")
    browser.until(lambda: not browser.all(f"[data-option='{flow}']"))
    for _ in range(20):
        kind = browser.screen("question", "pin", "confirm", "page", *CLOSES)
        if kind in CLOSES:
            return kind
        number = browser.script("return current.number")
        if kind == "question":
            browser.press("[data-option]")
        elif kind == "pin":
            browser.enter(wrong or pins[titles[browser.title()]])
        else:
            browser.press(".row .strong")
        browser.until(lambda number=number: browser.script("return current.number") > number)  # type: ignore[misc]
    raise AssertionError(f"{flow} does not end")


@pytest.mark.parametrize(
    ("flow", "wrong", "close"),
    [
        *((flow, "", "failed" if flow == "watch" else "done") for flow in FLOWS),
        ("konbini", WRONG["auth"], "failed"),
    ],
)
def test_a_visit_leaves_nothing_behind(
    kiosk: Kiosk, browser: Browser, folder: Path, marks: Marks,
    flow: str, wrong: str, close: str,
) -> None:  # fmt: skip
    kiosk.order("pull")
    browser.driver.get(kiosk.url)
    browser.screen("waiting")
    browser.speak("en")
    browser.driver.get_log("performance")
    kiosk.order("insert", str(folder / "secrets.toml"))
    assert _visit(browser, folder, flow, wrong) == close
    during = _processes(kiosk.pid)
    assert len(during) >= 4  # the terminal's and the presentation's
    kiosk.order("pull")
    browser.screen("waiting")
    asked = [
        event["params"]["request"]["url"]
        for entry in browser.driver.get_log("performance")
        if (event := json.loads(str(entry["message"]))["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert len(asked) > 5
    said = [str(entry["message"]) for entry in browser.driver.get_log("browser")]
    kept = json.dumps(browser.driver.execute_async_script(_KEPT), ensure_ascii=False)
    files = [path for path in (folder / "tmp").rglob("*") if path.is_file()]
    assert files
    logs = [path for path in (folder / "logs").iterdir() if path.stat().st_size]
    assert len(logs) >= 2  # the terminal's and the presentation's, at the finest level
    places = {
        "arguments and environment": "\n".join(during), "addresses": "\n".join(asked),
        "console": "\n".join(said), "browser": kept,
        **{str(path): path.read_bytes().decode("utf-8", "replace") for path in (*files, *logs)},
    }  # fmt: skip
    assert {where: found for where, text in places.items() if (found := _leaks(marks, text))} == {}


def test_the_search_finds_what_is_there(folder: Path, marks: Marks) -> None:
    """The card's own file holds its PINs, its number and who it belongs to."""
    text = (folder / "secrets.toml").read_text(encoding="utf-8")
    assert {"pins", "number", "name", "person"} <= set(_leaks(marks, text))


def test_no_log_names_anything(kiosk: Kiosk, folder: Path, marks: Marks) -> None:
    """Nor does what the terminal says at its end; and no file is left. What visits logged is
    looked at after each of them."""
    code, said = kiosk.stop()
    assert (code, _leaks(marks, said)) == (0, [])
    logs = {path: path.read_text(encoding="utf-8") for path in (folder / "logs").iterdir()}
    assert any(logs.values())
    assert {path: found for path, text in logs.items() if (found := _leaks(marks, text))} == {}
    assert [path for path in (folder / "tmp").rglob("*") if path.is_file()] == []
