# SPDX-License-Identifier: Apache-2.0
"""The form of the four extensions on policies. What they mean is the library's work.

Source: [RFC5280 4.2.1.4], [RFC5280 4.2.1.5], [RFC5280 4.2.1.11], [RFC5280 4.2.1.14].
"""

from __future__ import annotations

from typing import Final

from jpki.certificate import der, extensions
from jpki.validation.rfc5280.certificate import (
    INHIBIT_ANY,
    POLICY_CONSTRAINTS,
    POLICY_MAPPINGS,
    AnyCertificate,
)

# Where to read the statement of practice, and a notice: neither changes what a policy means.
_QUALIFIERS: Final = frozenset({"1.3.6.1.5.5.7.2.1", "1.3.6.1.5.5.7.2.2"})
_REQUIRE_EXPLICIT, _INHIBIT_MAPPING = 0x80, 0x81


def policies_fault(certificate: AnyCertificate) -> str | None:
    """The rule that an extension on policies breaks: its form, or a critical qualifier that
    nobody here understands."""
    readers = {
        POLICY_MAPPINGS: _check_mappings,
        POLICY_CONSTRAINTS: _check_constraints,
        INHIBIT_ANY: _check_inhibit_any,
    }
    found = certificate.extensions
    try:
        for oid, check in readers.items():
            if oid in found:
                check(found[oid].value)
        listed = found.get(extensions.POLICIES)
        if listed is None:
            return None
        extensions.policies(listed.value)
        qualifiers = _qualifiers(listed.value)
    except der.DerError:
        return "policy_extension"
    if listed.critical and qualifiers - _QUALIFIERS:
        return "critical_extension"
    return None


def _qualifiers(value: bytes) -> set[str]:
    """The kinds of qualifiers of certificatePolicies. Raises DerError."""
    found: set[str] = set()
    for policy in der.sequences(der.whole(value)):
        reader = policy.reader()
        reader.next(der.OBJECT_ID)
        listed = reader.optional(der.SEQUENCE)
        if listed is not None:
            found |= _kinds(listed)
    return found


def _kinds(listed: der.Node) -> set[str]:
    """The kind of each qualifier of one policy; there has to be one. Raises DerError."""
    found: set[str] = set()
    for qualifier in der.sequences(listed):
        reader = qualifier.reader()
        found.add(der.oid(reader.next()))
        reader.next()
        reader.done()
    if not found:
        raise der.DerError("empty", listed.start)
    return found


def _check_mappings(value: bytes) -> None:
    """Pairs of policies, one at least."""
    pairs = list(der.sequences(der.whole(value)))
    if not pairs:
        raise der.DerError("empty", 0)
    for pair in pairs:
        reader = pair.reader()
        reader.next(der.OBJECT_ID)
        reader.next(der.OBJECT_ID)
        reader.done()


def _check_constraints(value: bytes) -> None:
    """Two numbers of certificates, one at least."""
    reader = der.whole(value).reader()
    numbers = [reader.optional(tag) for tag in (_REQUIRE_EXPLICIT, _INHIBIT_MAPPING)]
    reader.done()
    if not any(numbers):
        raise der.DerError("empty", 0)
    for number in numbers:
        if number is not None:
            _check_count(number)


def _check_inhibit_any(value: bytes) -> None:
    _check_count(der.whole(value, der.INTEGER))


def _check_count(node: der.Node) -> None:
    if der.integer(node) < 0:
        raise der.DerError("bad_integer", node.start)
