# SPDX-License-Identifier: Apache-2.0
"""Which lists count in the general profile: for which point, of which age, by whose signature."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1

from der_edit import RSA_SHA1, Item, algorithm, resigned
from general_checks import status, verdict
from general_pki import (
    AT,
    AUTHORITY,
    DAY,
    HOLDER,
    LEAF,
    LEAF_DER,
    MIDDLE,
    MIDDLE_DER,
    OTHER,
    ROOT,
    ROOT_CRL,
    ROOT_DER,
    Extensions,
    certificate,
    crl,
    name,
    usage,
)
from jpki.synth.keystore import stored_key
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import paths
from jpki.validation.rfc5280 import revocation as module

SERIAL, SIGNER_SERIAL = 7, 21
SECOND = timedelta(seconds=1)
REQUIRE = RevocationMode.REQUIRE
GOOD, REVOKED = ("valid", "crl_good"), ("invalid", "revoked")
EXPIRED: dict[str, Any] = {"this_update": AT - 3 * DAY, "next_update": AT - DAY}
REMOVED: Extensions = [(x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)]
SIGNS_LISTS: Extensions = [(usage("crl_sign"), True)]


def cannot(code: str) -> tuple[str, str]:
    return "cannot_tell", f"crl_{code}"


def said(*lists: bytes, leaf: bytes = LEAF_DER, **options: Any) -> tuple[str, str]:
    return status(leaf, crls=lists, **options)


def key_named(value: bytes) -> Extensions:
    return [(x509.AuthorityKeyIdentifier(value, None, None), False)]


def scope(**fields: Any) -> Extensions:
    """IssuingDistributionPoint with those fields."""
    usual: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return [(x509.IssuingDistributionPoint(**{**usual, **fields}), True)]


def directory(text: str) -> list[x509.GeneralName]:
    return [x509.DirectoryName(name(text))]


def leaf_of(*points: x509.DistributionPoint) -> bytes:
    """The leaf with these points."""
    own = (*HOLDER, (x509.CRLDistributionPoints(points), False))
    return certificate("Leaf", "Middle", LEAF, MIDDLE, own, serial=SERIAL)


PLACE: list[x509.GeneralName] = [x509.UniformResourceIdentifier("http://lists.example/a")]
ELSEWHERE: list[x509.GeneralName] = [x509.UniformResourceIdentifier("http://lists.example/b")]
KEY_COMPROMISE = frozenset({x509.ReasonFlags.key_compromise})


# Points and lists [RFC5280 6.3.3 b].
BY_PLACE = leaf_of(x509.DistributionPoint(PLACE, None, None, None))
BY_REASON = leaf_of(x509.DistributionPoint(PLACE, None, KEY_COMPROMISE, None))
BY_LISTS = leaf_of(x509.DistributionPoint(None, None, None, directory("Lists")))
BY_LISTS_AT = leaf_of(x509.DistributionPoint(PLACE, None, None, directory("Lists")))
LISTS = certificate("Lists", "Root", OTHER, ROOT, SIGNS_LISTS, serial=30)


def _lists(issuer: str = "Lists", signer: RSAPrivateKey = OTHER, **fields: Any) -> bytes:
    return crl(issuer, signer, extra=scope(**{"indirect_crl": True, **fields}))


COVERED = [
    ("a list for all, of any point", BY_PLACE, crl(), GOOD),
    ("the list of that point", BY_PLACE, crl(extra=scope(full_name=PLACE)), GOOD),
    ("of another", BY_PLACE, crl(extra=scope(full_name=ELSEWHERE)), cannot("other_point")),
    ("all reasons, point for one", BY_REASON, crl(), GOOD),
    ("by another issuer", BY_LISTS, _lists(), GOOD),
    ("its issuer's own list instead", BY_LISTS, crl(), cannot("other_point")),
    (
        "by another issuer that is not indirect",
        BY_LISTS,
        crl("Lists", OTHER, extra=scope(only_contains_user_certs=True)),
        cannot("missing"),
    ),
    ("indirect, by yet another", BY_LISTS, _lists("Middle", MIDDLE), cannot("other_point")),
    ("signed by the issuer", BY_LISTS, _lists(signer=MIDDLE), cannot("signature")),
    ("named as its issuer", BY_LISTS, _lists(full_name=directory("Lists")), GOOD),
    ("named as another", BY_LISTS, _lists(full_name=directory("Root")), cannot("missing")),
    ("by another, at that point", BY_LISTS_AT, _lists(full_name=PLACE), GOOD),
    ("by another, elsewhere", BY_LISTS_AT, _lists(full_name=ELSEWHERE), cannot("missing")),
    (
        "by another, named as its issuer",
        BY_LISTS_AT,
        _lists(full_name=directory("Lists")),
        cannot("missing"),
    ),
]


@pytest.mark.parametrize(
    ("leaf", "data", "wanted"), [row[1:] for row in COVERED], ids=[row[0] for row in COVERED]
)
def test_which_point_a_list_is_of(leaf: bytes, data: bytes, wanted: tuple[str, str]) -> None:
    assert said(data, leaf=leaf, chain=(MIDDLE_DER, LISTS)) == wanted


def test_a_point_may_be_named_below_the_issuer_of_its_list() -> None:
    part = x509.RelativeDistinguishedName(
        [x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "Lists")]
    )
    whole = x509.DirectoryName(x509.Name([*name("Middle").rdns, part]))
    leaf = leaf_of(x509.DistributionPoint(None, part, None, None))
    for fields, wanted in (
        ({"relative_name": part}, GOOD),
        ({"full_name": [whole]}, GOOD),
        ({"full_name": directory("Middle")}, GOOD),  # the issuer's own, whatever is named
        ({"full_name": directory("Root")}, cannot("other_point")),
    ):
        assert said(crl(extra=scope(**fields)), leaf=leaf) == wanted


SOME_REASONS = crl(extra=scope(only_some_reasons=KEY_COMPROMISE))


@pytest.mark.parametrize(
    "useless",
    [
        crl(signer=OTHER),
        crl(**EXPIRED),
        crl(number=None),
        crl(extra=scope(full_name=ELSEWHERE)),
    ],
    ids=["not signed", "expired", "without number", "another point"],
)
def test_a_list_that_tells_nothing_covers_no_reasons(useless: bytes) -> None:
    """Beside one for some reasons, which alone is not enough."""
    assert said(useless, SOME_REASONS) == cannot("reasons")
    assert said(SOME_REASONS, useless) == cannot("reasons")


def test_users_and_authorities_have_lists_of_their_own() -> None:
    users, authorities = (
        crl("Root", ROOT, extra=scope(**{f"only_contains_{kind}_certs": True}))
        for kind in ("user", "ca")
    )
    assert said(crl(), authorities, revocation=REQUIRE) == GOOD
    assert said(crl(), users, revocation=REQUIRE) == cannot("scope")


def test_what_a_list_for_others_takes_back_is_not_good() -> None:
    """It has the certificate, but is none of its own."""
    others = scope(only_contains_ca_certs=True)
    delta = (x509.DeltaCRLIndicator(1), True)
    complete = crl(revoked=[SERIAL], extra=others)
    later = crl(number=2, revoked=[SERIAL], extra=[*others, delta], entry_extra=REMOVED)
    assert said(complete) == REVOKED
    assert said(complete, later) == cannot("scope")


# Deltas [RFC5280 5.2.4]: the complete list has expired, and a delta that fits it has not.
OLD = crl(number=3, **EXPIRED)


def _delta(base: int = 3, number: int | None = 5, **options: Any) -> bytes:
    extra = [(x509.DeltaCRLIndicator(base), True), *options.pop("extra", ())]
    return crl(number=number, extra=extra, **options)


DELTAS = [
    ("fits", _delta(), GOOD),
    ("older base", _delta(base=1, number=4), GOOD),
    ("newer base", _delta(base=4), cannot("expired")),
    ("same number", _delta(number=3), cannot("expired")),
    ("no number", _delta(number=None), cannot("expired")),
    ("another issuer", _delta(issuer="Root"), cannot("expired")),
    ("another signer", _delta(signer=OTHER), cannot("expired")),
    ("for others", _delta(extra=scope(only_contains_user_certs=True)), cannot("expired")),
    ("another key named", _delta(extra=key_named(b"\x01" * 20)), cannot("expired")),
    ("expired", _delta(**EXPIRED), cannot("expired")),
]


@pytest.mark.parametrize(
    ("delta", "wanted"), [row[1:] for row in DELTAS], ids=[row[0] for row in DELTAS]
)
def test_which_delta_builds_on_a_list(delta: bytes, wanted: tuple[str, str]) -> None:
    assert said(OLD, delta) == wanted
    assert said(delta, OLD) == wanted


def test_a_delta_that_does_not_count_takes_nothing_back() -> None:
    complete = crl(number=3, revoked=[SERIAL])
    back: dict[str, Any] = {"revoked": [SERIAL], "entry_extra": REMOVED}
    assert said(complete, _delta(**back)) == GOOD
    assert said(complete, _delta(**back, **EXPIRED)) == REVOKED
    assert said(complete, _delta(**back, signer=OTHER)) == REVOKED


def test_the_newest_delta_counts() -> None:
    older, newer = _delta(number=4), _delta(number=5, revoked=[SERIAL])
    assert said(crl(number=3), older, newer) == REVOKED
    assert said(crl(number=3), newer, older) == REVOKED


def test_nothing_builds_on_a_list_without_a_number() -> None:
    week = timedelta(days=7)
    assert said(crl(number=None), _delta(revoked=[SERIAL]), max_age=week) == GOOD


# Who signs [RFC5280 6.3.3 f, g].


def middle_with_key(value: bytes) -> bytes:
    own = (*AUTHORITY, (x509.SubjectKeyIdentifier(value), False))
    return certificate("Middle", "Root", MIDDLE, ROOT, own, serial=2)


ONE, TWO = b"\x01" * 20, b"\x02" * 20


@pytest.mark.parametrize(
    ("data", "middle", "wanted"),
    [
        (crl(extra=key_named(ONE)), middle_with_key(ONE), GOOD),
        (crl(extra=key_named(ONE)), MIDDLE_DER, GOOD),
        (crl(), middle_with_key(ONE), GOOD),
        (crl(extra=key_named(TWO)), middle_with_key(ONE), cannot("signer")),
    ],
    ids=["the same", "of the list only", "of the authority only", "another"],
)
def test_the_key_that_is_named_is_the_signer_s(
    data: bytes, middle: bytes, wanted: tuple[str, str]
) -> None:
    assert said(data, chain=(middle,)) == wanted


def test_weak_signatures_have_to_be_asked_for() -> None:
    key = stored_key("weak-1024")
    signer = certificate("Middle", "Root", key, ROOT, SIGNS_LISTS, serial=SIGNER_SERIAL)
    by_sha1 = resigned(crl(), MIDDLE, algorithm(RSA_SHA1, inside=1), SHA1())
    for data, chain in ((by_sha1, ()), (crl(signer=key), (signer,))):
        assert said(data, chain=(MIDDLE_DER, *chain)) == cannot("weak")
        assert said(data, chain=(MIDDLE_DER, *chain), weak_keys=True) == GOOD


def own_signer(issuer: str = "Root", key: RSAPrivateKey = ROOT, **options: Any) -> bytes:
    """Somebody beside the authority, with its name, who signs its lists."""
    return certificate(
        "Middle", issuer, OTHER, key, SIGNS_LISTS, serial=SIGNER_SERIAL, **options
    )  # fmt: skip


BY_SIGNER = crl(signer=OTHER)


def test_a_signer_of_its_own_is_valid_itself() -> None:
    for signer, wanted in (
        (own_signer(), GOOD),
        (own_signer(end=AT - SECOND), cannot("signer")),
        (own_signer(begin=AT + SECOND), cannot("signer")),
    ):
        assert said(BY_SIGNER, chain=(MIDDLE_DER, signer)) == wanted


def test_a_signer_of_its_own_is_in_force_where_all_are_asked_about() -> None:
    chain = (MIDDLE_DER, own_signer())
    revoked = crl("Root", ROOT, revoked=[SIGNER_SERIAL])
    assert said(BY_SIGNER, ROOT_CRL, chain=chain, revocation=REQUIRE) == GOOD
    assert said(BY_SIGNER, revoked, chain=chain, revocation=REQUIRE) == cannot("signer")
    # Of the last one only: nobody asks about the signer.
    assert said(BY_SIGNER, revoked, chain=chain) == GOOD
    assert said(BY_SIGNER, chain=chain) == GOOD


def test_a_signer_may_be_in_its_own_list() -> None:
    """Issued by the authority it signs for: then its own list tells of it, too."""
    chain = (MIDDLE_DER, own_signer("Middle", MIDDLE))
    itself = crl(signer=OTHER, revoked=[SIGNER_SERIAL])
    assert said(BY_SIGNER, ROOT_CRL, chain=chain, revocation=REQUIRE) == GOOD
    assert said(itself, ROOT_CRL, chain=chain, revocation=REQUIRE) == cannot("signer")


def test_where_the_search_for_a_signer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = (MIDDLE_DER, own_signer())
    for limit, enough, place in (("_MAX_NESTING", 1, module), ("MAX_SIGNATURES", 4, paths)):
        for value, wanted in ((enough, GOOD), (enough - 1, cannot("signer"))):
            with monkeypatch.context() as patched:
                patched.setattr(place, limit, value)
                assert said(BY_SIGNER, chain=chain) == wanted


ROLLED = certificate("Root", "Root", OTHER, ROOT, AUTHORITY, serial=4)
NAMESAKE = certificate("Root", "Root", OTHER, OTHER, AUTHORITY, serial=5)
ROLLED_ENDED = certificate("Root", "Root", OTHER, ROOT, AUTHORITY, serial=4, end=AT - SECOND)


@pytest.mark.parametrize(
    ("anchors", "chain", "wanted"),
    [
        ((ROOT_DER, ROLLED), (), GOOD),
        ((ROOT_DER, NAMESAKE), (), cannot("signer")),
        ((ROOT_DER,), (ROLLED,), GOOD),
        ((ROOT_DER,), (ROLLED_ENDED,), cannot("signer")),
        ((ROOT_DER,), (NAMESAKE,), cannot("signer")),
    ],
    ids=["anchor, new key", "anchor, namesake", "new key", "new key, ended", "namesake"],
)
def test_a_new_key_of_the_anchor(
    anchors: tuple[bytes, ...], chain: tuple[bytes, ...], wanted: tuple[str, str]
) -> None:
    """The root's list is by a key that the root has signed, or by one that only has its name."""
    lists = (crl(), crl("Root", OTHER, extra=scope(only_contains_ca_certs=True)))
    found = said(*lists, anchors=anchors, chain=(MIDDLE_DER, *chain), revocation=REQUIRE)
    assert found == wanted


TOMORROW, YESTERDAY = "2026-11-22T00:00:00Z", "2026-11-20T00:00:00Z"


@pytest.mark.parametrize(
    ("lists", "values"),
    [
        ((crl(),), {"point": "all", "this_update": YESTERDAY, "next_update": TOMORROW}),
        (
            (crl(extra=scope(full_name=ELSEWHERE)),),
            {
                "point": "unnamed",
                "this_update": YESTERDAY,
                "next_update": TOMORROW,
                "reason": "other_scope",
            },
        ),
        # The times are those of the delta, which is what is known last.
        ((OLD, _delta()), {"point": "all", "this_update": YESTERDAY, "next_update": TOMORROW}),
        (
            (crl(**{**EXPIRED, "number": 3}), _delta(revoked=[SERIAL], entry_extra=REMOVED)),
            {"point": "all", "this_update": YESTERDAY, "next_update": TOMORROW},
        ),
        # Of those that cannot be read, the first one's reason.
        ((crl()[:-1], b"\x31\x00"), {"reason": "truncated"}),
        ((b"\x31\x00", crl()[:-1]), {"reason": "wrong_tag"}),
    ],
)
def test_what_is_shown(lists: tuple[bytes, ...], values: dict[str, str]) -> None:
    found = verdict(crls=lists, revocation=RevocationMode.LEAF).check("revocation")
    assert found is not None
    assert dict(found.values) == values


def test_a_list_that_does_not_end_is_shown_without_its_end() -> None:
    def endless(whole: Item) -> None:
        del whole.parts[0].parts[4]

    found = verdict(
        crls=(resigned(crl(), MIDDLE, endless),),
        revocation=RevocationMode.LEAF,
        max_age=timedelta(days=7),
    ).check("revocation")
    assert found is not None
    assert dict(found.values) == {"point": "all", "this_update": YESTERDAY}
