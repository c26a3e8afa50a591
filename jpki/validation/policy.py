# SPDX-License-Identifier: Apache-2.0
"""The policy of use: whose revocation is checked, and which source has to say so.

It fails closed: what a policy asks for and does not get is «cannot tell», never «good».
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from jpki.validation.findings import Finding, combine_findings
from jpki.verdict import Outcome


class RevocationMode(StrEnum):
    """``leaf``: the holder's certificate only. JPKI has nothing between it and the root, so
    there ``leaf`` and ``require`` ask the same; they differ for other profiles."""

    REQUIRE = "require"
    LEAF = "leaf"
    NONE = "none"


class Preference(StrEnum):
    """Which source is asked first; the other only when the first cannot tell.

    ``both``: each has to say good by itself. Whatever is at hand and says revoked wins.
    """

    CRL = "crl"
    OCSP = "ocsp"
    BOTH = "both"


def decide(preference: Preference, crl: Sequence[Finding], ocsp: Sequence[Finding]) -> Finding:
    """What the findings of both sources come to. ``crl`` has one at least."""
    together = combine_findings([*crl, *ocsp])
    if preference is not Preference.BOTH or together.outcome is not Outcome.VALID:
        return together
    for name, findings in (("crl", crl), ("ocsp", ocsp)):
        alone = combine_findings(findings) if findings else None
        if alone is None or alone.outcome is not Outcome.VALID:
            values = {"source": name}
            return Finding(Outcome.CANNOT_TELL, "one_source_only", values, decisive=True)
    return together
