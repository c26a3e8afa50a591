# SPDX-License-Identifier: Apache-2.0
"""The lists at hand by themselves: what they say of all they do not name, what is remembered,
and lists that tell nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crl_edits import entries, entry, kiyose_list
from der_edit import resigned
from jpki.certificate import Certificate, Family, parse_certificate
from jpki.synth.municipalities import KIYOSE, SHIBUYA
from jpki.synth.overrides import CrlOverrides
from jpki.synth.pki import SynthPki
from jpki.validation import ProcessMemory, TrustStore, Validator
from jpki.validation.crl_facts import Standing
from jpki.validation.crl_lists import joined
from jpki.validation.crl_store import CrlStore
from jpki.validation.times import Moment
from jpki.validation.trust import Anchor
from jpki.verdict import Outcome

Make = Callable[..., bytes]
SERIAL = 0x0700ABCD
BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
OCTETS = SERIAL.to_bytes(4, "big")


@pytest.fixture(scope="module")
def certificate(make: Make) -> Certificate:
    return parse_certificate(make(serial=SERIAL))


@pytest.fixture(scope="module")
def anchor(trust: TrustStore, certificate: Certificate) -> Anchor:
    found = Validator(trust).anchor_of(certificate)
    assert found is not None
    return found


def of(pki: SynthPki, *serials: int, **wrong: object) -> bytes:
    """A list of Kiyose from ``BEGIN`` for two days."""
    times = {"number": 5, "this_update": BEGIN, "next_update": BEGIN + 2 * DAY}
    return kiyose_list(pki, *((serial, BEGIN - DAY, 1) for serial in serials), **{**times, **wrong})


Ask = Callable[..., Standing | None]


@pytest.fixture(scope="module")
def standing(certificate: Certificate, anchor: Anchor) -> Ask:
    def ask(
        *lists: bytes, memory: ProcessMemory | None = None, max_age: timedelta | None = None
    ) -> Standing | None:
        return CrlStore(lists, memory).standing(certificate, anchor, max_age)

    return ask


@pytest.mark.parametrize(
    ("max_age", "until"), [(None, 2 * DAY), (DAY, DAY), (3 * DAY, 2 * DAY), (timedelta(0), 0 * DAY)]
)
def test_what_a_list_says_of_all_it_does_not_name(
    pki: SynthPki, standing: Ask, max_age: timedelta | None, until: timedelta
) -> None:
    found = standing(of(pki, SERIAL), max_age=max_age)
    assert found is not None
    assert (found.since, found.until) == (BEGIN, BEGIN + until)
    assert (found.good.outcome, found.good.code) == (Outcome.VALID, "crl_good")
    assert found.listed(OCTETS)
    assert not found.listed(b"\x05")


def test_two_lists_that_replace_one_another(pki: SynthPki, standing: Ask) -> None:
    """The newer says «good», from its time on; what either names is named."""
    new = of(pki, number=6, this_update=BEGIN + DAY)
    for lists in ((of(pki, SERIAL), new), (new, of(pki, SERIAL))):
        found = standing(*lists)
        assert found is not None
        assert (found.since, found.until) == (BEGIN + DAY, BEGIN + 2 * DAY)
        assert found.listed(OCTETS)
        assert not found.listed(b"\x05")


@pytest.mark.parametrize("damaged", [{"damage_signature": True}, {"signer": "rogue-ca"}])
def test_who_is_not_believed_counts_for_nothing(
    pki: SynthPki, standing: Ask, damaged: dict[str, object]
) -> None:
    newer = of(pki, SERIAL, number=9, **damaged)
    assert standing(newer) is None
    found = standing(newer, of(pki))
    assert found is not None
    assert not found.listed(OCTETS)


def test_where_each_has_to_be_looked_at(pki: SynthPki, standing: Ask) -> None:
    good = of(pki)
    assert standing() is None
    assert standing(of(pki, next_update_absent=True)) is None
    assert standing(of(pki, next_update=BEGIN - SECOND)) is None
    assert standing(good, memory=ProcessMemory()) is None
    assert standing(good, of(pki, SERIAL)) is None  # two of one number
    assert standing(good, of(pki, number=6, idp_absent=True)) is None  # two points
    assert standing(of(pki, next_update_absent=True), max_age=DAY) is not None


def codes(
    certificate: Certificate,
    anchor: Anchor,
    *lists: bytes,
    at: datetime = BEGIN + DAY,
    now: datetime | None = None,
    memory: ProcessMemory | None = None,
) -> set[str]:
    store = CrlStore(lists, memory)
    return {found.code for found in store.check(certificate, anchor, Moment(at, now or at))}


def test_a_list_of_tomorrow_says_nothing_yet(
    pki: SynthPki, certificate: Certificate, anchor: Anchor
) -> None:
    for data, code in ((of(pki), "crl_good"), (of(pki, SERIAL), "revoked")):
        assert codes(certificate, anchor, data, at=BEGIN) == {code}
        assert codes(certificate, anchor, data, at=BEGIN - SECOND) == {"crl_future"}


def test_an_entry_that_cannot_be_read_is_not_passed_over(
    pki: SynthPki, certificate: Certificate, anchor: Anchor
) -> None:
    """Its form is right, its month is none."""
    odd = entry(date="170d" + b"261301000000Z".hex())
    data = resigned(pki.crl(Family.SIGN, 3, KIYOSE, []), pki.ca_key(Family.SIGN, 3), entries(odd))
    found = CrlStore([data]).check(certificate, anchor, Moment(pki.at, pki.at))
    assert [(one.outcome, one.code, one.decisive) for one in found] == [
        (Outcome.CANNOT_TELL, "crl_malformed", True)
    ]


def test_a_number_is_remembered_of_now(
    pki: SynthPki, certificate: Certificate, anchor: Anchor
) -> None:
    """Of a time past, an older list is what was known then, and nothing to remember."""
    memory = ProcessMemory()
    rows = [(6, 0, "crl_good"), (6, 0, "crl_good"), (5, 0, "crl_rollback"), (5, 1, "crl_good"),
            (7, 1, "crl_good"), (6, 0, "crl_good")]  # fmt: skip
    for number, seconds, code in rows:
        at = BEGIN + DAY
        data = of(pki, number=number)
        now = at + seconds * SECOND
        assert codes(certificate, anchor, data, at=at, now=now, memory=memory) == {code}


@pytest.mark.parametrize(
    ("lists", "code"),
    [
        ((), "crl_missing"),
        ((b"\x30\x00",), "crl_malformed"),
        (((2, KIYOSE),), "crl_other_generation"),
        (((2, SHIBUYA),), "crl_other_generation"),
        (((3, SHIBUYA),), "crl_other_point"),
        ((b"\x30\x00", (2, SHIBUYA)), "crl_other_generation"),
    ],
)
def test_what_is_missing_is_said(
    pki: SynthPki, certificate: Certificate, anchor: Anchor, lists: tuple[object, ...], code: str
) -> None:
    given = [
        one if isinstance(one, bytes) else pki.crl(Family.SIGN, one[0], one[1], [], CrlOverrides())  # type: ignore[index]
        for one in lists
    ]
    assert codes(certificate, anchor, *given, at=pki.at) == {code}


def test_why_a_list_covers_no_holder_is_said(
    pki: SynthPki, certificate: Certificate, anchor: Anchor
) -> None:
    for wrong, reason in (({"scope": "ca"}, "only_ca"), ({"damage_signature": True}, "")):
        [found] = CrlStore([of(pki, **wrong)]).check(
            certificate, anchor, Moment(BEGIN + DAY, BEGIN + DAY)
        )
        assert found.values.get("reason", "") == reason


def test_lists_and_a_store_are_asked_as_one(
    pki: SynthPki, certificate: Certificate, anchor: Anchor
) -> None:
    moment = Moment(BEGIN + DAY, BEGIN + DAY)
    store = CrlStore([of(pki, SERIAL)])
    assert joined((), None, store) is store
    for lists, expected in (((), {"revoked"}), ((of(pki, number=6),), {"revoked", "crl_good"})):
        asked = joined(lists, None, store)
        assert {one.code for one in asked.check(certificate, anchor, moment)} == expected
        assert (asked.standing(certificate, anchor, None) is None) is bool(lists)
    for given, code in (((of(pki),), "crl_good"), ((), "crl_missing")):
        alone = joined(given, None, None)
        assert {one.code for one in alone.check(certificate, anchor, moment)} == {code}
