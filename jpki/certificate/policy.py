# SPDX-License-Identifier: Apache-2.0
"""Which policy OID means which family, medium and environment. A table, so that it can grow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from jpki.certificate.kinds import Environment, Family, Medium

# Every certificate policy of JPKI lies below this arc. [KJUR]
POLICY_ARC: Final = "1.2.392.200149.8.5.1"


class PolicyRow(NamedTuple):
    """One policy in one environment. ``verified``: read from a real or test certificate."""

    oid: str
    family: Family
    medium: Medium
    environment: Environment
    verified: bool
    source: str


def _row(
    suffix: str, family: Family, medium: Medium, environment: Environment, source: str
) -> PolicyRow:
    verified = not source.startswith("unverified")
    return PolicyRow(f"{POLICY_ARC}.{suffix}", family, medium, environment, verified, source)


_SIGN, _AUTH = Family.SIGN, Family.AUTH
_CARD, _PHONE = Medium.CARD, Medium.PHONE
_REAL, _JLIS, _TEST = Environment.PRODUCTION, Environment.JLIS_TEST, Environment.TEST

KNOWN_POLICIES: Final = (
    _row("1.20", _SIGN, _CARD, _REAL, "[SIGN-DUMMY] [NAKAMURA] [ZKM]"),
    _row("3.30", _AUTH, _CARD, _REAL, "[AUTH-EE]"),
    _row("1.40", _SIGN, _PHONE, _REAL, "unverified: one secondary source for profile 3.2"),
    _row("0.20", _SIGN, _CARD, _JLIS, "[ZKM]"),
    _row("3.30", _AUTH, _CARD, _JLIS, "unverified: the test policy of auth is not known"),
    # The test PKI of this toolkit uses the production policies below names of its own.
    _row("1.20", _SIGN, _CARD, _TEST, "[synth]"),
    _row("0.20", _SIGN, _CARD, _TEST, "[synth]"),
    _row("3.30", _AUTH, _CARD, _TEST, "[synth]"),
    _row("1.40", _SIGN, _PHONE, _TEST, "[synth]"),
    _row("3.50", _AUTH, _PHONE, _TEST, "[synth] the real one is not known"),
)


class PolicyTable:
    """Looks policies up. ``extra`` rows are the operator's own allow-list."""

    def __init__(self, extra: Iterable[PolicyRow] = ()) -> None:
        self._rows = (*extra, *KNOWN_POLICIES)

    def find(self, oid: str, environment: Environment | None) -> PolicyRow | None:
        """The row for ``oid``; below ``custom`` anchors and for None, of any environment."""
        rows = [row for row in self._rows if row.oid == oid]
        if environment not in (None, Environment.CUSTOM):
            rows = [row for row in rows if row.environment is environment]
        return max(rows, key=lambda row: row.verified, default=None)
