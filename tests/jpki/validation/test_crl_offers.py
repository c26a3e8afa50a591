# SPDX-License-Identifier: Apache-2.0
"""Lists from files, folders and a real HTTP server that is honest, slow, or lies."""

from __future__ import annotations

import socket
import threading
from base64 import encodebytes
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from crl_edits import kiyose_list
from jpki.certificate import Family
from jpki.errors import InputFileError
from jpki.synth.pki import SynthPki
from jpki.testing.crl_server import CrlMode, CrlServer
from jpki.validation import TrustStore
from jpki.validation.crl_index.offers import FetchTimes, Offered, put_in
from jpki.validation.crl_index.writer import StoreWriter

KIYOSE = "13221"


def offer(
    path: Path, trust: TrustStore, pki: SynthPki, *sources: str, times: FetchTimes | None = None
) -> list[Offered]:
    with StoreWriter(path, trust, now=pki.at + timedelta(minutes=1)) as writer:
        return list(put_in(writer, sources, times=times))


@pytest.fixture
def server(pki: SynthPki) -> Iterator[CrlServer]:
    with CrlServer(pki, delay=5.0) as server:
        yield server


def test_files_and_folders(path: Path, trust: TrustStore, pki: SynthPki, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    (folder / "below").mkdir(parents=True)
    first, second, third, *_ = pki.crls()
    (folder / "1.crl").write_bytes(first)
    pem = b"".join(
        b"-----BEGIN X509 CRL-----\n" + encodebytes(one) + b"-----END X509 CRL-----\n"
        for one in (second, third)
    )
    (folder / "2.pem").write_bytes(pem)
    (folder / "3.txt").write_text("no list")
    (folder / "4.crl").write_bytes(b"")
    (folder / ".hidden").write_text("not looked at")
    found = offer(path, trust, pki, str(folder), str(folder / "1.crl"))
    assert [(Path(one.source).name, one.placed, one.reason) for one in found] == [
        ("1.crl", "added", None),
        ("2.pem", "added", None),
        ("2.pem", "added", None),
        ("3.txt", "refused", "no_crl"),
        ("4.crl", "refused", "no_crl"),
        ("1.crl", "same", None),
    ]
    with pytest.raises(InputFileError):
        offer(path, trust, pki, str(tmp_path / "nowhere"))


def test_an_address(path: Path, trust: TrustStore, pki: SynthPki, server: CrlServer) -> None:
    url = server.list_url(Family.SIGN, 3, KIYOSE)
    found = offer(path, trust, pki, url, url + "?token=1")
    assert [(one.source, one.placed) for one in found] == [(url, "added"), (url, "same")]
    (secret,) = offer(path, trust, pki, url.replace("http://", "http://user:password@"))
    assert (secret.source, secret.reason) == (url, "has_password")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (CrlMode.STALE, "outdated"),
        (CrlMode.FUTURE, "from_the_future"),
        (CrlMode.ROLLED_BACK, "rollback"),
        (CrlMode.EMPTY, "number_reused"),
        (CrlMode.WRONG_SIGNER, "bad_signature"),
        (CrlMode.BAD_SIGNATURE, "bad_signature"),
        (CrlMode.UNAVAILABLE, "http_status"),
        (CrlMode.HTML, "is_a_page"),
        (CrlMode.REDIRECT, "redirect"),
        (CrlMode.SLOW, "timeout"),
        (CrlMode.TRUNCATED, "broken_off"),
    ],
)
def test_a_server_that_lies(
    path: Path, trust: TrustStore, pki: SynthPki, server: CrlServer, mode: CrlMode, reason: str
) -> None:
    before = kiyose_list(pki, (5, pki.at - timedelta(days=9), 3))
    with StoreWriter(path, trust, now=pki.at) as writer:
        writer.add(before)
    server.mode = mode
    url = server.list_url(Family.SIGN, 3, KIYOSE)
    (found,) = offer(path, trust, pki, url, times=FetchTimes(answer=0.05))
    assert (found.placed, found.reason) == ("refused", reason)
    assert len(server.requests) == (mode is not CrlMode.SLOW)  # asked once, and nowhere else


def test_nobody_there(path: Path, trust: TrustStore, pki: SynthPki) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sources = (f"http://127.0.0.1:{port}/a.crl", "ftp://127.0.0.1/a.crl", "file:///etc/hosts",
               "http://[/a.crl")  # fmt: skip
    found = offer(path, trust, pki, *sources)
    assert [one.reason for one in found] == ["unreachable", "not_http", "not_http", "not_http"]


@pytest.mark.parametrize(
    ("head", "octet", "reason"),
    [
        (b"Content-Length: 99999999999", b"\x30", "too_large"),
        (b"Content-Type: text/html", b"\x30", "is_a_page"),
        (b"Content-Type: application/pkix-crl", b"<html>", "no_crl"),
        (b"Content-Length: 500", b"\x30", "broken_off"),
        (b"Transfer-Encoding: chunked", b"zz\r\n", "broken_off"),
    ],
)
def test_answers_that_are_no_list(
    path: Path, trust: TrustStore, pki: SynthPki, head: bytes, octet: bytes, reason: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection = listening.accept()[0]
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + head)
                connection.sendall(b"\r\n\r\n" + octet)

        thread = threading.Thread(target=answer)
        thread.start()
        port = listening.getsockname()[1]
        (found,) = offer(path, trust, pki, f"http://127.0.0.1:{port}/a.crl")
        thread.join()
    assert (found.placed, found.reason) == ("refused", reason)


def test_a_list_that_never_ends(
    path: Path, trust: TrustStore, pki: SynthPki, monkeypatch: pytest.MonkeyPatch, server: CrlServer
) -> None:
    monkeypatch.setattr("jpki.validation.crl_index.writer.MAX_SIZE", 1 << 20)
    server.mode = CrlMode.OVERSIZE
    (found,) = offer(path, trust, pki, server.list_url(Family.SIGN, 3, KIYOSE))
    assert (found.placed, found.reason) == ("refused", "too_large")
