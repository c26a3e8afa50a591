# SPDX-License-Identifier: Apache-2.0
"""Whether a certificate is what a JPKI holder's certificate is: to the letter of the profile.

Source: [AUTH-EE], [SIGN-DUMMY], [ZKM] for the critical policies.
"""

from __future__ import annotations

from dataclasses import dataclass

from jpki.certificate import extensions
from jpki.certificate.certificate import Certificate
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.names import issuer_facts
from jpki.certificate.policy import PolicyRow, PolicyTable
from jpki.validation.algorithms import (
    algorithm_allowed,
    algorithm_not_in_law,
    key_allowed,
    key_not_in_law,
)
from jpki.verdict import Check, Outcome

_CRITICAL = frozenset({extensions.KEY_USAGE, extensions.POLICIES})
_KEY_USAGE = {
    Family.SIGN: frozenset({extensions.DIGITAL_SIGNATURE, extensions.NON_REPUDIATION}),
    Family.AUTH: frozenset({extensions.DIGITAL_SIGNATURE}),
}
_EXTENDED = {Family.SIGN: (), Family.AUTH: (extensions.CLIENT_AUTH,)}


@dataclass(frozen=True, slots=True)
class JpkiProfile:
    """``unverified_policies``: accept policy OIDs that nobody has read from a certificate."""

    environment: Environment
    table: PolicyTable
    unverified_policies: bool = False

    def row(self, certificate: Certificate) -> PolicyRow | None:
        """What the certificate's one policy means here."""
        if len(certificate.policies) != 1:
            return None
        return self.table.find(certificate.policies[0], self.environment)

    def family(self, certificate: Certificate) -> Family | None:
        """By the issuer's name; below a custom root of another name, by the policy."""
        by_name = issuer_facts(certificate.issuer).family
        row = self.row(certificate)
        return by_name or (row.family if row else None)

    def medium(self, certificate: Certificate) -> Medium | None:
        """By the policy."""
        row = self.row(certificate)
        return row.medium if row else None

    def check(self, certificate: Certificate, expected: Family | None) -> Check:
        """The ``profile`` check; ``expected`` is the family the caller wants, or None."""
        fault = self._fault(certificate, expected)
        if fault is not None:
            return Check("profile", Outcome.INVALID, fault)
        row = self.row(certificate)
        assert row is not None
        values = {"family": row.family.value, "medium": row.medium.value}
        if not (row.verified or self.unverified_policies):
            return Check("profile", Outcome.CANNOT_TELL, "policy_unverified", values)
        return Check("profile", Outcome.VALID, "profile_good", values)

    def _fault(self, certificate: Certificate, expected: Family | None) -> str | None:
        if algorithm_not_in_law(certificate.signature_algorithm, self.environment):
            return "algorithm_not_in_law"
        if key_not_in_law(certificate, self.environment):
            return "algorithm_not_in_law"
        if not algorithm_allowed(certificate.signature_algorithm, self.environment):
            return "weak_algorithm"
        if not key_allowed(certificate, self.environment):
            return "weak_key"
        if certificate.is_ca:
            return "not_end_entity"
        if certificate.critical_extensions - _CRITICAL:
            return "critical_extension"
        fault = self._policy_fault(certificate)
        if fault is not None:
            return fault
        family = self.family(certificate)
        if family is None or (expected is not None and family is not expected):
            return "wrong_family"
        return self._usage_fault(certificate, family)

    def _policy_fault(self, certificate: Certificate) -> str | None:
        if not certificate.policies:
            return "policy_missing"
        row = self.row(certificate)
        if row is None:
            known = [self.table.find(oid, None) for oid in certificate.policies]
            return "policy_other_environment" if any(known) else "policy_unknown"
        if extensions.POLICIES not in certificate.critical_extensions:
            return "policy_not_critical"
        by_name = issuer_facts(certificate.issuer).family
        return "family_mismatch" if by_name not in (None, row.family) else None

    def _usage_fault(self, certificate: Certificate, family: Family) -> str | None:
        if certificate.key_usage != _KEY_USAGE[family]:
            return "key_usage"
        if extensions.KEY_USAGE not in certificate.critical_extensions:
            return "key_usage"
        if certificate.extended_key_usage != _EXTENDED[family]:
            return "extended_key_usage"
        return None
