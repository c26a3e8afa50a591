# SPDX-License-Identifier: Apache-2.0
"""What one source of revocation data says, and how several are put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from jpki.validation.times import Moment, rfc3339
from jpki.verdict import Outcome


class Dated(Protocol):
    """What is asked about, as far as its status depends on it: when it expires."""

    @property
    def not_after(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """``rank``: how near a source that could not tell came to telling; the nearest is named.

    ``decisive``: a cannot_tell that no «good» of another source outweighs.
    """

    outcome: Outcome
    code: str
    values: Mapping[str, object] = field(default_factory=dict)
    rank: int = 0
    decisive: bool = False


class Source(NamedTuple):
    """One authentic statement: its own time, and what it is called in codes (crl, ocsp)."""

    name: str
    this_update: datetime
    values: Mapping[str, object]


def combine_findings(findings: Iterable[Finding]) -> Finding:
    """Revoked wins, then what is decisive, then good, then the nearest miss."""
    found = list(findings)

    def order(finding: Finding) -> tuple[int, int]:
        if finding.outcome is Outcome.INVALID:
            return 3, finding.rank
        if finding.decisive:
            return 2, finding.rank
        return int(finding.outcome is Outcome.VALID), finding.rank

    return max(found, key=order)


def judge_revoked(
    since: datetime, reason: str, certificate: Dated, source: Source, moment: Moment
) -> Finding:
    """A revoked certificate at ``moment.at``: revoked, or revoked only later.

    Whoever is listed in data already published at ``at`` is revoked, whatever date is
    given; otherwise the date decides, for a certificate that had not expired at ``at``.
    """
    values = {"reason": reason, "date": rfc3339(since), "source": source.name}
    if source.this_update <= moment.at or since <= moment.at:
        return Finding(Outcome.INVALID, "revoked", values)
    if moment.at > certificate.not_after:
        return Finding(Outcome.CANNOT_TELL, "revoked_after_expiry", values, decisive=True)
    return Finding(Outcome.VALID, "revoked_later", values, rank=1)


def judge_good(certificate: Dated, source: Source) -> Finding:
    """A certificate that is not listed: good, unless it had expired and dropped off by then."""
    if certificate.not_after < source.this_update:
        return Finding(Outcome.CANNOT_TELL, f"{source.name}_after_expiry", source.values, rank=90)
    return Finding(Outcome.VALID, f"{source.name}_good", source.values)
