# SPDX-License-Identifier: Apache-2.0
"""What the general profile says of a path of ``general_pki``, in one word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from general_pki import AT, LEAF_DER, MIDDLE_DER, ROOT_DER
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator
from jpki.verdict import Check, Outcome, Verdict


def path_check(
    leaf: bytes, *chain: bytes, root: bytes = ROOT_DER, policies: tuple[str, ...] = ()
) -> Check:
    """The check of the path, revocation aside; ``policies`` have to hold if any are given."""
    options = GeneralOptions(
        at=AT,
        chain=chain,
        revocation=RevocationMode.NONE,
        policies=policies,
        explicit_policy=bool(policies),
    )
    return GeneralValidator([root], options).validate(leaf).checks[1]


def path_code(leaf: bytes, *chain: bytes, root: bytes = ROOT_DER) -> str | None:
    """Why the path does not hold, or None."""
    check = path_check(leaf, *chain, root=root)
    assert (check.outcome is Outcome.VALID) == (check.code == "path_holds")
    return None if check.outcome is Outcome.VALID else check.code


def verdict(
    leaf: bytes = LEAF_DER, *chain: bytes, anchors: Sequence[bytes] = (ROOT_DER,), **given: Any
) -> Verdict:
    """The whole verdict; revocation aside, unless it is said otherwise."""
    usual = {"at": AT, "chain": chain or (MIDDLE_DER,), "revocation": RevocationMode.NONE}
    return GeneralValidator(anchors, GeneralOptions(**{**usual, **given})).validate(leaf)


def rows(found: Verdict) -> list[tuple[str, str]]:
    """Outcome and code of path, validity and revocation."""
    assert [one.name for one in found.checks][1:] == ["path", "validity", "revocation"]
    return [(one.outcome.value, one.code) for one in found.checks[1:]]


def status(
    leaf: bytes = LEAF_DER, anchors: Sequence[bytes] = (ROOT_DER,), **options: Any
) -> tuple[str, str]:
    """Outcome and code of the check of revocation: of the last certificate, unless it is said
    otherwise."""
    usual = {"revocation": RevocationMode.LEAF}
    return rows(verdict(leaf, anchors=anchors, **{**usual, **options}))[2]
