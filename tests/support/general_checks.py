# SPDX-License-Identifier: Apache-2.0
"""What the general profile says of a path of ``general_pki``, in one word."""

from __future__ import annotations

from general_pki import AT, ROOT_DER
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import GeneralOptions, GeneralValidator
from jpki.verdict import Check, Outcome


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
