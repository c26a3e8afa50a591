# SPDX-License-Identifier: Apache-2.0
"""What a terminal's page keeps and says to whom: nothing, and to nobody but its own browser."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from http_client import request
from kiosk_page import Browser, Kiosk
from kiosk_walk import put_down, start, up_to_pin

pytestmark = pytest.mark.xdist_group("kiosk-safety")

PERSONAL = re.compile(r"(?<![0-9])1234(?![0-9])|花子|番号　|19800217|昭和55年|中里")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "kiosk.log"


@pytest.fixture(scope="module")
def kiosk(log: Path) -> Iterator[Kiosk]:
    with Kiosk("--demo", "--reader", "virtual:", log=log) as running:
        yield running


def _child(browser: Browser) -> tuple[str, str]:
    """Where the presentation under way is asked, and its token."""
    access = browser.script("return [view.access.url, view.access.token]")
    return str(access[0]), str(access[1])


def test_a_visit_leaves_nothing(kiosk: Kiosk, browser: Browser, log: Path) -> None:
    """No storage, no cookie, no cache, no history of addresses, no line in a log."""
    start(kiosk, browser, "ja")
    browser.driver.get_log("performance")
    up_to_pin(kiosk, browser)
    browser.enter("1234")
    browser.screen("confirm")
    browser.press(".strong")
    browser.one("#document")
    kiosk.order("pull")
    browser.screen("waiting")
    kept = browser.driver.execute_async_script(
        "const done = arguments[0];"
        "Promise.all([caches.keys(), indexedDB.databases()]).then(([c, d]) =>"
        " done([localStorage.length, sessionStorage.length, document.cookie, c, d]))"
    )
    assert kept == [0, 0, "", [], []]
    assert not PERSONAL.search(browser.script("return document.documentElement.outerHTML"))
    assert browser.script("return [entry.value, documentUrl, watching, current]") == [
        "", "", None, None
    ]  # fmt: skip
    sent = [json.loads(entry["message"])["message"] for entry in
            browser.driver.get_log("performance")]  # fmt: skip
    asked = [s["params"]["request"] for s in sent if s["method"] == "Network.requestWillBeSent"]
    assert len(asked) > 10
    for each in asked:
        address = urlsplit(each["url"].removeprefix("blob:"))
        assert address.hostname == "127.0.0.1"
        assert not PERSONAL.search(each["url"]), each["url"]
        if "1234" in each.get("postData", ""):  # the PIN goes to the presentation's process only
            assert address.path == "/answer"
            assert address.port != urlsplit(kiosk.url).port
    text = log.read_text(encoding="utf-8")
    assert len(text.splitlines()) > 5
    assert not PERSONAL.search(text)


@pytest.mark.parametrize("path", ["", "views", "check", "check/words", "bench", "static/kiosk.js"])
def test_every_answer_is_strict(kiosk: Kiosk, path: str) -> None:
    parts = urlsplit(kiosk.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"/{path}")
    headers = connection.getresponse().headers
    connection.close()
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


EVIL = "http://evil.example"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("", None, {"Host": "evil.example"}, 421),
        ("views", None, {"Host": "localhost.evil.example:80"}, 421),
        ("views", None, {"Host": "localhost:OWN"}, 421),
        ("", None, {"Host": "localhost:OWN"}, 307),  # somebody typed it, and is sent on
        ("", None, {"Host": "localhost:1"}, 421),
        ("bench/order", b"{}", {"Host": "localhost:OWN", "X-CSRF": "own"}, 421),
        ("views", None, {"Origin": EVIL}, 403),
        ("check/words", None, {"Origin": EVIL}, 403),
        ("check/words", None, {"Sec-Fetch-Site": "cross-site"}, 403),
        ("views?lang=xx", None, {}, 400),
        ("static/../app.py", None, {}, 404),
        ("static/..%2f..%2fapp.py", None, {}, 404),
        ("static/%2fetc%2fpasswd", None, {}, 404),
        ("bench/order", b"{}", {}, 403),
        ("bench/order", b"{}", {"X-CSRF": "guess"}, 403),
        ("bench/order", b'{"do":"pull"}', {"X-CSRF": "own", "Origin": EVIL}, 403),
        ("bench/order", b"[]", {"X-CSRF": "own"}, 400),
        ("bench/order", b'{"do":"nothing"}', {"X-CSRF": "own"}, 400),
        ("bench/order", b"[" * 2000, {"X-CSRF": "own"}, 400),
        ("bench/order", b'{"do":"clock","with":"nan"}', {"X-CSRF": "own"}, 409),
        ("bench/order", b'{"do":"clock","with":"1e300"}', {"X-CSRF": "own"}, 409),
        ("bench/order", b'{"do":"insert","with":"/etc/passwd"}', {"X-CSRF": "own"}, 409),
        ("bench/order", b" " * 4096, {"X-CSRF": "own"}, 413),
        ("check/file", b"%PDF-", {}, 403),
        ("check/file", b" " * (17 << 20), {"X-CSRF": "own"}, 413),
        ("views", b"", {"X-CSRF": "own"}, 405),
    ],
)
def test_what_the_page_refuses(
    kiosk: Kiosk, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    csrf = json.loads(request(f"{kiosk.url}check/words").body)["csrf"]
    given = {"Origin": kiosk.origin, **headers}
    if given.get("X-CSRF") == "own":
        given["X-CSRF"] = csrf
    if "Host" in given:
        given["Host"] = given["Host"].replace("OWN", str(urlsplit(kiosk.url).port))
    try:
        assert _status(kiosk.url, path, body, given) == status
    except (BrokenPipeError, ConnectionResetError):  # it does not wait for all of too much
        assert status == 413


def _status(url: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
    """With the query, and with a path as it is."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET" if body is None else "POST", f"/{path}", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_answer_counts_once_and_for_its_own_page_only(kiosk: Kiosk, browser: Browser) -> None:
    start(kiosk, browser, "en")
    up_to_pin(kiosk, browser)
    url, token = _child(browser)
    number = browser.script("return current.number")
    right = {"Origin": kiosk.origin, "X-Presentation": token}
    answer = json.dumps({"number": number, "pin": "1234"}).encode()
    for wrong, status in (
        ({"Origin": EVIL, "X-Presentation": token}, 403),
        ({"X-Presentation": token}, 403),
        ({"Origin": kiosk.origin}, 403),
        ({**right, "X-Presentation": "guess"}, 403),
        ({**right, "Host": "evil.example:1"}, 421),
    ):
        assert request(f"{url}/answer", answer, wrong).status == status
    assert request(f"{url}/answer", answer, right).status == 204
    assert request(f"{url}/answer", answer, right).status == 409  # replayed
    browser.screen("confirm")
    assert browser.errors() == []


def test_who_says_nothing_keeps_nobody_waiting(kiosk: Kiosk, browser: Browser) -> None:
    """Thirty clients that began a request and stopped, on the page's port and the process's."""
    start(kiosk, browser, "en")
    put_down(kiosk, browser)
    with ExitStack() as silent:
        for port, most in ((urlsplit(kiosk.url).port, 30), (urlsplit(_child(browser)[0]).port, 12)):
            for _ in range(most):
                link = silent.enter_context(socket.create_connection(("127.0.0.1", port)))
                link.sendall(b"POST /answer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n")
        browser.press("[data-option='residence']")
        browser.screen("pin")
        browser.enter("1234")
        browser.screen("confirm")
        link.settimeout(30)
        assert link.recv(100) == b""  # and it is cut off


def test_a_head_without_end_is_refused(kiosk: Kiosk) -> None:
    """64 KB of headers are all that a terminal keeps of them."""
    address = ("127.0.0.1", urlsplit(kiosk.url).port)
    with socket.create_connection(address, 60) as link, suppress(ConnectionError):
        link.sendall(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 8300)
        assert link.recv(100).startswith(b"HTTP/1.1 400")
        while link.recv(100):
            pass
    assert request(kiosk.url).status == 200


def test_who_types_localhost_is_sent_to_the_page(kiosk: Kiosk) -> None:
    port = urlsplit(kiosk.url).port
    for path in ("/", "/bench", "/check"):
        reply = request(f"{kiosk.origin}{path}", headers={"Host": f"localhost:{port}"})
        assert (reply.status, reply.headers["location"]) == (307, f"{kiosk.origin}{path}")
        assert reply.body == b""


def test_other_addresses_are_not_served(kiosk: Kiosk) -> None:
    """Loopback alone: this machine's other addresses do not listen."""
    port = urlsplit(kiosk.url).port
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), 1).close()


def test_without_a_demonstration_there_is_no_bench(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t" * 40, encoding="ascii")
    words = ("--server", "http://127.0.0.1:9", "--token-file", str(token), "--reader", "pcsc:")
    with Kiosk(*words) as kiosk:
        assert kiosk.ready["bench"] is None
        for path in ("bench", "bench/events", "bench/order", "check", "check/words"):
            assert request(f"{kiosk.url}{path}").status == 404
        assert request(kiosk.url).status == 200
