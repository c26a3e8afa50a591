# SPDX-License-Identifier: Apache-2.0
"""The latest name and address, under a consent, from a platform operator over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from jpki.certificate.kinds import Family
from jpki.mapping import consent as consents
from jpki.mapping.answers import Outcome
from jpki.mapping.latest import LatestInfo, latest_info
from jpki.mapping.platform import PlatformError
from jpki.mapping.platform_http import HttpPlatform
from jpki.mapping.policy import LinkKind, Operation, Policy
from jpki.mapping.policy_file import parse_policy
from jpki.mapping.store.schema import LEDGER
from jpki.synth import SynthPki
from jpki.testing.platform_server import PlatformServer
from map_bench import NOW, Bench, Holder, holder, link, new_bench

INFO = {"name": "試験 太郎", "address": "東京都清瀬市中里五丁目842番地", "birth": "1980-02-17"}
ITEMS = frozenset({"name", "address"})


def _policy() -> Policy:
    import map_bench

    text = map_bench._HEAD + map_bench._SERVICE.format(id="library")
    return parse_policy(text.replace('"close",', '"close", "latest_info",').encode())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = new_bench(f"sqlite:///{tmp_path}/map.db", tmp_path, _policy(), "library")
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer(SynthPki(NOW), clock=lambda: NOW) as running:
        yield running


@pytest.fixture
def person(bench: Bench, server: PlatformServer) -> Holder:
    """Enrolled with both certificates, and known to the platform."""
    auth, sign = holder(), holder(Family.SIGN)
    bench.ask(auth, Operation.ENROL)
    link(bench, sign, auth, LinkKind.SIGN_AUTH)
    server.know(auth.certificate, sign.certificate, info=INFO, consented=set(ITEMS))
    given = bench.map.verify(
        bench.evidence(sign, Operation.CONSENT, detail=consents.detail(ITEMS, "1"))
    )
    answer = bench.map.consent(given, bench.asker(items=ITEMS), notice="1")
    assert answer.outcome is Outcome.DONE
    return auth


def _ask(
    bench: Bench, server: PlatformServer, who: Holder, items: frozenset[str] = ITEMS
) -> LatestInfo:
    platform = HttpPlatform(server.url, server.key, token="tenant-1")
    evidence = bench.evidence(who, Operation.LATEST_INFO)
    return latest_info(bench.map, evidence, bench.asker(items=items), platform)


def test_what_was_consented_to_and_nothing_of_it_stays(
    bench: Bench, server: PlatformServer, person: Holder, tmp_path: Path
) -> None:
    bench.clock.forward(days=1)  # a consent counts from the next day
    found = _ask(bench, server, person)
    assert found.resolution.outcome is Outcome.DONE
    assert dict(found.items) == {name: INFO[name] for name in ITEMS}
    assert "太郎" not in repr(found)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert INFO["name"].encode() not in kept
    with bench.map.store.reading() as connection:
        last = connection.execute(select(LEDGER).order_by(LEDGER.c.seq.desc()).limit(1)).one()
    assert (last.operation, last.outcome) == ("latest_info", "done")


@pytest.mark.parametrize("items", [frozenset({"name", "birth"}), frozenset[str]()])
def test_beyond_the_consent_nobody_is_asked(
    bench: Bench, server: PlatformServer, person: Holder, items: frozenset[str]
) -> None:
    bench.clock.forward(days=1)
    before = server.count
    found = _ask(bench, server, person, items)
    assert (found.resolution.outcome, dict(found.items)) == (Outcome.REFUSED, {})
    assert server.count == before


def test_without_a_consent_in_force_nobody_is_asked(
    bench: Bench, server: PlatformServer, person: Holder
) -> None:
    before = server.count
    early = _ask(bench, server, person)  # on the day of the consent itself
    assert (early.resolution.outcome, early.resolution.reason) == (Outcome.REFUSED, "no_consent")
    bench.clock.forward(days=1)
    bench.map.withdraw(bench.map.verify(bench.evidence(person, Operation.WITHDRAW)), bench.asker())
    assert _ask(bench, server, person).resolution.reason == "no_consent"
    assert _ask(bench, server, holder()).resolution.outcome is Outcome.UNREGISTERED
    assert server.count == before


def test_a_platform_that_fails_was_asked_all_the_same(
    bench: Bench, server: PlatformServer, person: Holder
) -> None:
    bench.clock.forward(days=1)
    platform = HttpPlatform("http://127.0.0.1:9", server.key, token="tenant-1", timeout=1)
    evidence = bench.evidence(person, Operation.LATEST_INFO)
    with pytest.raises(PlatformError):
        latest_info(bench.map, evidence, bench.asker(items=ITEMS), platform)
    assert bench.map.verify_ledger().intact
