# SPDX-License-Identifier: Apache-2.0
"""The states of a registered person: every cell of the table, and each row walked in a map."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

import map_bench
from jpki.certificate.kinds import Family, Medium
from jpki.mapping.answers import Outcome, Resolution
from jpki.mapping.lifecycle import TRANSITIONS, Event, State, after
from jpki.mapping.policy import LinkKind, Operation
from jpki.mapping.records import pseudonym_text
from jpki.mapping.sitting import Asker
from jpki.mapping.store.schema import HANDLE, LEDGER
from jpki.synth import Reason
from map_bench import NOW, ORIGIN, Bench, Holder, holder, link

STAFF = Asker(actor="staff-3", service="library", document="届出 7")

# Columns: unregistered, active, needs_sign_refresh, needs_relink, suspended, deleted.
# A dash: it does not happen there. Fail closed: suspension is left by erasure alone.
TABLE = """
enrolled         active  -                   -                   -             -          -
login            -       active              needs_sign_refresh  -             -          -
sign_ended       -       needs_sign_refresh  needs_sign_refresh  needs_relink  suspended  -
auth_ended       -       needs_relink        needs_relink        needs_relink  suspended  -
relinked         -       active              needs_sign_refresh  active        -          -
refreshed        -       active              active              needs_relink  -          -
compromised      -       suspended           suspended           suspended     suspended  -
phone_ended      -       active              needs_sign_refresh  needs_relink  suspended  -
phone_held       -       active              needs_sign_refresh  needs_relink  suspended  -
staff_suspended  -       suspended           suspended           suspended     suspended  -
erased           -       deleted             deleted             deleted       deleted    -
"""
CELLS = [
    (state, Event(event), None if cell == "-" else State(cell))
    for event, *cells in (line.split() for line in TABLE.strip().splitlines())
    for state, cell in zip(State, cells, strict=True)
]


@pytest.mark.parametrize(("state", "event", "next_state"), CELLS)
def test_cell(state: State, event: Event, next_state: State | None) -> None:
    assert after(state, event) is next_state


def test_no_cell_is_left_out() -> None:
    assert {(state, event) for state, event, _ in CELLS} == {(s, e) for s in State for e in Event}
    assert {(s, e) for s, e, to in CELLS if to is not None} == set(TRANSITIONS)


# --- each row, in a map -----------------------------------------------------------------


def state(bench: Bench) -> State:
    with bench.map.store.reading() as connection:
        row = connection.execute(select(HANDLE.c.state).order_by(HANDLE.c.created_at)).first()
    return State.DELETED if row is None else State(row.state)


def last(bench: Bench) -> tuple[str, str, str]:
    with bench.map.store.reading() as connection:
        row = connection.execute(select(LEDGER).order_by(LEDGER.c.seq.desc()).limit(1)).one()
    return row.operation, row.outcome, row.reason


def ended(bench: Bench, who: Holder, reason: Reason) -> Resolution:
    """The holder comes with a certificate that was revoked."""
    gone = bench.again(validator=map_bench.validator(bench.clock, revoked=((who, reason),)))
    return gone.resolve(gone.verify(bench.evidence(who, Operation.RESOLVE)), bench.asker())


def relink(bench: Bench, sign: Holder) -> Resolution:
    return link(bench, holder(slot=1), sign, LinkKind.SIGN_AUTH)


def refresh(bench: Bench, new: Holder, known: Holder) -> Resolution:
    """Both presented in one sitting."""
    challenge = bench.map.issue_challenge(Operation.REFRESH, origin=ORIGIN, service="library")
    shown = [bench.map.verify(who.answer(challenge)) for who in (new, known)]
    return bench.map.refresh(shown[0], bench.asker(), known=shown[1])


def by_staff(bench: Bench, deed: str, **facts: object) -> None:
    """Find the pseudonym as a service would have kept it."""
    from jpki.mapping.store.schema import PSEUDONYM

    with bench.map.store.reading() as connection:
        code = connection.execute(select(PSEUDONYM.c.pseudonym)).scalar_one()
    getattr(bench.map, deed)(pseudonym_text(bytes(code)), STAFF, **facts)


Step = Callable[[Bench, Holder, Holder, Holder], object]
STEPS: dict[str, Step] = {
    "login": lambda b, auth, sign, phone: b.ask(auth, Operation.RESOLVE),
    "sign login": lambda b, auth, sign, phone: b.ask(sign, Operation.RESOLVE),
    "sign moved": lambda b, auth, sign, phone: ended(b, sign, Reason.AFFILIATION_CHANGED),
    "auth superseded": lambda b, auth, sign, phone: ended(b, auth, Reason.SUPERSEDED),
    "auth compromised": lambda b, auth, sign, phone: ended(b, auth, Reason.KEY_COMPROMISE),
    "auth held": lambda b, auth, sign, phone: ended(b, auth, Reason.CERTIFICATE_HOLD),
    "phone held": lambda b, auth, sign, phone: ended(b, phone, Reason.CERTIFICATE_HOLD),
    "phone given up": lambda b, auth, sign, phone: ended(b, phone, Reason.CESSATION_OF_OPERATION),
    "new auth": lambda b, auth, sign, phone: relink(b, sign),
    "new sign": lambda b, auth, sign, phone: link(
        b, holder(Family.SIGN, slot=1), auth, LinkKind.SIGN_AUTH
    ),
    "refreshed": lambda b, auth, sign, phone: refresh(b, holder(Family.SIGN, slot=1), auth),
    "refreshed by auth": lambda b, auth, sign, phone: refresh(b, holder(slot=1), auth),
    "lost phone": lambda b, auth, sign, phone: by_staff(b, "suspend", medium=Medium.PHONE),
    "suspended": lambda b, auth, sign, phone: by_staff(b, "suspend"),
    "death": lambda b, auth, sign, phone: by_staff(b, "close_account"),
    "erased": lambda b, auth, sign, phone: b.ask(auth, Operation.ERASE),
}


@pytest.mark.parametrize(
    ("steps", "end", "entry"),
    [
        ("login", State.ACTIVE, ("resolve", "resolved", "resolved")),
        ("sign moved", State.NEEDS_SIGN_REFRESH, ("resolve", "stale", "affiliation_changed")),
        # Login by auth may go on.
        ("sign moved, login", State.NEEDS_SIGN_REFRESH, ("resolve", "resolved", "resolved")),
        ("sign moved, new sign", State.ACTIVE, ("link", "resolved", "resolved")),
        ("sign moved, refreshed", State.ACTIVE, ("refresh", "resolved", "resolved")),
        ("sign moved, refreshed, login", State.ACTIVE, ("resolve", "resolved", "resolved")),
        (
            "sign moved, refreshed by auth",
            State.NEEDS_SIGN_REFRESH,
            ("refresh", "refused", "refresh_not_sign"),
        ),
        (
            "auth superseded, refreshed",
            State.NEEDS_RELINK,
            ("refresh", "stale", "certificate_ended"),
        ),
        ("suspended, refreshed", State.SUSPENDED, ("refresh", "refused", "suspended")),
        ("auth superseded", State.NEEDS_RELINK, ("resolve", "stale", "superseded")),
        # No other certificate stands in for the one that ended.
        ("auth superseded, sign login", State.NEEDS_RELINK, ("resolve", "stale", "needs_relink")),
        # Only J-LIS's link from the old certificate renews; see test_life.
        ("auth superseded, new auth", State.NEEDS_RELINK, ("link", "stale", "needs_relink")),
        ("phone held", State.ACTIVE, ("resolve", "stale", "certificate_hold")),
        ("phone held, login", State.ACTIVE, ("resolve", "resolved", "resolved")),
        ("phone given up, login", State.ACTIVE, ("resolve", "resolved", "resolved")),
        ("lost phone, login", State.ACTIVE, ("resolve", "resolved", "resolved")),
        ("auth compromised", State.SUSPENDED, ("resolve", "stale", "key_compromise")),
        ("auth held", State.SUSPENDED, ("resolve", "stale", "certificate_hold")),
        ("auth held, sign login", State.SUSPENDED, ("resolve", "refused", "suspended")),
        ("suspended, login", State.SUSPENDED, ("resolve", "refused", "suspended")),
        ("suspended, new sign", State.SUSPENDED, ("link", "refused", "suspended")),
        ("suspended, erased", State.DELETED, ("erase", "done", "done")),
        ("erased, login", State.DELETED, ("resolve", "unregistered", "unregistered")),
        ("death, login", State.DELETED, ("resolve", "unregistered", "unregistered")),
    ],
)
def test_walk(bench: Bench, steps: str, end: State, entry: tuple[str, str, str]) -> None:
    auth, sign, phone = holder(), holder(Family.SIGN), holder(medium=Medium.PHONE)
    assert bench.ask(auth, Operation.ENROL).done
    assert link(bench, sign, auth, LinkKind.SIGN_AUTH).done
    assert link(bench, phone, auth, LinkKind.CARD_PHONE).done
    for step in steps.split(", "):
        STEPS[step](bench, auth, sign, phone)
    assert (state(bench), last(bench)) == (end, entry)
    assert bench.map.verify_ledger().intact


def test_without_a_link_the_new_registration_stays_apart(bench: Bench) -> None:
    old, new = holder(), holder(slot=1)
    first = bench.ask(old, Operation.ENROL)
    ended(bench, old, Reason.SUPERSEDED)
    bench.clock.forward(hours=1)
    second = bench.ask(new, Operation.ENROL)
    assert second.done
    assert second.pseudonym != first.pseudonym
    assert state(bench) is State.NEEDS_RELINK  # of the first


def test_expired(bench: Bench) -> None:
    who = holder(not_after=NOW + timedelta(days=1))
    bench.ask(who, Operation.ENROL)
    bench.clock.forward(days=2)
    assert bench.ask(who, Operation.RESOLVE).outcome is Outcome.STALE
    assert state(bench) is State.NEEDS_RELINK
