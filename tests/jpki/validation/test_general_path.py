# SPDX-License-Identifier: Apache-2.0
"""Paths in the general profile: what the library underneath lets pass, and what it stumbles over.

PKITS (``tests/cli/test_pkits.py``) has the rules it keeps; here are the ones it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509

from der_edit import Item, decode, resigned
from general_checks import verdict
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
    ROOT_DER,
    certificate,
    usage,
)
from jpki.synth.keystore import stored_key
from jpki.validation.policy import RevocationMode
from jpki.validation.rfc5280 import GeneralValidator, engine, paths, signatures
from jpki.validation.rfc5280.signatures import is_weak_algorithm, is_weak_key
from jpki.verdict import Outcome, Verdict

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x56\x78")
NONE = RevocationMode.NONE


def wrong(found: Verdict) -> dict[str, str]:
    passed = (Outcome.VALID, Outcome.NOT_RUN)
    return {check.name: check.code for check in found.checks if check.outcome not in passed}


def middle(*extra: tuple[x509.ExtensionType, bool]) -> bytes:
    return certificate("Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, *extra), serial=2)


def leaf(*extra: tuple[x509.ExtensionType, bool], **options: object) -> bytes:
    return certificate("Leaf", "Middle", LEAF, MIDDLE, (*HOLDER, *extra), **options)  # type: ignore[arg-type]


def test_a_good_path() -> None:
    found = verdict()
    assert wrong(found) == {}
    assert found.outcome is Outcome.VALID
    assert [check.name for check in found.checks] == [
        "certificate",
        "path",
        "validity",
        "revocation",
    ]


Edit = Callable[[Item], None]


def _twice(whole: Item) -> None:
    extensions = whole.parts[0].parts[-1].parts[0]
    extensions.parts.append(extensions.parts[0])


def _version(value: int | None) -> Edit:
    def edit(whole: Item) -> None:
        parts = whole.parts[0].parts
        if value is None:
            del parts[0]
        else:
            parts[0].parts[0].value = bytes([value])

    return edit


def _version_one(whole: Item) -> None:
    del whole.parts[0].parts[0]
    whole.parts[0].parts = [p for p in whole.parts[0].parts if p.tag != 0xA3]


def _other_algorithm(whole: Item) -> None:
    whole.parts[0].parts[2].parts[0].value = bytes.fromhex("2a864886f70d01010c")


def _serial(value: bytes) -> Edit:
    def edit(whole: Item) -> None:
        whole.parts[0].parts[1].value = value

    return edit


def _no_issuer(whole: Item) -> None:
    whole.parts[0].parts[3].parts = []


UNREADABLE = {"certificate": "certificate_unreadable"}
LEAVES = [
    # RFC 5280 4.2: not more than one instance of an extension.
    ("extension twice", resigned(LEAF_DER, MIDDLE, _twice), UNREADABLE),
    # 4.1.2.1: extensions only in version 3.
    ("v1 with extensions", resigned(LEAF_DER, MIDDLE, _version(None)), UNREADABLE),
    ("v2 with extensions", resigned(LEAF_DER, MIDDLE, _version(1)), UNREADABLE),
    ("v4", resigned(LEAF_DER, MIDDLE, _version(3)), UNREADABLE),
    # 4.1.1.2: both algorithm identifiers are the same.
    ("algorithms differ", resigned(LEAF_DER, MIDDLE, _other_algorithm), UNREADABLE),
    # 4.1.2.2: at most 20 octets, minimal, not zero.
    ("long serial", resigned(LEAF_DER, MIDDLE, _serial(b"\x01" * 21)), UNREADABLE),
    ("padded serial", resigned(LEAF_DER, MIDDLE, _serial(b"\x00\x01")), UNREADABLE),
    ("zero serial", resigned(LEAF_DER, MIDDLE, _serial(b"\x00")), {"path": "path_serial"}),
    ("negative serial", resigned(LEAF_DER, MIDDLE, _serial(b"\xff")), {}),
    # 4.1.2.4: the issuer has a name.
    ("no issuer", resigned(LEAF_DER, MIDDLE, _no_issuer), UNREADABLE),
    ("bytes after the end", LEAF_DER + b"\x00", UNREADABLE),
    ("v1", resigned(LEAF_DER, MIDDLE, _version_one), {}),
    # 4.2: unknown critical extensions are refused, known ones have their criticality.
    ("unknown critical", leaf((UNKNOWN, True)), {"path": "path_critical_extension"}),
    ("unknown", leaf((UNKNOWN, False)), {}),
    (
        "critical key id",
        leaf((x509.SubjectKeyIdentifier(b"\x01" * 20), True)),
        {"path": "path_criticality"},
    ),
    # 4.2.1.3: keyCertSign only with cA; 4.2.1.10: constraints only of authorities.
    (
        "signs certificates and is no CA",
        certificate("Leaf", "Middle", LEAF, MIDDLE, [(usage("key_cert_sign"), True)]),
        {"path": "path_key_usage"},
    ),
    (
        "constraints of a holder",
        leaf((x509.NameConstraints([x509.DNSName("a.example")], None), True)),
        {"path": "path_authority_extension"},
    ),
    # 4.1.2.6: an empty subject needs a critical subjectAltName.
    (
        "nobody",
        certificate("", "Middle", LEAF, MIDDLE),
        {"path": "path_empty_subject"},
    ),
    (
        "nobody but an address",
        certificate(
            "", "Middle", LEAF, MIDDLE,
            [(x509.SubjectAlternativeName([x509.RFC822Name("a@b.example")]), True)],
        ),
        {},
    ),
    # 6.1.3 a: time, at the second.
    ("expired", leaf(end=AT - DAY / 86400), {"validity": "expired"}),
    ("last second", leaf(end=AT), {}),
    ("not yet", leaf(begin=AT + DAY / 86400), {"validity": "not_yet_valid"}),
    ("by another key", certificate("Leaf", "Middle", LEAF, OTHER), {"path": "path_signature"}),
    ("by nobody", certificate("Leaf", "Nobody", LEAF, OTHER), {"path": "untrusted"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "wanted"), [row[1:] for row in LEAVES], ids=[row[0] for row in LEAVES]
)
def test_leaf(data: bytes, wanted: dict[str, str]) -> None:
    found = verdict(data)
    assert wrong(found) == wanted
    assert (found.outcome is Outcome.VALID) == (wanted == {})


MIDDLES = [
    ("v1", resigned(MIDDLE_DER, ROOT, _version_one), "path_version"),
    ("no CA", certificate("Middle", "Root", MIDDLE, ROOT, serial=2), "path_not_a_ca"),
    ("unknown critical", middle((UNKNOWN, True)), "path_critical_extension"),
    (
        "constraints not critical",
        middle((x509.NameConstraints([x509.DNSName("a.example")], None), False)),
        "path_criticality",
    ),
]


@pytest.mark.parametrize(
    ("data", "code"), [row[1:] for row in MIDDLES], ids=[row[0] for row in MIDDLES]
)
def test_between(data: bytes, code: str) -> None:
    assert wrong(verdict(LEAF_DER, data)) == {"path": code}


def test_the_anchor_s_own_validity_counts() -> None:
    old = certificate("Root", "Root", ROOT, ROOT, AUTHORITY, serial=1, end=AT - DAY)
    assert wrong(verdict(anchors=[old])) == {"validity": "path_expired"}


def test_what_an_anchor_forbids_itself_counts() -> None:
    for extensions, code in (
        ((HOLDER[0],), "path_not_a_ca"),
        (((x509.BasicConstraints(True, 0), True), AUTHORITY[1]), "path_too_long"),
        ((*AUTHORITY, (UNKNOWN, True)), "path_critical_extension"),
    ):
        root = certificate("Root", "Root", ROOT, ROOT, extensions, serial=1)
        assert wrong(verdict(anchors=[root])) == {"path": code}


def test_the_anchor_s_own_policies_do_not_count() -> None:
    def policy(oid: str) -> tuple[x509.ExtensionType, bool]:
        found = x509.PolicyInformation(x509.ObjectIdentifier(oid), None)
        return x509.CertificatePolicies([found]), False

    root = certificate("Root", "Root", ROOT, ROOT, (*AUTHORITY, policy("1.2.3")), serial=1)
    assert wrong(verdict(leaf(policy("1.2.4")), middle(policy("1.2.4")), anchors=[root])) == {}


def test_an_anchor_that_is_no_root_needs_to_be_asked_for() -> None:
    assert wrong(verdict(anchors=[MIDDLE_DER])) == {"path": "untrusted"}
    assert wrong(verdict(anchors=[MIDDLE_DER], partial=True)) == {}


def test_the_anchor_itself_is_nobody_s_to_revoke() -> None:
    assert wrong(verdict(ROOT_DER)) == {}
    require = RevocationMode.REQUIRE
    assert wrong(verdict(ROOT_DER, revocation=require)) == {"revocation": "anchor_without_status"}


def test_weak_keys_have_to_be_asked_for() -> None:
    weak = certificate("Leaf", "Middle", stored_key("weak-1024"), MIDDLE)
    assert wrong(verdict(weak)) == {"path": "path_weak"}
    assert wrong(verdict(weak, weak_keys=True)) == {}


MD5 = bytes.fromhex("300d06092a864886f70d0101040500")
SHA1 = bytes.fromhex("300d06092a864886f70d0101050500")
SHA2 = bytes.fromhex("300d06092a864886f70d01010b0500")


@pytest.mark.parametrize(
    ("algorithm", "year", "weak"),
    [(MD5, 2001, True), (SHA1, 2016, False), (SHA1, 2017, True), (SHA2, 2030, False)],
)
def test_which_algorithms_are_weak_when(algorithm: bytes, year: int, weak: bool) -> None:
    assert is_weak_algorithm(algorithm, datetime(year, 1, 1, tzinfo=UTC)) is weak


def test_which_keys_are_weak() -> None:
    for key, weak in ((LEAF, False), (stored_key("weak-1024"), True)):
        assert is_weak_key(_spki(certificate("Leaf", "Middle", key, MIDDLE)), AT) is weak


def _spki(data: bytes) -> bytes:
    return decode(data)[0].parts[0].parts[6].encode()


def test_an_exception_of_the_library_is_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise NotImplementedError("with a name in its words")

    monkeypatch.setattr(engine, "_anchor", stumble)
    found = verdict()
    assert wrong(found) == {"path": "path_not_understood"}
    assert found.outcome is Outcome.CANNOT_TELL


def test_a_library_that_waits_is_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def wait(*_: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(engine, "_validate", wait)
    assert verdict().outcome is Outcome.CANNOT_TELL


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from jpki.errors import MissingExtraError

    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as caught:
        GeneralValidator([ROOT_DER])
    assert caught.value.values["extra"] == "pki"


def test_many_of_one_name_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """[x509-limbo] pathological: same subject, same key, each signed by each."""
    crowd = [
        certificate("Middle", "Middle", MIDDLE, MIDDLE, AUTHORITY, serial=n) for n in range(1, 60)
    ]
    found = verdict(LEAF_DER, *crowd)
    assert wrong(found) == {"path": "untrusted"}
    chain = [
        certificate(f"C{a}", f"C{b}", MIDDLE, MIDDLE, AUTHORITY, serial=1 + 10 * a + b)
        for a in range(10)
        for b in range(10)
    ]
    calls = 0

    def counted(*arguments: bytes) -> bool:
        nonlocal calls
        calls += 1
        return signatures.verify(*arguments)

    monkeypatch.setattr("jpki.validation.rfc5280.paths.verify", counted)
    last = certificate("Leaf", "C1", LEAF, MIDDLE)
    assert wrong(verdict(last, *chain)) in ({"path": "path_limit"}, {"path": "untrusted"})
    assert calls <= paths.MAX_SIGNATURES


def test_a_short_way_is_found_in_a_crowd_that_issued_one_another() -> None:
    """[BetterTLS], [RFC4158 2]: bridges. Of eight there are thousands of ways."""
    keys = [stored_key(f"card-{n:02d}-sign") for n in range(8)]
    crowd = [
        certificate(f"C{a}", f"C{b}", keys[a], keys[b], AUTHORITY, serial=2 + 8 * a + b)
        for a in range(8)
        for b in range(8)
        if a != b
    ]
    crowd.append(certificate("C0", "Root", keys[0], ROOT, AUTHORITY, serial=100))
    last = certificate("Leaf", "C7", LEAF, keys[7])
    found = verdict(last, *crowd)
    assert wrong(found) == {}
    assert found.checks[1].values["length"] == 3  # Root, C0, C7, Leaf
    # Where none of the first holds, the others were not seen.
    assert wrong(verdict(last, *crowd, explicit_policy=True)) == {"path": "path_limit"}


def test_a_long_way_is_followed_and_a_longer_one_given_up() -> None:
    keys = (MIDDLE, OTHER)
    chain = [certificate("C0", "Root", keys[0], ROOT, AUTHORITY, serial=2)] + [
        certificate(f"C{n}", f"C{n - 1}", keys[n % 2], keys[(n - 1) % 2], AUTHORITY, serial=2 + n)
        for n in range(1, paths.MAX_DEPTH)
    ]
    for count, expected in ((-1, {}), (None, {"path": "path_limit"})):
        above = chain[:count]
        last = certificate("Leaf", f"C{len(above) - 1}", LEAF, keys[(len(above) - 1) % 2])
        found = verdict(last, *above)
        assert wrong(found) == expected
        assert (found.outcome is Outcome.CANNOT_TELL) == bool(expected)
