# SPDX-License-Identifier: Apache-2.0
"""The server half for tests: a map, a register with one resident, TLS with a CA of its own."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from issued import HANAKO, ISSUER
from jpki.kiosk.documents.contents import DocumentKind
from jpki.kiosk.records import MemoryRecords
from jpki.kiosk.server.half import Answer, Errand, ServerHalf
from jpki.kiosk.server.local import PURPOSES, LocalServer, Office
from jpki.kiosk.server.terminals import Terminals, token_digest
from jpki.kiosk.server.tickets import TicketDesk
from jpki.mapping.policy import Operation
from jpki.mapping.service import Map
from map_bench import NOW, ORIGIN, Bench, Holder, holder, new_bench

TERMINAL, TOKEN = "kiosk-7", "t" * 40
RESIDENCE = Errand("konbini", PURPOSES[DocumentKind.RESIDENCE], Operation.RESOLVE)
ENROL = Errand("konbini", PURPOSES[DocumentKind.RESIDENCE], Operation.ENROL)


@dataclass
class Town:
    """A map under the preset ``konbini``, one enrolled resident, and who holds her card."""

    bench: Bench
    holder: Holder
    records: MemoryRecords
    tickets: TicketDesk
    map: Map | None = None  # the same one with another validator

    def half(self, terminal: str = TERMINAL) -> LocalServer:
        office = Office(ISSUER, self.records, {DocumentKind.RESIDENCE: 200})
        return LocalServer(
            self.map or self.bench.map, office, terminal=terminal, origin=ORIGIN,
            tickets=self.tickets, clock=self.bench.clock,
        )  # fmt: skip

    def enrol(self, ask: Callable[[LocalServer, Errand], Answer]) -> None:
        """Register the resident with whatever card ``ask`` presents."""
        half = self.half()
        ask(half, ENROL)
        pseudonym = half.pseudonym(ask(half, RESIDENCE).ticket)
        assert pseudonym is not None
        self.records.put(pseudonym, HANAKO)

    def terminals(self, rate: float = 1000, burst: float = 1000) -> Terminals:
        names = {token_digest(TOKEN): TERMINAL, token_digest("o" * 40): "kiosk-8"}
        return Terminals(names, rate=rate, burst=burst)


def present(half: ServerHalf, who: Holder, errand: Errand = RESIDENCE) -> Answer:
    """Answer a challenge of this half."""
    return half.present(errand, who.answer(half.challenge(errand)).response)


def town(url: str, folder: Path) -> Town:
    """A town whose one resident is enrolled; its map is opened as for a server."""
    bench = new_bench(url, folder, "konbini", "konbini", grouped=True)
    made = Town(bench, holder(), MemoryRecords(), TicketDesk())
    made.enrol(lambda half, errand: present(half, made.holder, errand))
    return made


@dataclass(frozen=True)
class Tls:
    """A CA of its own and a certificate from it."""

    ca: Path
    certificate: Path
    key: Path

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


def make_tls(folder: Path, host: str = "127.0.0.1") -> Tls:
    """Certificates for a server at that address."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST CA")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    builder = x509.CertificateBuilder().not_valid_before(NOW - timedelta(days=4000))
    builder = builder.not_valid_after(NOW + timedelta(days=4000)).issuer_name(ca_name)
    ca = (
        builder.subject_name(ca_name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, SHA256())
    )
    address = x509.IPAddress(ipaddress.ip_address(host))
    leaf = (
        builder.subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(ca_key, SHA256())
    )
    files = Tls(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    files.ca.write_bytes(ca.public_bytes(Encoding.PEM))
    files.certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@contextmanager
def serving(app: Callable[..., Any], tls: Tls | None = None) -> Iterator[str]:
    """Serve an application on loopback as long as the block lasts; its URL."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, lifespan="off",
        ssl_certfile=None if tls is None else str(tls.certificate),
        ssl_keyfile=None if tls is None else str(tls.key),
    )  # fmt: skip
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.005)
            assert thread.is_alive(), "the server did not start"
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
