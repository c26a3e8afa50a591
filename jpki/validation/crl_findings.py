# SPDX-License-Identifier: Apache-2.0
"""What a list says, in the words of findings; the same for one in memory and for an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from jpki.certificate.names import point_label
from jpki.validation.crl_facts import ListFacts
from jpki.validation.findings import Finding, Source
from jpki.validation.named import AskedAbout
from jpki.validation.times import rfc3339
from jpki.verdict import Outcome

_EVERYTHING: Final = "all"

# How near a list came to telling: the last hurdle it failed at.
_RANKS = {
    "crl_other_generation": 2,
    "crl_other_point": 3,
    "crl_malformed": 4,
    "crl_scope": 5,
    "crl_signature": 6,
    "crl_future": 7,
    "crl_rollback": 9,
    "crl_no_next_update": 10,
    "crl_expired": 10,
    "crl_too_old": 10,
}


def source_of(crl: ListFacts) -> Source:
    """The list as a source of findings."""
    values: dict[str, object] = {"point": _label(crl), "this_update": rfc3339(crl.this_update)}
    if crl.next_update is not None:
        values["next_update"] = rfc3339(crl.next_update)
    return Source("crl", crl.this_update, values)


def miss(code: str, crl: ListFacts) -> Finding:
    """A list that cannot tell, and why."""
    values = dict(source_of(crl).values)
    if crl.point.fault is not None:
        values["reason"] = crl.point.fault
    return cannot(code, values)


def cannot(code: str, values: dict[str, object], *, decisive: bool = False) -> Finding:
    """A finding that says why nobody can tell."""
    return Finding(Outcome.CANNOT_TELL, code, values, rank=_RANKS[code], decisive=decisive)


def _label(crl: ListFacts) -> str:
    names = crl.point.names
    return _EVERYTHING if names is None else _first_label(names)


def wanted_point(certificate: AskedAbout) -> str:
    """The point of a certificate, in words."""
    return _first_label(certificate.crl_distribution_point_names)


def _first_label(names: Iterable[bytes]) -> str:
    return next((label for name in names if (label := point_label(name))), "unnamed")
