# SPDX-License-Identifier: Apache-2.0
"""Where a frame that is known decides nothing: beyond the dates of root and list, and where
the two readers do not agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from der_edit import Item, resigned
from frame_bench import AT, Bench
from jpki.certificate import Family, parse_certificate
from jpki.certificate.frame import Cut, cut
from jpki.errors import CertificateError
from jpki.synth.municipalities import KIYOSE
from jpki.synth.overrides import Overrides
from jpki.synth.pki import SynthPki
from jpki.validation import Preference
from jpki.validation import known_frames as quick
from jpki.validation.crl import parse_crl
from jpki.validation.named import name_of
from jpki.verdict import Outcome

Make = Callable[..., bytes]
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def code(bench: Bench, der: bytes, name: str) -> str:
    """What both ways say of it."""
    check = bench.compare(der).check(name)
    assert check is not None
    return check.code


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found._replace(serial=b"\x01" + found.serial),
        lambda found: found._replace(signature=found.signature[:-1]),
        lambda found: found._replace(not_before=found.not_after),
        lambda found: found._replace(not_after=found.not_before),
        lambda found: found._replace(tbs_end=found.tbs_end - 1),
        lambda found: found._replace(name=found.name + 1),
        lambda found: found._replace(key=found.key + 1),
        lambda found: found._replace(attributes=not found.attributes),
        lambda found: found._replace(frame=(found.frame[0][:-1], *found.frame[1:])),
    ],
)
def test_a_frame_is_learned_only_where_the_careful_reader_finds_the_same(
    pki: SynthPki, make: Make, monkeypatch: pytest.MonkeyPatch, change: Callable[[Cut], Cut]
) -> None:
    def wrongly(data: bytes) -> Cut | None:
        found = cut(data)
        return None if found is None else change(found)

    bench = Bench(pki, crls=[])
    der = make(Family.AUTH)
    monkeypatch.setattr(quick, "cut", wrongly)
    bench.compare(der)
    assert len(bench.quick._frames) == 0
    monkeypatch.undo()
    bench.compare(der)
    assert len(bench.quick._frames) == 1


@pytest.mark.parametrize("family", Family)
def test_what_a_certificate_is_named_by(pki: SynthPki, make: Make, family: Family) -> None:
    """The same from a frame that is known as from the careful reader."""
    judge = Bench(pki, crls=[]).new()
    first, second = make(family, serial=4711), make(family, serial=4712)
    assert judge._frames.named(first) is None
    assert judge.named(first) == name_of(parse_certificate(first))
    judge.validate(first)
    for der in (first, second):
        assert judge._frames.named(der) == name_of(parse_certificate(der))
    for unusual in (b"", first[:-1], first + b"\0"):
        assert judge._frames.named(unusual) is None
        with pytest.raises(CertificateError):
            judge.named(unusual)


@pytest.mark.parametrize(
    ("wait", "wanted"),
    [
        (timedelta(0), "within_validity"),
        (SECOND, "ca_expired"),
        (DAY, "ca_expired"),
    ],
)
def test_a_certificate_that_outlives_its_root(
    pki: SynthPki, make: Make, taken: list[bool], wait: timedelta, wanted: str
) -> None:
    end = parse_certificate(pki.ca_certificate(Family.AUTH, 1)).not_after
    der = make(Family.AUTH, 1, not_before=end - DAY, not_after=end + 9 * DAY)
    bench = Bench(pki, crls=[], at=end + wait)
    assert [code(bench, der, "validity") for _ in range(2)] == [wanted] * 2
    assert taken == [False, False, True, False]


@pytest.mark.parametrize(
    ("wait", "wanted"), [(timedelta(0), "within_validity"), (-SECOND, "ca_not_yet_valid")]
)
def test_a_certificate_that_is_older_than_its_root(
    pki: SynthPki, make: Make, taken: list[bool], wait: timedelta, wanted: str
) -> None:
    begin = parse_certificate(pki.ca_certificate(Family.AUTH, 3)).not_before
    der = make(Family.AUTH, not_before=begin - DAY, not_after=begin + DAY)
    bench = Bench(pki, crls=[], at=begin + wait)
    assert [code(bench, der, "validity") for _ in range(2)] == [wanted] * 2
    assert taken == [False, False, True, False]


def for_ever(root: Item) -> None:
    """From 1950 to 2199."""
    root.parts[0].parts[4].parts = [Item(0x17, b"500101000000Z"), Item(0x18, b"21991231235959Z")]


@pytest.mark.parametrize(
    ("year", "wanted"),
    [
        (1926, "not_yet_valid"),
        (1999, "not_yet_valid"),
        (2026, "within_validity"),
        (2050, "expired"),
        (2126, "expired"),
    ],
)
def test_a_year_of_two_digits_is_of_this_century(
    pki: SynthPki, make: Make, taken: list[bool], year: int, wanted: str
) -> None:
    """Below a root that would allow for any."""
    root = resigned(pki.ca_certificate(Family.AUTH, 3), pki.ca_key(Family.AUTH, 3), for_ever)
    at = datetime(year, 11, 21, tzinfo=UTC)
    begin, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
    if year == 2026:
        begin, end = at, at
    bench = Bench(pki, roots=(root,), crls=[], at=at, clock=lambda: at)
    der = make(Family.AUTH, not_before=begin, not_after=end)
    assert [code(bench, der, "validity") for _ in range(2)] == [wanted] * 2
    assert taken == [False, False, True, False]


@pytest.mark.parametrize(
    ("ends", "wanted"),
    [(timedelta(0), "crl_good"), (-SECOND, "crl_after_expiry")],
    ids=["as the list begins", "before it"],
)
def test_a_list_tells_nothing_of_who_had_expired_before_it(
    pki: SynthPki, make: Make, taken: list[bool], ends: timedelta, wanted: str
) -> None:
    """Who has expired is taken off the list."""
    listed = pki.crl(Family.AUTH, 3, KIYOSE, [])
    begins = parse_crl(listed).this_update
    bench = Bench(pki, crls=[listed])
    bench.quick.validate(make(Family.AUTH, serial=1))
    der = make(Family.AUTH, serial=2, not_before=begins - DAY, not_after=begins + ends)
    assert code(bench, der, "revocation") == wanted
    assert taken == [False, True, False]


@pytest.mark.parametrize(("ahead", "outcome"), [(0, Outcome.VALID), (1, Outcome.CANNOT_TELL)])
def test_a_list_of_a_later_day_counts_from_that_day(
    make: Make, pki: SynthPki, taken: list[bool], ahead: int, outcome: Outcome
) -> None:
    """Also where a validator has been asked about that day before."""
    bench = Bench(pki, crls=[SynthPki(AT + ahead * DAY).crl(Family.AUTH, 3, KIYOSE, [])])
    der = make(Family.AUTH)
    on_the_day = bench.quick.validate(der, at=AT + ahead * DAY)
    assert on_the_day.outcome == Outcome.VALID
    found = bench.compare(der).check("revocation")
    assert found is not None
    assert found.outcome is outcome
    assert taken == [False, True, False]


def test_an_answer_about_one_certificate_says_nothing_about_its_frame(
    pki: SynthPki, make: Make
) -> None:
    """Where more than the lists decide, each certificate is asked about."""
    one, other = make(Family.AUTH, serial=4711), make(Family.AUTH, serial=4712)
    answers = [pki.ocsp_response(one, "good"), pki.ocsp_response(other, "revoked")]
    bench = Bench(pki, ocsp=answers)
    assert [code(bench, der, "revocation") for der in (one, other)] == ["crl_good", "revoked"]
    bench = Bench(pki, preference=Preference.BOTH)
    assert [code(bench, der, "revocation") for der in (one, other)] == ["one_source_only"] * 2


def test_nothing_is_learned_below_a_root_without_the_right_to_sign(
    pki: SynthPki, make: Make
) -> None:
    """Its signature fits; what is wrong with the root, a frame would not tell."""
    root = pki.ca_certificate(Family.AUTH, 3, overrides=Overrides(drop=("keyUsage",)))
    bench = Bench(pki, roots=(root,), crls=[])
    assert [code(bench, make(Family.AUTH), "path") for _ in range(2)] == ["ca_not_allowed"] * 2


@pytest.mark.parametrize("named", [True, False], ids=["one key id for both", "no key id"])
def test_nothing_is_learned_where_several_roots_are_named(
    pki: SynthPki, make: Make, named: bool
) -> None:
    own = pki.ca_certificate(Family.AUTH, 3)
    same = Overrides(values={"ski": b"\x04\x14" + parse_certificate(own).key_id})
    other = pki.ca_certificate(Family.AUTH, 3, key="rogue-ca", overrides=same)
    bench = Bench(pki, roots=(own, other), crls=[])
    drop = () if named else ("aki",)
    for signer in ("auth-ca-3", "rogue-ca", "auth-ca-3"):
        der = make(Family.AUTH, signer=signer, drop=drop)
        assert code(bench, der, "path") == "path_good"


@pytest.mark.parametrize("family", Family)
def test_what_was_seen_of_a_certificate_is_told_with_its_verdict(
    pki: SynthPki, make: Make, family: Family
) -> None:
    bench = Bench(pki)
    for number in range(3):
        der = make(family, serial=4711 + number)
        verdict, seen = bench.quick.examine(der)
        assert verdict == bench.careful(der)
        assert (seen is not None) is (number > 0)
        if seen is not None:
            assert seen.key_info(der) == parse_certificate(der).spki
