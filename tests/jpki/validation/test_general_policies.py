# SPDX-License-Identifier: Apache-2.0
"""Policies in the general profile: the form of what is said of them, and graphs that explode.

What they mean is in PKITS. Traps with a source: [BoringSSL] and [Go] test suites, [RFC9618].
"""

from __future__ import annotations

import pytest
from cryptography import x509

from general_checks import path_check, path_code
from general_pki import (
    AUTHORITY,
    HOLDER,
    LEAF,
    LEAF_DER,
    MIDDLE,
    OTHER,
    ROOT,
    Extensions,
    certificate,
)
from jpki.synth import der
from jpki.verdict import Outcome

POLICIES, MAPPINGS, CONSTRAINTS, INHIBIT_ANY = (f"2.5.29.{arc}" for arc in (32, 33, 36, 54))
PRACTICE, NOTICE, UNKNOWN = "1.3.6.1.5.5.7.2.1", "1.3.6.1.5.5.7.2.2", "1.2.3.4"


def extension(oid: str, content: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), content)


def policies(*oids: str) -> x509.UnrecognizedExtension:
    return extension(POLICIES, der.sequence(*(der.sequence(der.oid(oid)) for oid in oids)))


def mappings(*pairs: tuple[str, str]) -> x509.UnrecognizedExtension:
    rows = (der.sequence(der.oid(one), der.oid(other)) for one, other in pairs)
    return extension(MAPPINGS, der.sequence(*rows))


def middle(*extra: tuple[x509.ExtensionType, bool]) -> bytes:
    return certificate("Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, *extra), serial=2)


def qualified(kind: str) -> x509.UnrecognizedExtension:
    """One policy with a text of that kind."""
    qualifier = der.sequence(der.oid(kind), der.ia5("hi"))
    policy = der.sequence(der.oid("1.2.3"), der.sequence(qualifier))
    return extension(POLICIES, der.sequence(policy))


@pytest.mark.parametrize(
    ("kind", "critical", "expected"),
    [
        (PRACTICE, True, None),
        (NOTICE, True, None),
        (UNKNOWN, False, None),
        # [RFC5280 4.2.1.4]: understood with its qualifiers, or rejected. [BoringSSL]
        (UNKNOWN, True, "path_critical_extension"),
    ],
)
def test_qualifiers(kind: str, critical: bool, expected: str | None) -> None:
    assert path_code(LEAF_DER, middle((qualified(kind), critical))) == expected


WRONG_FORMS = [
    (POLICIES, "3000"),
    (POLICIES, "3008300606022a033000"),  # qualifiers, but none
    (POLICIES, "300e300c06022a033006300406022a03"),  # a kind without a text [BoringSSL]
    (POLICIES, "300c300406022a03300406022a03"),  # the same one twice
    (POLICIES, "3012301006022a03300a300806022a0305000500"),  # two texts of one kind
    (MAPPINGS, "3000"),
    (MAPPINGS, "300c300a06022a0306022a040500"),  # three in a pair
    (CONSTRAINTS, "30058001000500"),
    (MAPPINGS, "3006300406022a03"),
    (CONSTRAINTS, "3000"),  # [BoringSSL]
    (CONSTRAINTS, "30038001ff"),
    (CONSTRAINTS, "3003820100"),
    (INHIBIT_ANY, "0201ff"),
    (INHIBIT_ANY, "0500"),
]


@pytest.mark.parametrize(("oid", "content"), WRONG_FORMS)
def test_forms(oid: str, content: str) -> None:
    """[RFC5280 4.2.1.4], [RFC5280 4.2.1.5], [RFC5280 4.2.1.11], [RFC5280 4.2.1.14]."""
    wrong = extension(oid, bytes.fromhex(content))
    assert path_code(LEAF_DER, middle((wrong, oid == INHIBIT_ANY))) == "path_policy_extension"


def test_a_limit_on_any_policy_is_critical() -> None:
    """[RFC5280 4.2.1.14]. Constraints on policies may be so: in PKITS they are not."""
    assert path_code(LEAF_DER, middle((x509.InhibitAnyPolicy(0), False))) == "path_criticality"
    assert path_code(LEAF_DER, middle((x509.InhibitAnyPolicy(0), True))) is None
    for critical in (True, False):
        needed = (x509.PolicyConstraints(0, None), critical)
        assert path_code(LEAF_DER, middle(needed)) == "path_policies"


def test_a_policy_may_not_be_mapped_to_any() -> None:
    any_policy = "2.5.29.32.0"
    for pair in (("1.2.3", any_policy), (any_policy, "1.2.3")):
        above = middle((policies("1.2.3"), False), (mappings(pair), False))
        assert path_code(LEAF_DER, above) is not None


def _ladder(width: int, depth: int) -> list[bytes]:
    """Authorities that map each of ``width`` policies to each, and a leaf with all of them."""
    names = [f"1.2.3.{number}" for number in range(width)]
    own: Extensions = ((policies(*names), False),)
    each = (mappings(*((one, other) for one in names for other in names)), False)
    keys = [ROOT, *((MIDDLE, OTHER) * depth)]
    path = [
        certificate(
            f"C{n}", f"C{n - 1}" if n else "Root", keys[n + 1], keys[n], (*AUTHORITY, *own, each),
            serial=2 + n,
        )
        for n in range(depth)
    ]  # fmt: skip
    leaf = certificate("Leaf", f"C{depth - 1}", LEAF, keys[depth], (*HOLDER, *own))
    return [leaf, *path]


def test_mappings_of_each_to_each_do_not_explode() -> None:
    """As a tree, six authorities with eight policies have a million nodes [RFC9618 2]."""
    found = path_check(*_ladder(8, 6), policies=("1.2.3.0",))
    assert found.outcome is Outcome.VALID
    found = path_check(*_ladder(8, 6), policies=("1.2.4",))
    assert (found.outcome, found.code) == (Outcome.INVALID, "path_policies")


def test_a_graph_that_is_too_large_is_given_up() -> None:
    found = path_check(*_ladder(36, 30), policies=("1.2.3.0",))
    assert (found.outcome, found.code) == (Outcome.CANNOT_TELL, "path_limit")
