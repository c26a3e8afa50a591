# SPDX-License-Identifier: Apache-2.0
"""Maps with very many people, for benchmarks and load: written straight into the tables."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection

import map_bench
from jpki.certificate.serial import RefKind, SerialRef
from jpki.mapping import challenges, records
from jpki.mapping.challenges import Aim
from jpki.mapping.index import CertificateRef, index_of
from jpki.mapping.keys import open_keys
from jpki.mapping.policy import Operation
from jpki.mapping.presentation import Presentation
from jpki.mapping.times import micros
from map_bench import NOW, ORIGIN, Bench

SERVICE, PURPOSE = "library", "library-use"
_AT = micros(NOW)
_COLUMNS = {
    "handle": "handle, service, state, suppressed, created_at, changed_at",
    "pseudonym": "pseudonym, handle, service",
    "certificate_index": "index_key, handle, service, epoch, family, medium, state, since",
}


@contextmanager
def databases(*kinds: str) -> Iterator[dict[str, tuple[str, Path]]]:
    """For each of ``sqlite``, ``postgresql``: an address and a folder, for the block."""
    with ExitStack() as stack:
        made: dict[str, tuple[str, Path]] = {}
        for kind in kinds:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="jpki-map-")))
            if kind == "sqlite":
                made[kind] = (f"sqlite:///{folder / 'map.db'}", folder)
                continue
            home = Path(stack.enter_context(TemporaryDirectory(prefix="jpki-pg-", dir="/tmp")))
            home.chmod(0o755)
            cluster = stack.enter_context(map_bench.postgresql(home))
            made[kind] = (cluster.create("map"), folder)
        yield made


def crowded(url: str, folder: Path, people: int) -> Bench:
    """A map with this many people whom nobody can present, and two services."""
    folder.mkdir(exist_ok=True)
    bench = map_bench.new_bench(url, folder, map_bench.two_services(), SERVICE)
    if people:
        _load(bench, people)
    return bench


def _spread(number: int, people: int, size: int) -> bytes:
    """The code of a person: random, and rising with ``number``, so that loading is quick."""
    step = (1 << 64) // people
    return (number * step + secrets.randbelow(step)).to_bytes(8, "big") + secrets.token_bytes(
        size - 8
    )


def _rows(table: str, people: int) -> Iterator[tuple[object, ...]]:
    for number in range(people):
        # The same handle in all three tables: it need not be random to be as quick to find.
        handle = number.to_bytes(8, "big") + bytes(8)
        if table == "handle":
            yield (handle, SERVICE, "active", 0, _AT, _AT)
        elif table == "pseudonym":
            yield (_spread(number, people, 16), handle, SERVICE)
        else:
            key = _spread(number, people, 32)
            yield (key, handle, SERVICE, 1, "auth", "card", "active", _AT)


def _load(bench: Bench, people: int) -> None:
    raw: Any = bench.map.store.engine.raw_connection()
    try:
        cursor = raw.cursor()
        if bench.url.startswith("sqlite"):
            cursor.execute("BEGIN IMMEDIATE")
        for table, columns in _COLUMNS.items():
            if bench.url.startswith("sqlite"):
                marks = ", ".join("?" * len(columns.split(",")))
                text = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
                cursor.executemany(text, _rows(table, people))
                continue
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in _rows(table, people):
                    copy.write_row(row)
        cursor.execute("COMMIT" if bench.url.startswith("sqlite") else "ANALYZE")
        raw.commit()
    finally:
        raw.close()


def presentations(bench: Bench, count: int, *, people: int | None = None) -> list[Presentation]:
    """Presentations for ``resolve``, each with its own challenge and, in turn, another person.

    As verification would make them of ``people`` enrolled cards, without making a certificate
    and a signature for each.
    """
    template = bench.map.verify(bench.evidence(map_bench.holder(), Operation.RESOLVE))
    assert isinstance(template, Presentation)
    keys = open_keys(bench.key_file).service(SERVICE)
    refs = [_ref(template.ref) for _ in range(people or count)]
    aim = Aim(SERVICE, PURPOSE, Operation.RESOLVE)

    def enrol(connection: Connection) -> None:
        for ref in refs:
            handle, _ = records.register(connection, SERVICE, NOW)
            index = index_of(keys, ref)
            kind = (ref.family.value, ref.medium)
            records.add_certificate(connection, SERVICE, handle, index, kind, NOW)

    def issue(connection: Connection) -> list[Presentation]:
        return [
            _like(
                template, ref=refs[number % len(refs)],
                challenge=challenges.issue(connection, aim, origin=ORIGIN, now=NOW),
            )
            for number in range(count)
        ]  # fmt: skip

    bench.map.store.change(enrol)
    return bench.map.store.change(issue)


def _ref(like: CertificateRef) -> CertificateRef:
    serial = SerialRef(RefKind.CERTIFICATE_SERIAL, secrets.token_bytes(16))
    return replace(like, serial=serial)


def _like(template: Presentation, **other: object) -> Presentation:
    made = object.__new__(Presentation)
    for name in Presentation.__slots__:
        object.__setattr__(made, name, other.get(name, getattr(template, name)))
    return made
