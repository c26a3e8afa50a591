# SPDX-License-Identifier: Apache-2.0
"""The path of a JPKI certificate: one root, one holder's certificate, nothing between.

All generations of a family share one name, so the root is chosen by key id, then by key,
never by name alone. Source: [CA-DER], [RFC5280 6.1].
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from jpki.certificate import extensions
from jpki.certificate.certificate import Certificate
from jpki.certificate.extensions import AuthorityKeyId
from jpki.certificate.kinds import Environment, Family
from jpki.certificate.names import PRODUCTION_NAMES, claims_test
from jpki.validation.algorithms import (
    algorithm_allowed,
    algorithm_not_in_law,
    key_allowed,
    signature_fits,
)
from jpki.validation.times import rfc3339, to_second
from jpki.validation.trust import PINS, Anchor, TrustStore, pin_by_key_id
from jpki.verdict import Check, Outcome

SIGNATURE_WRONG: Final = "signature_wrong"


def find_anchor(certificate: Certificate, store: TrustStore) -> Anchor | Check:
    """The root that has to have issued the certificate, or the ``path`` check that says why
    there is none."""
    named = store.named(certificate.issuer_der)
    key_id = certificate.aki.key_id if certificate.aki is not None else None
    if key_id is not None:
        named = tuple(anchor for anchor in named if anchor.key_id == key_id)
    if key_id is None or len(named) > 1:
        fitting = tuple(anchor for anchor in named if signed_by(certificate, anchor))
        named = fitting if fitting or key_id is None else named
    return named[0] if named else _no_anchor(certificate, store, key_id)


def signed_by(certificate: Certificate, anchor: Anchor) -> bool:
    """Whether the root's key made the certificate's signature."""
    return signature_fits(
        anchor.key, certificate.signature_algorithm, certificate.signature, certificate.tbs
    )


def check_path(certificate: Certificate, anchor: Anchor, environment: Environment) -> Check:
    """Algorithm, signature, authority key identifier, and the root's right to sign."""
    return path_found(anchor, _path_fault(certificate, anchor, environment))


def path_found(anchor: Anchor, fault: str | None) -> Check:
    """The ``path`` check below ``anchor``; ``fault`` is what is wrong with it, or None."""
    values = {"family": anchor.family.value if anchor.family else "unknown"}
    if fault is not None:
        return Check("path", Outcome.INVALID, fault, values)
    return Check("path", Outcome.VALID, "path_good", {**values, "generation": anchor.generation})


def check_validity(
    not_before: datetime, not_after: datetime, anchor: Anchor | None, at: datetime
) -> Check:
    """The dates of a certificate, and of its root, at ``at``. Both ends are included."""
    moment = to_second(at)
    expires = rfc3339(not_after)
    if moment < not_before:
        begins = rfc3339(not_before)
        return Check("validity", Outcome.INVALID, "not_yet_valid", {"begins": begins})
    if moment > not_after:
        return Check("validity", Outcome.INVALID, "expired", {"expires": expires})
    if anchor is not None:
        root = anchor.certificate
        if moment > root.not_after:
            ended = rfc3339(root.not_after)
            return Check("validity", Outcome.INVALID, "ca_expired", {"expires": ended})
        if moment < root.not_before:
            begins = rfc3339(root.not_before)
            return Check("validity", Outcome.INVALID, "ca_not_yet_valid", {"begins": begins})
    return Check("validity", Outcome.VALID, "within_validity", {"expires": expires})


def _path_fault(certificate: Certificate, anchor: Anchor, environment: Environment) -> str | None:
    root = anchor.certificate
    if algorithm_not_in_law(certificate.signature_algorithm, environment):
        return "algorithm_not_in_law"
    if not algorithm_allowed(certificate.signature_algorithm, environment):
        return "weak_algorithm"
    if not signed_by(certificate, anchor):
        return SIGNATURE_WRONG
    if not _names(certificate.aki, root):
        return "authority_key_id_mismatch"
    usage = root.key_usage
    if not root.is_ca or usage is None or extensions.KEY_CERT_SIGN not in usage:
        return "ca_not_allowed"
    if not key_allowed(root, environment):
        return "ca_weak_key"
    return None


def _names(aki: AuthorityKeyId | None, root: Certificate) -> bool:
    """Whether issuer and serial in the authority key identifier, if there, are the root's."""
    if aki is None or aki.serial is None:
        return True
    return aki.issuer_der == root.issuer_der and aki.serial == root.serial


def _no_anchor(certificate: Certificate, store: TrustStore, key_id: bytes | None) -> Check:
    if store.environment is not Environment.PRODUCTION:
        if store.named(certificate.issuer_der):
            return Check("path", Outcome.CANNOT_TELL, "unknown_generation")
        return Check("path", Outcome.INVALID, "untrusted")
    if claims_test(certificate.issuer):
        return Check("path", Outcome.INVALID, "test_root")
    family = next((f for f, n in PRODUCTION_NAMES.items() if n == certificate.issuer_der), None)
    if family is None:
        return Check("path", Outcome.INVALID, "untrusted")
    if key_id is None:
        return _no_key_id(family, store)
    pin = pin_by_key_id(family, key_id)
    if pin is None:
        return Check("path", Outcome.CANNOT_TELL, "unknown_generation")
    values = {"family": family.value, "generation": pin.generation}
    return Check("path", Outcome.CANNOT_TELL, "root_certificate_missing", values)


def _no_key_id(family: Family, store: TrustStore) -> Check:
    """Without a key id every root would have to be tried, and not all are at hand."""
    held = {anchor.generation for anchor in store.anchors if anchor.family is family}
    missing = [p.generation for p in PINS if p.family is family and p.generation not in held]
    if not missing:
        return Check("path", Outcome.CANNOT_TELL, "unknown_generation")
    values = {"family": family.value, "generation": missing[-1]}
    return Check("path", Outcome.CANNOT_TELL, "root_certificate_missing", values)
