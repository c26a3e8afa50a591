# SPDX-License-Identifier: Apache-2.0
"""Many clients at once, in processes of their own; some are killed, and the server is restarted.

`make assure` runs a hundred clients (``MAP_CLIENTS``); otherwise there are few.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

import map_bench
from jpki.mapping.store import schema
from map_bench import Bench, Cluster

CLIENTS = int(os.environ.get("MAP_CLIENTS", 6))
EACH = 5  # people that a client enrols and looks up

CLIENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[4])
import map_bench
from map_bench import Clock, ORIGIN, holder
from jpki.mapping.errors import StoreDownError
from jpki.mapping.policy import Operation
from jpki.mapping.service import open_map
from jpki.mapping.sitting import Asker

number, people = int(sys.argv[3]), int(sys.argv[5])
clock = Clock()
opened = open_map(
    sys.argv[1], Path(sys.argv[2]), map_bench.two_services(), map_bench.validator(clock),
    clock=clock,
)
asker = Asker(actor="terminal-%d" % number, service="library")
def ask(who, operation):
    # A client that loses its server asks again, with a fresh challenge.
    until = time.monotonic() + 90
    while True:
        try:
            challenge = opened.issue_challenge(operation, origin=ORIGIN, service="library")
            presentation = opened.verify(who.answer(challenge))
            deed = opened.enrol if operation is Operation.ENROL else opened.resolve
            return deed(presentation, asker)
        except StoreDownError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
print("ready", flush=True)
sys.stdin.readline()
for each in range(people):
    who = holder(serial=10_000_000 + number * 1000 + each)
    for operation in (Operation.ENROL, Operation.RESOLVE):
        print(operation.value, ask(who, operation).outcome.value, flush=True)
"""


def started(bench: Bench, count: int) -> list[subprocess.Popen[str]]:
    """Clients that are ready and wait for a line."""
    support = str(Path(map_bench.__file__).parent)
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, bench.url, str(bench.key_file), str(number), support,
             str(EACH)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
    return clients


def let_go(clients: list[subprocess.Popen[str]]) -> None:
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()


def after(bench: Bench) -> tuple[int, int]:
    """Entries and people; whole: the chain, its links to people, and one entry for each use."""
    assert bench.map.verify_ledger().intact

    with bench.map.store.reading() as connection:

        def rows(table: object) -> int:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]

        used = connection.execute(
            select(func.count()).where(schema.CHALLENGE.c.consumed_at.is_not(None))
        ).scalar_one()
        entries, people = rows(schema.LEDGER), rows(schema.HANDLE)
        assert entries == used == rows(schema.LEDGER_PERSON)
        assert people == rows(schema.PSEUDONYM) == rows(schema.CERTIFICATE_INDEX)
    return entries, people


def test_no_entry_is_lost(bench: Bench) -> None:
    clients = started(bench, CLIENTS)
    let_go(clients)
    said = [client.communicate(timeout=600) for client in clients]
    assert [client.returncode for client in clients] == [0] * CLIENTS, said
    for out, _ in said:
        assert out.splitlines() == ["enrol resolved", "resolve resolved"] * EACH
    assert after(bench) == (2 * EACH * CLIENTS, EACH * CLIENTS)


def test_killed_under_load(bench: Bench) -> None:
    """Half of them end by SIGKILL, wherever they are; the others do all their work."""
    order = random.Random(5)
    clients = started(bench, CLIENTS)
    doomed, others = clients[: CLIENTS // 2], clients[CLIENTS // 2 :]
    let_go(clients)
    answers = 0
    for client in doomed:
        assert client.stdout is not None
        for _ in range(order.randrange(1, 2 * EACH)):
            answers += client.stdout.readline() != ""
        client.send_signal(signal.SIGKILL)
    for client in others:
        out, err = client.communicate(timeout=600)
        assert client.returncode == 0, err
        answers += len(out.splitlines())
    for client in doomed:
        with client:
            assert client.stdout is not None
            answers += len(client.stdout.read().splitlines())  # with what readline() held back
    entries, people = after(bench)
    # What was answered is written; what was written and not answered is at most one a client.
    assert answers <= entries <= answers + len(doomed)
    assert len(others) * EACH <= people <= CLIENTS * EACH


def test_postgresql_restarted_under_load(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.create("loaded")
    bench = map_bench.new_bench(url, tmp_path, map_bench.two_services(), "library")
    clients = started(bench, CLIENTS)
    let_go(clients)
    assert clients[0].stdout is not None
    clients[0].stdout.readline()
    cluster.stop("immediate")
    cluster.start()
    for client in clients:
        _, err = client.communicate(timeout=600)
        assert client.returncode == 0, err
    entries, people = after(bench)
    # An answer that was lost with the connection is asked for again: entries more, none less.
    assert entries >= 2 * EACH * CLIENTS
    assert people == EACH * CLIENTS
    bench.close()


@pytest.mark.parametrize("back", [6, 3600])
def test_a_clock_set_back_is_refused_whole(bench: Bench, back: int) -> None:
    from jpki.mapping.errors import ClockError
    from jpki.mapping.policy import Operation

    who = map_bench.holder()
    bench.ask(who, Operation.ENROL)
    before = after(bench)
    presentation = bench.map.verify(bench.evidence(who, Operation.RESOLVE))
    bench.clock.forward(seconds=-back)
    with pytest.raises(ClockError) as caught:
        bench.map.resolve(presentation, bench.asker())
    assert caught.value.values["behind"] == back
    assert after(bench) == before
    bench.clock.forward(seconds=back)
    assert bench.map.resolve(presentation, bench.asker()).done
