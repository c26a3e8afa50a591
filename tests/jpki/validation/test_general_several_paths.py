# SPDX-License-Identifier: Apache-2.0
"""Of several paths the verdict of the general profile tells one: which, and where it gives up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from general_checks import rows, verdict
from general_pki import AT, AUTHORITY, LEAF_DER, MIDDLE, ROOT, certificate, crl, name
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import engine, paths

REQUIRE = RevocationMode.REQUIRE
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True)
HELD, IN_TIME = ("valid", "path_holds"), ("valid", "within_validity")
PATH_FIRST = ("not_run", "path_first")
GOOD, REVOKED = ("valid", "crl_good"), ("invalid", "revoked")

# The first that holds in every respect is told; of those that do not, the one
# that came furthest, whichever is met first.


def middle(*extra: tuple[x509.ExtensionType, bool], serial: int = 2, **given: Any) -> bytes:
    return certificate(
        "Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, *extra), serial=serial, **given
    )  # fmt: skip


LISTS_ELSEWHERE = (
    x509.CRLDistributionPoints(
        [x509.DistributionPoint(None, None, None, [x509.DirectoryName(name("Lists"))])]
    ),
    False,
)
REVOKED_SERIAL = 50
ENDS: dict[str, Any] = {"end": AT - timedelta(seconds=1)}
FINE, FINE_ENDED = middle(serial=40), middle(serial=41, **ENDS)
UNTOLD, UNTOLD_ENDED = (
    middle(LISTS_ELSEWHERE, serial=42),
    middle(LISTS_ELSEWHERE, serial=43, **ENDS),
)
TAKEN_BACK, TAKEN_BACK_ENDED = (
    middle(serial=REVOKED_SERIAL),
    middle(serial=REVOKED_SERIAL, **ENDS),
)
WRONG = middle(UNKNOWN, serial=44)
CANNOT, EXPIRED = ("cannot_tell", "crl_other_point"), ("invalid", "path_expired")
BEST = [
    ("good, revoked", FINE, TAKEN_BACK, [HELD, IN_TIME, GOOD]),
    ("good, ended", FINE, FINE_ENDED, [HELD, IN_TIME, GOOD]),
    ("good, wrong", FINE, WRONG, [HELD, IN_TIME, GOOD]),
    ("revoked, wrong", TAKEN_BACK, WRONG, [HELD, IN_TIME, REVOKED]),
    ("revoked, untold", TAKEN_BACK, UNTOLD, [HELD, IN_TIME, REVOKED]),
    ("revoked and ended, untold", TAKEN_BACK_ENDED, UNTOLD, [HELD, EXPIRED, REVOKED]),
    ("untold, ended", UNTOLD, FINE_ENDED, [HELD, IN_TIME, CANNOT]),
    ("ended, wrong", FINE_ENDED, WRONG, [HELD, EXPIRED, GOOD]),
    ("untold and ended, wrong", UNTOLD_ENDED, WRONG, [HELD, EXPIRED, CANNOT]),
    ("ended, untold and ended", FINE_ENDED, UNTOLD_ENDED, [HELD, EXPIRED, GOOD]),
]


@pytest.mark.parametrize(
    ("first", "second", "wanted"), [row[1:] for row in BEST], ids=[row[0] for row in BEST]
)
def test_which_of_two_paths_is_told(
    first: bytes, second: bytes, wanted: list[tuple[str, str]]
) -> None:
    lists = (crl(), crl("Root", ROOT, revoked=[REVOKED_SERIAL]))
    for chain in ((first, second), (second, first)):
        found = verdict(LEAF_DER, *chain, crls=lists, revocation=REQUIRE)
        assert rows(found) == wanted


def test_of_two_that_came_as_far_the_first_is_told() -> None:
    other = certificate("Middle", "Root", MIDDLE, ROOT, serial=45)
    wanted = [(WRONG, "path_critical_extension"), (other, "path_not_a_ca")]
    for chain in (wanted, wanted[::-1]):
        found = verdict(LEAF_DER, *(data for data, _ in chain))
        assert rows(found)[0] == ("invalid", chain[0][1])


def test_a_path_that_fails_is_no_answer_while_another_is_not_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd, validate = middle(serial=47), engine._validate

    def stumbles(anchor: bytes, certificates: list[bytes], *rest: Any) -> Any:
        if odd in certificates:
            raise NotImplementedError
        return validate(anchor, certificates, *rest)

    monkeypatch.setattr(engine, "_validate", stumbles)
    for chain in ((odd, WRONG), (WRONG, odd)):
        found = verdict(LEAF_DER, *chain)
        assert rows(found)[0] == ("cannot_tell", "path_not_understood")


LIMITED = [
    # What was found before the search ended, and what is told then.
    ("wrong", WRONG, [("cannot_tell", "path_limit"), IN_TIME, PATH_FIRST]),
    ("revoked", TAKEN_BACK, [HELD, IN_TIME, REVOKED]),
    ("untold", UNTOLD, [HELD, IN_TIME, CANNOT]),
    ("good", FINE, [HELD, IN_TIME, GOOD]),
]


@pytest.mark.parametrize(("limit", "value"), [("MAX_PATHS", 1), ("MAX_STEPS", 1)])
@pytest.mark.parametrize(
    ("first", "wanted"), [row[1:] for row in LIMITED], ids=[row[0] for row in LIMITED]
)
def test_where_the_search_ends_a_path_that_fails_is_no_no(
    monkeypatch: pytest.MonkeyPatch,
    first: bytes,
    wanted: list[tuple[str, str]],
    limit: str,
    value: int,
) -> None:
    """One of those not seen may hold; but one that holds and is revoked is revoked."""
    monkeypatch.setattr(paths, limit, value)
    lists = (crl(), crl("Root", ROOT, revoked=[REVOKED_SERIAL]))
    found = verdict(LEAF_DER, first, middle(serial=46), crls=lists, revocation=REQUIRE)
    assert rows(found) == wanted
