# SPDX-License-Identifier: Apache-2.0
"""現況確認: certificates that were stored for it are asked about again, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select

import map_bench
from jpki.certificate.kinds import Family, Medium
from jpki.mapping import consent, recheck
from jpki.mapping.answers import Outcome
from jpki.mapping.index import CertificateRef
from jpki.mapping.lifecycle import State
from jpki.mapping.platform import LinkAnswer, PlatformError, StatusAnswer, Validity
from jpki.mapping.platform_http import HttpPlatform
from jpki.mapping.policy import LinkKind, Operation, Policy, Role
from jpki.mapping.recheck import RecheckReport
from jpki.mapping.records import pseudonym_text
from jpki.mapping.service import Map
from jpki.mapping.sitting import Asker
from jpki.mapping.store.engine import READ_ONLY
from jpki.mapping.store.schema import HANDLE, LEDGER, RECHECK_SERIAL
from jpki.synth import Reason, SynthPki
from jpki.synth.municipalities import KIYOSE
from jpki.testing.platform_server import PlatformMode, PlatformServer
from map_bench import NOW, Bench, Holder, changed, holder, link, new_bench, two_services

STAFF = Asker(actor="staff-3", service="library", document="届出 7")


def policy(**purpose: object) -> Policy:
    plain = two_services()
    operations = plain.services[0].purposes[0].operations | {Operation.RECHECK}
    return changed(plain, **{"operations": operations, "stores_serial": True, **purpose})


@pytest.fixture
def bench(url: str, tmp_path: Path) -> Iterator[Bench]:
    made = new_bench(url, tmp_path, policy(), "library")
    yield made
    made.close()


def later(bench: Bench, *revoked: tuple[Holder, Reason]) -> Map:
    """The same map once these certificates were revoked."""
    return bench.again(validator=map_bench.validator(bench.clock, revoked=revoked))


def enrolled(bench: Bench, who: Holder) -> bytes:
    pseudonym = bench.ask(who, Operation.ENROL).pseudonym
    assert pseudonym is not None
    return pseudonym


def stored(bench: Bench) -> int:
    with bench.map.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(RECHECK_SERIAL)).scalar_one()


def entries(bench: Bench) -> list[tuple[str, str, str, str, str]]:
    """Operation, family, outcome, reason, status of what was written by the rechecks."""
    with bench.map.store.reading() as connection:
        rows = connection.execute(
            select(LEDGER).where(LEDGER.c.operation == "recheck").order_by(LEDGER.c.seq)
        )
        return [(r.giver, r.family, r.outcome, r.reason, r.status) for r in rows]


def counts(report: RecheckReport) -> tuple[int, int, int, int]:
    return report.checked, report.unknown, report.deleted, len(report.changes)


def test_who_is_still_good_is_not_named(bench: Bench) -> None:
    people = [holder(), holder(Family.SIGN), holder(medium=Medium.PHONE)]
    for who in people:
        enrolled(bench, who)
    report = bench.map.recheck_all(bench.asker())
    assert (report.resolution.outcome, counts(report)) == (Outcome.DONE, (3, 0, 0, 0))
    assert {entry[2:] for entry in entries(bench)} == {("done", "good", "valid crl_good")}
    assert bench.map.verify_ledger().intact


@pytest.mark.parametrize(
    ("who", "reason", "after"),
    [
        (holder(), Reason.SUPERSEDED, State.NEEDS_RELINK),
        (holder(), Reason.CESSATION_OF_OPERATION, State.NEEDS_RELINK),  # returned, or death
        (holder(), Reason.KEY_COMPROMISE, State.SUSPENDED),
        (holder(), Reason.CERTIFICATE_HOLD, State.SUSPENDED),
        (holder(Family.SIGN), Reason.AFFILIATION_CHANGED, State.NEEDS_SIGN_REFRESH),
        (holder(medium=Medium.PHONE), Reason.CERTIFICATE_HOLD, State.ACTIVE),
        (holder(medium=Medium.PHONE), Reason.CESSATION_OF_OPERATION, State.ACTIVE),
    ],
)
def test_what_ended_is_named_by_pseudonym(
    bench: Bench, who: Holder, reason: Reason, after: State
) -> None:
    pseudonym, _ = enrolled(bench, who), enrolled(bench, holder())
    report = later(bench, (who, reason)).recheck_all(bench.asker())
    assert counts(report) == (2, 0, 1, 1)
    (change,) = report.changes
    assert (change.pseudonym, change.before, change.after) == (pseudonym, State.ACTIVE, after)
    assert (change.family, change.medium) == (who.family.value, who.medium.value)
    assert bench.ask(who, Operation.RESOLVE).outcome in (Outcome.STALE, Outcome.REFUSED)
    # Its serial is not needed any more; a second run asks about the other only.
    assert stored(bench) == 1
    assert counts(later(bench).recheck_all(bench.asker())) == (1, 0, 0, 0)
    assert str(who.serial) not in json.dumps(report.to_object())


def test_what_expired_is_not_even_asked_about(bench: Bench) -> None:
    who = holder(not_after=NOW + timedelta(days=10))
    enrolled(bench, who)
    bench.clock.forward(days=11)
    (change,) = bench.map.recheck_all(bench.asker()).changes
    assert (change.reason, change.after) == ("expired", State.NEEDS_RELINK)


def test_old_data_are_no_answer(bench: Bench) -> None:
    enrolled(bench, holder())
    bench.clock.forward(days=60)
    report = bench.map.recheck_all(bench.asker())
    assert counts(report) == (1, 1, 0, 0)
    assert entries(bench)[0][3:] == ("status_unknown", "cannot_tell crl_expired")
    assert stored(bench) == 1


def test_one_person(bench: Bench) -> None:
    gone, other = holder(), holder()
    first, second = enrolled(bench, gone), enrolled(bench, other)
    table = later(bench, (gone, Reason.SUPERSEDED))
    assert counts(table.recheck_all(bench.asker(), only=pseudonym_text(second))) == (1, 0, 0, 0)
    assert counts(table.recheck_all(bench.asker(), only=pseudonym_text(first))) == (1, 0, 1, 1)
    for nobody in ("no pseudonym", pseudonym_text(bytes(16))):
        report = table.recheck_all(bench.asker(), only=nobody)
        assert (report.resolution.outcome, report.checked) == (Outcome.UNREGISTERED, 0)


def test_a_suppressed_person_is_checked_and_not_named(bench: Bench) -> None:
    who = holder()
    pseudonym = pseudonym_text(enrolled(bench, who))
    bench.map.suppress(pseudonym, STAFF)
    table = later(bench, (who, Reason.KEY_COMPROMISE))
    unknown = table.recheck_all(bench.asker(), only=pseudonym_text(bytes(16)))
    assert table.recheck_all(bench.asker(), only=pseudonym) == unknown
    report = table.recheck_all(bench.asker())
    assert report.changes == ()
    with bench.map.store.reading() as connection:
        assert connection.execute(select(HANDLE.c.state)).scalar_one() == "suspended"
    bench.map.suppress(pseudonym, STAFF, lift=True)
    assert bench.ask(who, Operation.RESOLVE).reason == "suspended"


@pytest.mark.parametrize(("page", "changes"), [(2, 3), (500, 1)])
def test_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch, page: int, changes: int) -> None:
    """Each page is one transaction that reads and one that writes."""
    monkeypatch.setattr(recheck, "PAGE", page)
    auth, sign = holder(), holder(Family.SIGN)
    enrolled(bench, auth)
    link(bench, sign, auth, LinkKind.SIGN_AUTH)
    for _ in range(3):
        enrolled(bench, holder())
    begun: list[bool] = []

    def begin(connection: Connection) -> None:
        begun.append(bool(connection.get_execution_options().get(READ_ONLY)))

    event.listen(bench.map.store.engine, "begin", begin)
    assert counts(bench.map.recheck_all(bench.asker())) == (5, 0, 0, 0)
    assert (begun.count(False), begun.count(True)) == (changes, changes)
    assert len(entries(bench)) == 5


def test_a_page_is_kept_whole_or_not_at_all(bench: Bench) -> None:
    """Cut off at any statement, nobody of the page is changed and nothing is on the ledger."""
    people = [holder(), holder(Family.SIGN), holder()]
    for who in people:
        enrolled(bench, who)
    table = later(bench, *((who, Reason.SUPERSEDED) for who in people))
    before = bench.map.verify_ledger().entries

    class Cut(Exception):
        pass

    for last in range(60):
        seen = 0

        def cut(*_: Any, last: int = last) -> None:
            nonlocal seen
            seen += 1
            if seen > last:
                raise Cut

        event.listen(table.store.engine, "after_cursor_execute", cut)
        try:
            report = table.recheck_all(bench.asker())
            break
        except Cut:
            assert (bench.map.verify_ledger().entries, stored(bench)) == (before, 3)
            with bench.map.store.reading() as connection:
                states = set(connection.execute(select(HANDLE.c.state)).scalars())
            assert states == {"active"}
        finally:
            event.remove(table.store.engine, "after_cursor_execute", cut)
    assert last > 12
    assert counts(report) == (3, 0, 3, 3)
    assert bench.map.verify_ledger().entries == before + 3


class Meanwhile:
    """A platform to which everything is revoked; ``happen`` happens while it is asked first."""

    def __init__(self, happen: Callable[[], object]) -> None:
        self._happen: Callable[[], object] | None = happen

    def status(self, ref: CertificateRef) -> StatusAnswer:
        happen, self._happen = self._happen, None
        if happen is not None:
            happen()
        return StatusAnswer(Validity.REVOKED, NOW, "superseded", "T-1")

    def linked(self, ref: CertificateRef, kind: LinkKind) -> LinkAnswer | None:
        raise AssertionError("not asked")

    def latest_info(self, ref: CertificateRef, items: frozenset[str]) -> Mapping[str, str]:
        raise AssertionError("not asked")


def test_a_new_certificate_that_came_while_the_old_one_was_asked_about(bench: Bench) -> None:
    """What was said of the old one is not done to the new one; rotated keys are no new one."""
    old, new = holder(), holder()
    enrolled(bench, old)

    def linked() -> None:
        assert link(bench, new, old, LinkKind.OLD_NEW).done

    report = bench.map.recheck_all(bench.asker(), Meanwhile(linked))
    assert (counts(report), stored(bench)) == ((1, 0, 0, 0), 1)
    assert bench.ask(new, Operation.RESOLVE).done
    rotated = Meanwhile(lambda: bench.again().rotate("library"))
    assert counts(bench.map.recheck_all(bench.asker(), rotated)) == (1, 0, 1, 1)
    assert bench.ask(new, Operation.RESOLVE).outcome is Outcome.STALE


def test_a_consent_that_was_given_anew_meanwhile(bench: Bench) -> None:
    bench.map.policy = policy(consent=True, notice="2026-04", data_items=frozenset({"name"}))
    sign, other = holder(Family.SIGN), holder()
    for who in (sign, other):
        assert bench.ask(who, Operation.ENROL).done
    evidence = bench.evidence(sign, Operation.WITHDRAW)
    bench.map.withdraw(bench.map.verify(evidence), bench.asker())

    def given() -> None:
        items = frozenset({"name"})
        signed = consent.detail(items, "2026-04")
        answer = bench.map.verify(bench.evidence(sign, Operation.CONSENT, detail=signed))
        assert bench.map.consent(answer, bench.asker(items=items), notice="2026-04").done

    report = bench.map.recheck_all(bench.asker(), Meanwhile(given))
    assert (counts(report), stored(bench)) == ((1, 0, 1, 1), 1)


# --- by permission only -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"stores_serial": False}, "recheck_of_stored"),
        ({"operations": frozenset({Operation.ENROL})}, "operation_listed"),
        ({"valid_until": date(2026, 11, 20)}, "purpose_in_force"),
        ({"actors": ("other-*",)}, "actor_unknown"),
    ],
)
def test_refused(bench: Bench, facts: dict[str, object], code: str) -> None:
    enrolled(bench, holder())
    bench.map.policy = policy(**facts)
    report = bench.map.recheck_all(bench.asker(purpose="library-use"))
    assert (report.resolution.outcome, report.resolution.reason) == (Outcome.REFUSED, code)
    assert (report.checked, entries(bench)[-1][2:4]) == (0, ("refused", code))


def test_a_sign_certificate_is_not_asked_about_without_the_role(bench: Bench) -> None:
    enrolled(bench, holder(Family.SIGN))
    only = frozenset({Role.AUTHENTICATION_VERIFIER})
    bench.map.policy = replace(
        bench.policy, organisation=replace(bench.policy.organisation, roles=only)
    )
    assert counts(bench.map.recheck_all(bench.asker())) == (1, 1, 0, 0)
    assert entries(bench)[0][4] == "cannot_tell not_permitted"


@pytest.mark.parametrize("facts", [{"stores_serial": False}, {"valid_until": date(2026, 11, 20)}])
def test_serials_go_with_their_purpose(bench: Bench, facts: dict[str, object]) -> None:
    """52条: kept only to confirm that a certificate is in force, for a purpose that asks."""
    enrolled(bench, holder())
    assert stored(bench) == 1
    bench.map.policy = policy(**facts)
    report = bench.map.recheck_all(bench.asker(purpose="library-use"))
    assert (report.deleted, stored(bench)) == (1, 0)
    assert entries(bench)[0][2:4] == ("done", "serials_deleted")
    assert bench.map.recheck_all(bench.asker(purpose="library-use")).deleted == 0


def test_serials_go_with_consent_and_with_the_person(bench: Bench) -> None:
    bench.map.policy = policy(consent=True, notice="2026-04")
    first, second = holder(), holder()
    for who in (first, second):
        assert bench.ask(who, Operation.ENROL).done
    evidence = bench.evidence(first, Operation.WITHDRAW)
    bench.map.withdraw(bench.map.verify(evidence), bench.asker())
    assert counts(bench.map.recheck_all(bench.asker())) == (1, 0, 1, 0)
    assert stored(bench) == 1
    bench.ask(second, Operation.ERASE)
    assert stored(bench) == 0


# --- through a platform -----------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer(SynthPki(NOW), clock=lambda: NOW) as running:
        yield running


def test_by_a_platform(bench: Bench, server: PlatformServer) -> None:
    gone, good = holder(), holder()
    pseudonym, _ = enrolled(bench, gone), enrolled(bench, good)
    server.pki.revoke(
        Family.AUTH, 3, KIYOSE.code, gone.serial, datetime(2026, 11, 20, tzinfo=UTC),
        Reason.SUPERSEDED,
    )  # fmt: skip
    platform = HttpPlatform(server.url, server.key)
    report = bench.map.recheck_all(bench.asker(), platform)
    assert [c.pseudonym for c in report.changes] == [pseudonym]
    assert {entry[0] for entry in entries(bench)} == {"platform"}
    assert {entry[4] for entry in entries(bench)} == {
        "platform good", "platform revoked superseded",
    }  # fmt: skip
    server.mode = PlatformMode.UNKNOWN
    assert counts(bench.map.recheck_all(bench.asker(), platform)) == (1, 1, 0, 0)


def test_a_platform_that_fails_in_the_middle_keeps_what_was_found(
    bench: Bench, server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        enrolled(bench, holder())
    platform = HttpPlatform(server.url, server.key)
    ask = platform.status

    def once(ref: CertificateRef) -> StatusAnswer:
        answer = ask(ref)
        server.mode = PlatformMode.UNAVAILABLE
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(platform, "status", once)
        with pytest.raises(PlatformError):
            bench.map.recheck_all(bench.asker(), platform)
    assert [entry[3] for entry in entries(bench)] == ["good"]
    assert stored(bench) == 3
    server.mode = PlatformMode.GOOD
    assert counts(bench.map.recheck_all(bench.asker(), platform)) == (3, 0, 0, 0)
