# SPDX-License-Identifier: Apache-2.0
"""The rules of [RFC5280 4] for certificates of a path, as far as a library lets them pass."""

from __future__ import annotations

from typing import Final

from jpki.certificate import der, extensions
from jpki.validation.rfc5280.certificate import (
    FRESHEST,
    INHIBIT_ANY,
    NAME_CONSTRAINTS,
    POLICY_CONSTRAINTS,
    POLICY_MAPPINGS,
    SUBJECT_INFO,
    AnyCertificate,
)
from jpki.validation.rfc5280.policies import policies_fault
from jpki.validation.rfc5280.subject_names import names_well_formed

# Extensions of which [RFC5280 4.2] says what they have to be. One that limits a path and is
# not critical would bind only those who care to look; policyConstraints may be so, because
# they were free until 2008, and bind here all the same [RFC3280 4.2.1.12].
_NEVER_CRITICAL: Final = frozenset(
    {
        extensions.SUBJECT_KEY_ID,
        extensions.AUTHORITY_KEY_ID,
        extensions.AUTHORITY_INFO,
        SUBJECT_INFO,
        FRESHEST,
    }
)
_ALWAYS_CRITICAL: Final = frozenset({NAME_CONSTRAINTS, INHIBIT_ANY})
_AUTHORITIES_ONLY: Final = _ALWAYS_CRITICAL | {POLICY_CONSTRAINTS, POLICY_MAPPINGS}
# What is processed, by us or by the library; any other critical one is refused.
_UNDERSTOOD: Final = frozenset(
    {
        extensions.KEY_USAGE,
        extensions.SUBJECT_ALT_NAME,
        extensions.BASIC_CONSTRAINTS,
        extensions.CRL_POINTS,
        extensions.POLICIES,
        extensions.EXTENDED_KEY_USAGE,
        extensions.OCSP_NO_CHECK,
        *_AUTHORITIES_ONLY,
    }
)


def profile_fault(certificate: AnyCertificate, *, last: bool) -> str | None:
    """The rule of [RFC5280 4.2] that a certificate below the anchor breaks (a code), or None.

    ``last``: it is the one asked about, not an authority between it and the anchor.
    """
    there = certificate.extensions.keys()
    if not any(certificate.serial):  # negative ones are there and are handled, zero is not
        return "serial"
    if not certificate.is_ca and there & _AUTHORITIES_ONLY:
        return "authority_extension"
    if not certificate.is_ca and extensions.KEY_CERT_SIGN in (certificate.key_usage or ()):
        return "key_usage"
    if not last and certificate.version != 3:
        return "version"
    named = last and extensions.SUBJECT_ALT_NAME in certificate.critical
    if not named and not der.whole(certificate.subject_der).value:
        return "empty_subject"
    if not names_well_formed(certificate):
        return "alternative_name"
    return extension_fault(certificate)


def extension_fault(certificate: AnyCertificate) -> str | None:
    """The rule on extensions that any certificate of a path breaks, its anchor too."""
    critical, there = certificate.critical, certificate.extensions.keys()
    if critical - _UNDERSTOOD - _NEVER_CRITICAL:
        return "critical_extension"
    if critical & _NEVER_CRITICAL or _ALWAYS_CRITICAL & there - critical:
        return "criticality"
    return policies_fault(certificate)
