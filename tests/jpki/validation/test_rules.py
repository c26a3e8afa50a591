# SPDX-License-Identifier: Apache-2.0
"""The small rules every verdict is put together by, each to its boundary: how old data may be,
what a list or an answer says of one certificate, how several are weighed, what a verdict comes to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from jpki.validation.findings import (
    Finding,
    Source,
    combine_findings,
    judge_good,
    judge_revoked,
)
from jpki.validation.policy import Preference, decide
from jpki.validation.times import Moment, require_zone
from jpki.verdict import Check, Headline, Outcome, Verdict, combine, headline

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
VALID, INVALID, CANNOT_TELL, NOT_RUN = Outcome


@pytest.mark.parametrize(
    ("this_update", "next_update", "now", "max_age", "fault"),
    [
        (AT, AT, AT, None, None),
        (AT + SECOND, AT + HOUR, AT, None, "future"),
        (AT + SECOND, AT + HOUR, AT + SECOND, None, None),
        # newer than what is asked about: neither age nor end count
        (AT + SECOND, None, AT + HOUR, None, None),
        (AT + SECOND, AT, AT + HOUR, timedelta(0), None),
        (AT - HOUR, AT, AT, None, None),
        (AT - HOUR, AT - SECOND, AT, None, "expired"),
        (AT, AT - SECOND, AT, None, "expired"),
        (AT - HOUR, AT - 2 * HOUR, AT, None, "expired"),
        (AT - HOUR, AT + HOUR, AT, HOUR, None),
        (AT - HOUR - SECOND, AT + HOUR, AT, HOUR, "too_old"),
        (AT - HOUR - SECOND, None, AT, HOUR, "too_old"),
        (AT - HOUR, None, AT, HOUR, None),
        (AT, None, AT, None, "no_next_update"),
    ],
)
def test_how_old_data_may_be(
    this_update: datetime,
    next_update: datetime | None,
    now: datetime,
    max_age: timedelta | None,
    fault: str | None,
) -> None:
    assert Moment(AT, now, max_age).fault(this_update, next_update) == fault


def test_a_time_has_a_zone() -> None:
    require_zone(None)
    require_zone(AT)
    with pytest.raises(ValueError, match="zone"):
        require_zone(AT.replace(tzinfo=None))


class Ends(NamedTuple):
    """A certificate, as far as its end counts."""

    not_after: datetime


@pytest.mark.parametrize(
    ("since", "published", "ends", "outcome", "code"),
    [
        (AT, AT + SECOND, AT, INVALID, "revoked"),
        (AT + SECOND, AT, AT, INVALID, "revoked"),
        (AT - HOUR, AT - HOUR, AT, INVALID, "revoked"),
        (AT + SECOND, AT + SECOND, AT, VALID, "revoked_later"),
        (AT + SECOND, AT + SECOND, AT - SECOND, CANNOT_TELL, "revoked_after_expiry"),
        (AT, AT + SECOND, AT - SECOND, INVALID, "revoked"),
    ],
)
def test_who_is_listed(
    since: datetime, published: datetime, ends: datetime, outcome: Outcome, code: str
) -> None:
    source = Source("crl", published, {})
    found = judge_revoked(since, "unspecified", Ends(ends), source, Moment(AT, AT + HOUR))
    assert (found.outcome, found.code) == (outcome, code)
    assert found.decisive is (outcome is CANNOT_TELL)


@pytest.mark.parametrize(
    ("ends", "outcome", "code"),
    [(AT, VALID, "ocsp_good"), (AT - SECOND, CANNOT_TELL, "ocsp_after_expiry")],
)
def test_who_is_not_listed(ends: datetime, outcome: Outcome, code: str) -> None:
    found = judge_good(Ends(ends), Source("ocsp", AT, {}))
    assert (found.outcome, found.code) == (outcome, code)


GOOD, LATER = Finding(VALID, "good"), Finding(VALID, "later", rank=1)
REVOKED, AGAIN = Finding(INVALID, "revoked"), Finding(INVALID, "again", rank=1)
MISSING, OLD = Finding(CANNOT_TELL, "missing"), Finding(CANNOT_TELL, "old", rank=90)
UNCLEAR = Finding(CANNOT_TELL, "unclear", decisive=True)


@pytest.mark.parametrize(
    ("findings", "wins"),
    [
        ([GOOD, UNCLEAR, REVOKED, OLD], REVOKED),
        ([REVOKED, AGAIN], AGAIN),
        ([GOOD, LATER, UNCLEAR, OLD], UNCLEAR),
        ([OLD, GOOD], GOOD),
        ([GOOD, LATER], LATER),
        ([MISSING, OLD], OLD),
        ([MISSING], MISSING),
    ],
)
def test_which_finding_wins(findings: list[Finding], wins: Finding) -> None:
    assert combine_findings(findings) == wins
    assert combine_findings(findings[::-1]) == wins


@pytest.mark.parametrize(
    ("crl", "ocsp", "first", "both"),
    [
        ([GOOD], [], "good", "one_source_only"),
        ([GOOD], [MISSING], "good", "one_source_only"),
        ([MISSING], [GOOD], "good", "one_source_only"),
        ([GOOD], [GOOD], "good", "good"),
        ([GOOD], [MISSING, GOOD], "good", "good"),
        ([GOOD], [REVOKED], "revoked", "revoked"),
        ([REVOKED], [], "revoked", "revoked"),
        ([MISSING], [], "missing", "missing"),
        ([GOOD], [UNCLEAR], "unclear", "unclear"),
    ],
)
def test_what_the_sources_come_to(
    crl: Sequence[Finding], ocsp: Sequence[Finding], first: str, both: str
) -> None:
    for preference, code in zip(Preference, (first, first, both), strict=True):
        found = decide(preference, crl, ocsp)
        assert found.code == code
        assert (found.outcome is VALID) is (code == "good")


@pytest.mark.parametrize(
    ("outcomes", "whole", "short"),
    [
        ([], CANNOT_TELL, Headline.NOT_RUN),
        ([NOT_RUN, NOT_RUN], CANNOT_TELL, Headline.NOT_RUN),
        ([VALID, NOT_RUN], VALID, Headline.YES),
        ([VALID, CANNOT_TELL, NOT_RUN], CANNOT_TELL, Headline.CANNOT_TELL),
        ([VALID, CANNOT_TELL, INVALID], INVALID, Headline.NO),
    ],
)
def test_what_checks_come_to(outcomes: list[Outcome], whole: Outcome, short: Headline) -> None:
    assert combine(outcomes) is whole
    assert headline(outcomes) is short


def test_a_check_is_found_by_its_name_and_stays_as_it_is() -> None:
    values = {"family": "sign"}
    path, dates = Check("path", VALID, "path_good", values), Check("validity", INVALID, "expired")
    values["family"] = "auth"
    assert path.values == {"family": "sign"}
    verdict = Verdict((path, dates), "test")
    assert (verdict.check("validity"), verdict.check("revocation")) == (dates, None)
    assert verdict.outcome is INVALID
