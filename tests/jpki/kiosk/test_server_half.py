# SPDX-License-Identifier: Apache-2.0
"""The server half: in this process, and over TLS from a client that believes nothing."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from issued import HANAKO, ISSUER
from jpki.errors import ConfigurationError, IssuedDocumentError
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.server.app import server_app
from jpki.kiosk.server.client import HttpServerHalf
from jpki.kiosk.server.half import Errand, ServerHalfError
from jpki.kiosk.server.terminals import Terminals, token_digest
from jpki.kiosk.server.tickets import LIFETIME, MOST, TicketDesk
from jpki.kiosk.server.wire import CHALLENGE, DOCUMENT, MAX_REQUEST, PRESENT
from jpki.mapping.answers import Outcome
from jpki.mapping.policy import Operation
from jpki.verdict import Outcome as Verdict
from jpki.verifying.issued import verify_issued
from map_bench import holder
from server_half import (
    ENROL,
    RESIDENCE,
    TERMINAL,
    TOKEN,
    Tls,
    Town,
    make_tls,
    present,
    serving,
    town,
)

SEAL = DocumentKind.SEAL
RESIDENCE_COPY = DocumentKind.RESIDENCE


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    made = town(f"sqlite:///{tmp_path}/map.db", tmp_path)
    yield made
    made.bench.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def url(place: Town, tls: Tls) -> Iterator[str]:
    with serving(server_app(place.half, place.terminals()), tls) as address:
        yield address


@pytest.fixture
def half(url: str, tls: Tls) -> HttpServerHalf:
    return HttpServerHalf(url, TOKEN, context=tls.client())


def _code(call: Any, *arguments: Any) -> str:
    with pytest.raises(ServerHalfError) as caught:
        call(*arguments)
    return caught.value.code


def test_from_challenge_to_document_over_tls(place: Town, half: HttpServerHalf) -> None:
    answer = present(half, place.holder)
    assert answer.outcome is Outcome.RESOLVED
    assert answer.fees == {RESIDENCE_COPY: 200, SEAL: 0, DocumentKind.TAX: 0}
    pdf = half.document(answer.ticket, RESIDENCE_COPY)
    assert (
        verify_issued(pdf, [ISSUER.public()], now=place.bench.clock.now)[0].outcome is Verdict.VALID
    )
    assert half.document(answer.ticket, RESIDENCE_COPY) == pdf  # a lost answer: the same again


def test_the_terminal_never_sees_a_pseudonym(place: Town, half: HttpServerHalf) -> None:
    answer = present(half, place.holder)
    pseudonym = place.half().pseudonym(answer.ticket)
    assert pseudonym is not None
    assert not hasattr(half, "pseudonym")
    assert pseudonym.hex() not in f"{answer!r}{answer.ticket}"


def test_a_stranger_is_unregistered_and_gets_no_ticket(half: HttpServerHalf) -> None:
    answer = present(half, holder())
    assert (answer.outcome, answer.ticket, dict(answer.fees)) == (Outcome.UNREGISTERED, "", {})


def test_an_answer_counts_once(place: Town, half: HttpServerHalf) -> None:
    response = place.holder.answer(half.challenge(RESIDENCE)).response
    assert half.present(RESIDENCE, response).outcome is Outcome.RESOLVED
    again = half.present(RESIDENCE, response)
    assert (again.outcome, again.reason) == (Outcome.REFUSED, "challenge_used")


def test_many_answers_at_once_each_get_their_own(place: Town, half: HttpServerHalf) -> None:
    stranger = holder()
    responses = [
        (who, who.answer(half.challenge(RESIDENCE)).response)
        for who in (place.holder, stranger) * 8
    ]
    with ThreadPoolExecutor(16) as pool:
        asked = [(who, pool.submit(half.present, RESIDENCE, each)) for who, each in responses]
    for who, each in asked:
        wanted = Outcome.RESOLVED if who is place.holder else Outcome.UNREGISTERED
        assert each.result().outcome is wanted
    assert place.bench.map.verify_ledger().intact


def test_keys_that_another_process_rotated_meanwhile(place: Town, half: HttpServerHalf) -> None:
    other = place.bench.again()
    other.rotate("konbini")
    assert present(half, place.holder).outcome is Outcome.RESOLVED


def test_an_answer_for_one_purpose_serves_no_other(place: Town, half: HttpServerHalf) -> None:
    response = place.holder.answer(half.challenge(RESIDENCE)).response
    answer = half.present(ENROL, response)
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "challenge_other_purpose")


def test_an_actor_the_policy_does_not_know_is_refused(place: Town) -> None:
    answer = present(place.half("counter-1"), place.holder)
    assert answer.outcome is Outcome.REFUSED
    assert answer.rule


def test_a_purpose_nobody_has(place: Town, half: HttpServerHalf) -> None:
    unknown = Errand("konbini", "sell-data", Operation.RESOLVE)
    assert _code(half.challenge, unknown) == "errand_unknown"


def test_tickets_are_for_one_terminal_one_purpose_and_a_short_time(
    place: Town, half: HttpServerHalf, url: str, tls: Tls
) -> None:
    ticket = present(half, place.holder).ticket
    other = HttpServerHalf(url, "o" * 40, context=tls.client())
    assert _code(other.document, ticket, RESIDENCE_COPY) == "ticket_unknown"
    assert _code(half.document, ticket, SEAL) == "ticket_unknown"  # another purpose
    assert _code(half.document, "x" * 22, RESIDENCE_COPY) == "ticket_unknown"


def test_tickets_expire_and_do_not_pile_up() -> None:
    now = [0.0]
    desk = TicketDesk(lambda: now[0])
    first = desk.give(TERMINAL, RESIDENCE, b"p" * 16)
    assert desk.take(first, TERMINAL) is not None
    now[0] = LIFETIME
    assert desk.take(first, TERMINAL) is None
    codes = [desk.give(TERMINAL, RESIDENCE, b"p" * 16) for _ in range(MOST + 1)]
    assert desk.take(codes[0], TERMINAL) is None
    assert desk.take(codes[-1], TERMINAL) is not None


def test_nothing_registered(place: Town, tmp_path: Path) -> None:
    errand = Errand("konbini", "issue-tax-certificate", Operation.ENROL)
    half = place.half()
    present(half, place.holder, errand)
    found = Errand("konbini", "issue-tax-certificate", Operation.RESOLVE)
    ticket = present(half, place.holder, found).ticket
    pseudonym = half.pseudonym(ticket)
    assert pseudonym is not None
    place.records.put(pseudonym, dataclasses.replace(HANAKO, tax=None))
    with pytest.raises(IssuedDocumentError):
        half.document(ticket, DocumentKind.TAX)


def _post(
    url: str, tls: Tls, path: str, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port, context=tls.client(), timeout=10
    )
    asked = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
    try:
        connection.request("POST", path, body, asked)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        (CHALLENGE, b"", {}, 400, "request_malformed"),
        (CHALLENGE, b"[]", {}, 400, "request_malformed"),
        (CHALLENGE, b"\xff", {}, 400, "request_malformed"),
        (CHALLENGE, b"[" * 9999, {}, 400, "request_malformed"),
        (CHALLENGE, b'{"operation":"erase"}', {}, 400, "request_malformed"),
        (CHALLENGE, b'{"operation":"enrol"}', {}, 400, "request_malformed"),
        (CHALLENGE, b'{"operation":"enrol","service":5}', {}, 400, "request_malformed"),
        (PRESENT, b'{"operation":"enrol","service":"s","purpose":"p"}', {}, 400,
         "request_malformed"),
        (DOCUMENT, b'{"ticket":"t","kind":"passport"}', {}, 400, "request_malformed"),
        (DOCUMENT, b"{}", {}, 400, "request_malformed"),
        (CHALLENGE, b" " * (MAX_REQUEST + 1), {}, 413, "request_too_large"),
        (CHALLENGE, b"{}", {"Authorization": "Bearer wrong"}, 401, "server_refused"),
        (CHALLENGE, b"{}", {"Authorization": f"Basic {TOKEN}"}, 401, "server_refused"),
        (CHALLENGE, b"{}", {"Authorization": ""}, 401, "server_refused"),
        (CHALLENGE, b"{}", {"Origin": "https://evil.example"}, 401, "server_refused"),
    ],
)  # fmt: skip
def test_requests_that_are_refused(
    url: str, tls: Tls, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    assert _post(url, tls, path, body, headers) == (
        status, {"schema": "jpki.error/1", "code": code},
    )  # fmt: skip


def test_asked_too_often(place: Town, tls: Tls) -> None:
    with serving(server_app(place.half, place.terminals(rate=0.001, burst=2)), tls) as url:
        half = HttpServerHalf(url, TOKEN, context=tls.client())
        half.challenge(RESIDENCE)
        half.challenge(RESIDENCE)
        assert _code(half.challenge, RESIDENCE) == "server_busy"


def test_the_bucket_fills_again() -> None:
    now = [0.0]
    terminals = Terminals({token_digest("a"): "one"}, rate=1, burst=1, clock=lambda: now[0])
    assert [terminals.admit("one"), terminals.admit("one")] == [True, False]
    now[0] = 1.0
    assert terminals.admit("one")
    assert terminals.name("a") == "one"
    assert terminals.name("b") is None


def test_the_database_is_gone(place: Town, half: HttpServerHalf, tmp_path: Path) -> None:
    challenge = half.challenge(RESIDENCE)
    place.bench.map.close()
    (tmp_path / "map.db").rename(tmp_path / "away.db")
    (tmp_path / "map.db").mkdir()
    response = place.holder.answer(challenge).response
    assert _code(half.present, RESIDENCE, response) == "server_down"


def test_its_clock_is_set_back(place: Town, half: HttpServerHalf) -> None:
    """Behind the ledger's last entry nothing is decided; an answer is for nobody then."""
    assert present(half, place.holder).outcome is Outcome.RESOLVED
    place.bench.clock.forward(minutes=-10)
    challenge = half.challenge(RESIDENCE)
    response = place.holder.answer(challenge).response
    assert _code(half.present, RESIDENCE, response) == "server_clock"


def test_a_server_nobody_vouches_for(url: str) -> None:
    assert _code(HttpServerHalf(url, TOKEN).challenge, RESIDENCE) == "server_down"


def test_no_server_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    half = HttpServerHalf(f"http://127.0.0.1:{port}", TOKEN)
    assert _code(half.challenge, RESIDENCE) == "server_down"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"", "server_down"),
        (b"not http\r\n\r\n", "server_down"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
         "server_nonsense"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
         "server_nonsense"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
         "server_nonsense"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 2\r\n\r\n{}",
         "server_nonsense"),
        (b"HTTP/1.1 503 Down\r\nContent-Length: 5\r\n\r\n<html", "server_nonsense"),
        (b'HTTP/1.1 404 No\r\nContent-Length: 21\r\n\r\n{"code":"server_down"}',
         "server_nonsense"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
         "server_down"),
    ],
)  # fmt: skip
def test_a_server_that_answers_nonsense(reply: bytes, code: str) -> None:
    with _canned(reply) as url:
        half = HttpServerHalf(url, TOKEN, timeout=5)
        assert _code(half.challenge, RESIDENCE) == code


def test_a_server_that_trickles() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
    with _canned(head, trickle=True) as url:
        half = HttpServerHalf(url, TOKEN, timeout=0.2)
        assert _code(half.challenge, RESIDENCE) == "server_slow"


class _canned:
    """A server that says one thing to whoever comes, and hangs up."""

    def __init__(self, reply: bytes, *, trickle: bool = False) -> None:
        self._reply, self._trickle = reply, trickle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        try:
            peer, _ = self._listener.accept()
            with peer:
                peer.recv(1 << 16)
                peer.sendall(self._reply)
                while self._trickle and not self._over.wait(0.05):
                    peer.sendall(b" ")
        except OSError:
            return

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.close()
        self._thread.join(5)


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x/", "http://city.example/", "https:///x", "https://u:p@city.example", "nonsense"],
)
def test_addresses_that_are_not_taken(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HttpServerHalf(url, TOKEN, context=ssl.create_default_context())
    assert ":p@" not in str(caught.value.values)
