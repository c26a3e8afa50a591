# SPDX-License-Identifier: Apache-2.0
"""What is kept about a person: consent, evidence, the own view, keys that change."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from jpki.certificate.kinds import Environment, Family
from jpki.mapping import consent as consents
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.errors import KeyFileError
from jpki.mapping.key_file import read_keys
from jpki.mapping.policy import LinkKind, Operation
from jpki.mapping.records import parse_pseudonym, pseudonym_text
from jpki.mapping.sitting import Asker, plain
from jpki.mapping.staff_view import reminders_due
from jpki.mapping.store.schema import CERTIFICATE_INDEX, METADATA, RECHECK_SERIAL, SERVICE_KEY
from map_bench import NOW, Bench, Holder, changed, holder, link

STAFF = Asker(actor="staff-3", service="library", document="届出 7")


# --- consent ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "start", "end"),
    [
        ("2023-05-18T03:00:00+00:00", "2023-05-18T15:00:00", "2033-05-18T14:59:59"),
        ("2023-05-18T16:00:00+00:00", "2023-05-19T15:00:00", "2033-05-19T14:59:59"),
        ("2028-02-28T03:00:00+00:00", "2028-02-28T15:00:00", "2038-02-28T14:59:59"),
    ],
)
def test_the_term_of_a_consent(received: str, start: str, end: str) -> None:
    found = consents.term(datetime.fromisoformat(received))
    assert [t.astimezone(UTC).replace(tzinfo=None).isoformat() for t in found] == [start, end]


def give(bench: Bench, who: Holder, items: frozenset[str], notice: str = "1") -> Resolution:
    detail = consents.detail(items, notice)
    presentation = bench.map.verify(bench.evidence(who, Operation.CONSENT, detail=detail))
    return bench.map.consent(presentation, bench.asker(items=items), notice=notice)


def test_consent_is_signed_with_its_items(bench: Bench) -> None:
    auth, sign = holder(), holder(Family.SIGN)
    bench.ask(auth, Operation.ENROL)
    link(bench, sign, auth, LinkKind.SIGN_AUTH)
    items = frozenset({"name", "address"})
    assert give(bench, auth, items).outcome is Outcome.REFUSED  # not the sign certificate
    assert give(bench, sign, items).outcome is Outcome.DONE
    # What was signed is not what is claimed.
    detail = consents.detail({"name"}, "1")
    evidence = bench.evidence(sign, Operation.CONSENT, detail=detail)
    answer = bench.map.consent(bench.map.verify(evidence), bench.asker(items=items), notice="1")
    assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "challenge_other_purpose")
    view = bench.map.disclose(
        bench.map.verify(bench.evidence(auth, Operation.DISCLOSE)), bench.asker()
    ).view
    assert [(c.items, c.state) for c in view.consents] == [(("address", "name"), "given")]
    withdrawn = bench.map.withdraw(
        bench.map.verify(bench.evidence(auth, Operation.WITHDRAW)), bench.asker()
    )
    assert withdrawn.outcome is Outcome.DONE
    again = bench.map.withdraw(
        bench.map.verify(bench.evidence(auth, Operation.WITHDRAW)), bench.asker()
    )
    assert (again.outcome, again.reason) == (Outcome.REFUSED, "no_consent")


def test_reminders(bench: Bench) -> None:
    """Yearly, once for a person however many consents, until the term ends; on the ledger."""
    operations = bench.policy.services[0].purposes[0].operations | {Operation.REVIEW_CONSENTS}
    bench.map.policy = changed(bench.policy, operations=operations)
    sign = holder(Family.SIGN)
    pseudonym = bench.ask(sign, Operation.ENROL).pseudonym
    for notice in ("1", "2"):
        give(bench, sign, frozenset({"name"}), notice)
    for days, due in ((364, 0), (366, 1), (367, 0), (800, 1), (3700, 0)):
        bench.clock.now = NOW + timedelta(days=days)
        before = bench.map.verify_ledger().entries
        view = reminders_due(bench.map, STAFF)
        assert [person.pseudonym for person in view.persons] == [pseudonym] * due
        assert bench.map.verify_ledger().entries == before + 1


def test_reminders_by_parts(bench: Bench) -> None:
    operations = bench.policy.services[0].purposes[0].operations | {Operation.REVIEW_CONSENTS}
    bench.map.policy = changed(bench.policy, operations=operations)
    people = set()
    for _ in range(3):
        sign = holder(Family.SIGN)
        people.add(bench.ask(sign, Operation.ENROL).pseudonym)
        give(bench, sign, frozenset({"name"}))
    bench.clock.forward(days=366)
    parts = [reminders_due(bench.map, STAFF, limit=2).persons for _ in range(3)]
    assert [len(part) for part in parts] == [2, 1, 0]
    assert {person.pseudonym for part in parts for person in part} == people


def test_no_resolution_after_consent_was_withdrawn(bench: Bench) -> None:
    bench.map.policy = changed(bench.policy, consent=True, notice="2026-04")
    who = holder()
    assert bench.ask(who, Operation.ENROL).done
    assert bench.ask(who, Operation.RESOLVE).done
    bench.map.withdraw(bench.map.verify(bench.evidence(who, Operation.WITHDRAW)), bench.asker())
    answer = bench.ask(who, Operation.RESOLVE)
    assert (answer.outcome, answer.rule, answer.pseudonym) == (Outcome.REFUSED, "R8", None)
    assert bench.ask(holder(), Operation.RESOLVE).outcome is Outcome.UNREGISTERED


# --- disclosure -------------------------------------------------------------------------


def test_the_persons_own_view(bench: Bench) -> None:
    who = holder()
    bench.ask(who, Operation.ENROL)
    bench.ask(who, Operation.RESOLVE)
    bench.ask(holder(), Operation.RESOLVE)
    disclosed = bench.map.disclose(
        bench.map.verify(bench.evidence(who, Operation.DISCLOSE)), bench.asker()
    )
    accesses = disclosed.view.accesses
    assert [a.operation for a in accesses] == ["resolve", "enrol"]
    assert {a.article for a in accesses} == {"Act of the library6条"}
    assert {a.who for a in accesses} == {"authentication_verifier,signature_verifier"}
    assert "terminal-1" not in json.dumps(disclosed.to_object())
    bench.map.policy = changed(bench.policy, operator_names=True)
    named = bench.map.disclose(
        bench.map.verify(bench.evidence(who, Operation.DISCLOSE)), bench.asker()
    )
    assert {a.who for a in named.view.accesses} == {"terminal-1"}


# --- what is stored ---------------------------------------------------------------------


def everything(bench: Bench) -> bytes:
    """All that is in the database, as bytes and as text."""
    out = []
    with bench.map.store.reading() as connection:
        for table in METADATA.sorted_tables:
            for row in connection.execute(select(table)):
                out += [bytes(v) if isinstance(v, bytes) else str(v).encode() for v in row]
    return b"\n".join(out)


def test_no_serial_no_key_no_name_is_stored(bench: Bench) -> None:
    serial = 0x5A17C0FFEE5EED
    who = holder(Family.SIGN, serial=serial)
    bench.map.policy = changed(bench.policy, stores_serial=True)
    bench.ask(who, Operation.ENROL)
    bench.ask(who, Operation.RESOLVE)
    stored = everything(bench)
    raw = serial.to_bytes(7, "big")
    modulus = who.key.public_key().public_numbers().n.to_bytes(256, "big")
    for secret in (raw, raw.hex().encode(), str(serial).encode(), modulus, who.certificate):
        assert secret not in stored
    assert "試験".encode() not in stored
    with bench.map.store.reading() as connection:
        assert connection.execute(select(RECHECK_SERIAL.c.family)).scalars().all() == ["sign"]


# --- new keys ---------------------------------------------------------------------------


def test_rotated_while_it_runs(bench: Bench) -> None:
    bench.map.policy = changed(bench.policy, stores_serial=True)
    people = [holder() for _ in range(5)]
    codes = [bench.ask(who, Operation.ENROL).pseudonym for who in people]
    hidden = codes[4]
    assert hidden is not None
    bench.map.suppress(pseudonym_text(hidden), STAFF)
    other = bench.again()
    with bench.map.store.reading() as connection:
        before = set(connection.execute(select(CERTIFICATE_INDEX.c.index_key)).scalars())
    bench.map.rotate("library")
    with bench.map.store.reading() as connection:
        rows = connection.execute(
            select(CERTIFICATE_INDEX.c.index_key, CERTIFICATE_INDEX.c.epoch)
        ).all()
        sealed = connection.execute(select(RECHECK_SERIAL.c.epoch)).scalars().all()
    assert {row.epoch for row in rows} == {2}
    assert not {row.index_key for row in rows} & before
    assert set(sealed) == {2}
    assert [bench.ask(who, Operation.RESOLVE).pseudonym for who in people[:4]] == codes[:4]
    # A process that has the old keys reads the file again.
    presentation = other.verify(bench.evidence(people[0], Operation.RESOLVE))
    assert other.resolve(presentation, bench.asker()).pseudonym == codes[0]
    bench.map.rotate("library")
    bench.map.suppress(pseudonym_text(hidden), STAFF, lift=True)
    assert bench.ask(people[4], Operation.RESOLVE).pseudonym == hidden


def test_two_rotations_at_once(bench: Bench) -> None:
    """From two processes' maps, while a third looks people up: nobody is lost or found twice."""
    people = [holder() for _ in range(12)]
    codes = [bench.ask(who, Operation.ENROL).pseudonym for who in people]
    tables = [bench.again() for _ in range(2)]
    with ThreadPoolExecutor(3) as pool:
        rotations = [pool.submit(table.rotate, "library") for table in tables]
        during = pool.submit(lambda: [bench.ask(who, Operation.RESOLVE) for who in people])
        for rotation in rotations:
            rotation.result(60)
        assert [answer.pseudonym for answer in during.result(60)] == codes
    epoch = read_keys(bench.key_file).service("library").epoch
    assert epoch in (2, 3)  # one after the other, or both the same
    with bench.map.store.reading() as connection:
        rows = connection.execute(select(CERTIFICATE_INDEX.c.epoch)).scalars().all()
        named = connection.execute(select(SERVICE_KEY.c.epoch, SERVICE_KEY.c.service)).all()
    assert rows == [epoch] * len(people)
    assert (epoch, "library") in [tuple(row) for row in named]
    for table in (*tables, bench.again()):
        evidence = [bench.evidence(who, Operation.RESOLVE) for who in people]
        found = [table.resolve(table.verify(one), bench.asker()).pseudonym for one in evidence]
        assert found == codes


def test_a_rotation_cut_short_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from jpki.mapping import rotation

    people = [holder() for _ in range(3)]
    codes = [bench.ask(who, Operation.ENROL).pseudonym for who in people]
    for step in ("update", "_rekey"):  # the keys are made; the database names them
        with monkeypatch.context() as patch:
            patch.setattr(rotation, step, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                bench.map.rotate("library")
        if step == "_rekey":
            again = bench.again()
            presentation = again.verify(bench.evidence(people[0], Operation.RESOLVE))
            assert again.resolve(presentation, bench.asker()).pseudonym == codes[0]
    bench.map.rotate("library")
    assert read_keys(bench.key_file).service("library").epoch == 2
    assert [bench.ask(who, Operation.RESOLVE).pseudonym for who in people] == codes


def test_an_old_key_file_opens_nothing(bench: Bench) -> None:
    who = holder()
    bench.ask(who, Operation.ENROL)
    old = bench.key_file.read_bytes()
    bench.map.rotate("library")
    bench.key_file.write_bytes(old)
    stale = bench.again()
    presentation = stale.verify(bench.evidence(who, Operation.RESOLVE))
    with pytest.raises(KeyFileError):
        stale.resolve(presentation, bench.asker())


# --- small things -----------------------------------------------------------------------


@pytest.mark.parametrize("code", [bytes(16), bytes([255]) * 16, b"0123456789abcdef"])
def test_pseudonyms_as_text(code: bytes) -> None:
    text = pseudonym_text(code)
    assert len(text) == 26
    assert parse_pseudonym(text) == code
    assert parse_pseudonym(text[1:]) is None
    assert parse_pseudonym("9" * 26) is None
    assert parse_pseudonym(text.upper()) is None


def test_free_text_never_carries_a_number() -> None:
    assert plain("届出 7") == "届出 7"
    assert plain("a\x1fb\nc") == "a?b?c"
    twelve = "1" * 12
    assert plain(f"No {twelve}.") == "No ************."
    assert plain("1" * 11) == "1" * 11
    assert len(plain("x" * 1000)) == 200


def test_the_environment_is_for_life(bench: Bench) -> None:
    facts = bench.map.store.facts()
    assert facts["environment"] == Environment.TEST.value
