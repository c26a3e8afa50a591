# SPDX-License-Identifier: Apache-2.0
"""CRLs in the general profile: each trap another validator fell into, with its clause.

Traps: [BoringSSL] and [x509-limbo] suites, and what OpenSSL 3.0 and pyhanko-certvalidator 0.33
accepted of them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from der_edit import Item, decode, resigned
from general_checks import status
from general_pki import (
    AT,
    AUTHORITY,
    DAY,
    LEAF,
    LEAF_DER,
    MIDDLE,
    MIDDLE_DER,
    OTHER,
    ROOT,
    ROOT_CRL,
    ROOT_DER,
    certificate,
    crl,
    name,
    usage,
)
from jpki.validation.policy import RevocationMode

Edit = Callable[[Item], None]
SERIAL = 7
LEAF_ONLY = RevocationMode.LEAF
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x56\x78")


def said(*lists: bytes, leaf: bytes = LEAF_DER, **options: Any) -> tuple[str, str]:
    return status(leaf, crls=lists, **options)


def edited(edit: Edit, **options: object) -> bytes:
    return resigned(crl(**options), MIDDLE, edit)  # type: ignore[arg-type]


def cannot(code: str) -> tuple[str, str]:
    return "cannot_tell", f"crl_{code}"


GOOD, REVOKED = ("valid", "crl_good"), ("invalid", "revoked")
MALFORMED = cannot("malformed")
CRITICAL_REASON = (x509.CRLReason(x509.ReasonFlags.superseded), True)
DELTA = (x509.DeltaCRLIndicator(1), True)


def test_listed_and_not_listed() -> None:
    assert said(crl()) == GOOD
    assert said(crl(revoked=[6, 8])) == GOOD
    assert said(crl(revoked=[6, SERIAL, 8])) == REVOKED
    assert said() == cannot("missing")


def test_require_asks_for_every_certificate() -> None:
    require = RevocationMode.REQUIRE
    assert said(crl(), revocation=require) == cannot("missing")
    assert said(crl(), ROOT_CRL, revocation=require) == GOOD
    middle_revoked = crl("Root", ROOT, revoked=[2])
    assert said(crl(), middle_revoked, revocation=require) == REVOKED
    assert said(crl(), middle_revoked) == GOOD  # the leaf only


def _version(value: bytes | None) -> Edit:
    def edit(whole: Item) -> None:
        parts = whole.parts[0].parts
        del parts[0]
        if value is not None:
            parts.insert(0, Item(2, value))

    return edit


def _inner_algorithm(whole: Item) -> None:
    whole.parts[0].parts[1].parts[0].value = bytes.fromhex("2a864886f70d01010c")


def _no_extensions(whole: Item) -> None:
    whole.parts[0].parts = [p for p in whole.parts[0].parts if p.tag != 0xA0]


def _version_one(whole: Item) -> None:
    _no_extensions(whole)
    _version(None)(whole)


def _empty_list(whole: Item) -> None:
    whole.parts[0].parts.insert(5, Item(0x30))


def _after(place: int) -> Edit:
    return lambda whole: whole.parts[0].parts.insert(place, Item(2, b"\x01"))


def _trailing(whole: Item) -> None:
    whole.parts.append(Item(5))


def _no_next_update(whole: Item) -> None:
    del whole.parts[0].parts[4]


def _point(content: str, critical: bool = True, **options: object) -> bytes:
    extension = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("2.5.29.28"), bytes.fromhex(content)
    )
    return crl(extra=[(extension, critical)], **options)  # type: ignore[arg-type]


def _numbered(critical: bool) -> bytes:
    return crl(number=None, extra=[(x509.CRLNumber(1), critical)])


FORMS = [
    # RFC 5280 5.1.1.2: both algorithm identifiers are the same.
    ("algorithms differ", edited(_inner_algorithm), MALFORMED),
    # 5.1.2.6: without revoked certificates the list MUST be absent.
    ("empty revokedCertificates", edited(_empty_list), MALFORMED),
    # 5.1.2.1: extensions only in version 2; no version but 2 is written.
    ("v1 with extensions", edited(_version(None)), MALFORMED),
    ("v1 written out", edited(_version(b"\x00")), MALFORMED),
    ("v3", edited(_version(b"\x02")), MALFORMED),
    (
        "v1 with an entry extension",
        edited(_version_one, revoked=[9], entry_extra=[CRITICAL_REASON]),
        MALFORMED,
    ),
    # 5.2.5: critical, not empty, one kind of holders.
    ("empty IDP", _point("3000"), MALFORMED),
    ("IDP for users and CAs", _point("30068101ff8201ff"), MALFORMED),
    ("IDP with bytes after its name", _point("300ca00aa006820461626364" + "0500"), MALFORMED),
    ("IDP with a default written", _point("3003840100"), MALFORMED),
    ("IDP not critical", _point("30038101ff", critical=False), MALFORMED),
    ("IDP for users", _point("30038101ff"), GOOD),
    ("IDP for CAs", _point("30038201ff"), cannot("scope")),
    ("IDP for attribute certificates", _point("30038501ff"), cannot("scope")),
    ("IDP of another point", _point("300aa008a006820461626364"), cannot("other_point")),
    ("IDP for some reasons", _point("300483020640"), cannot("reasons")),
    # 5.2.3: MUST be there, MUST NOT be critical.
    ("number missing", crl(number=None), cannot("number_missing")),
    ("number critical", _numbered(True), MALFORMED),
    # 5.2: unknown critical extensions, of the list and of any entry.
    ("unknown critical extension", crl(extra=[(UNKNOWN, True)]), MALFORMED),
    ("unknown extension", crl(extra=[(UNKNOWN, False)]), GOOD),
    ("unknown critical entry", crl(revoked=[9], entry_extra=[(UNKNOWN, True)]), MALFORMED),
    ("unknown entry extension", crl(revoked=[SERIAL], entry_extra=[(UNKNOWN, False)]), REVOKED),
    # 5.2.4: a delta is no complete list.
    ("delta alone", crl(number=2, extra=[DELTA]), cannot("missing")),
    # 5.1.2.4, 5.1.2.5: times.
    ("expired", crl(next_update=AT - timedelta(seconds=1)), cannot("expired")),
    ("from the future", crl(this_update=AT + timedelta(seconds=1)), cannot("future")),
    ("no nextUpdate", edited(_no_next_update), cannot("no_next_update")),
    # 6.3.3 f, g: who signs.
    ("another key", crl(signer=OTHER), cannot("signature")),
    ("another issuer", crl(issuer="Root", signer=ROOT), cannot("missing")),
    # Bytes where none belong.
    ("bytes after thisUpdate", edited(_after(4)), MALFORMED),
    ("bytes after the list", edited(_trailing), MALFORMED),
    ("listed twice", crl(revoked=[9, 9]), MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "wanted"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS]
)
def test_form(data: bytes, wanted: tuple[str, str]) -> None:
    assert said(data) == wanted


def test_every_truncation_tells_nothing() -> None:
    data = crl(revoked=[9])
    for size in range(len(data)):
        assert said(data[:size]) == MALFORMED, size


def test_every_wrong_byte_tells_nothing() -> None:
    data = bytearray(crl(revoked=[9]))
    for place in range(len(data)):
        data[place] ^= 1
        assert said(bytes(data))[0] != "valid", place
        data[place] ^= 1


def test_a_maximum_age_stands_for_number_and_next_update() -> None:
    week = timedelta(days=7)
    assert said(crl(number=None), max_age=week) == GOOD
    assert said(edited(_no_next_update), max_age=week) == GOOD
    assert said(crl(this_update=AT - 8 * DAY), max_age=week) == cannot("too_old")
    assert said(edited(_version_one), max_age=week) == GOOD


# Lists for other certificates: of another point, of authorities, of attribute certificates.
OTHER_POINT, AUTHORITIES, ATTRIBUTES = "300aa008a006820461626364", "30038201ff", "30038501ff"


@pytest.mark.parametrize(
    ("content", "options", "wanted"),
    [
        (OTHER_POINT, {}, REVOKED),
        (AUTHORITIES, {}, REVOKED),
        (ATTRIBUTES, {}, GOOD),  # their serial numbers are others
        (OTHER_POINT, {"signer": OTHER}, GOOD),
        (OTHER_POINT, {"next_update": AT - DAY / 2}, GOOD),
        (OTHER_POINT, {"revoked": [8]}, GOOD),
    ],
)
def test_what_a_list_for_others_has_revoked_is_revoked(
    content: str, options: dict[str, object], wanted: tuple[str, str]
) -> None:
    """Issuer and serial are one certificate's, whatever point its list belongs to."""
    elsewhere = _point(content, True, **{"revoked": [SERIAL], **options})
    assert said(crl(), elsewhere) == wanted
    assert said(elsewhere, crl()) == wanted
    assert (said(elsewhere) == REVOKED) == (wanted == REVOKED)


def test_users_only_says_nothing_of_version_one() -> None:
    """Nobody can know whether a version 1 certificate is an authority's."""

    def version_one(whole: Item) -> None:
        del whole.parts[0].parts[0]
        whole.parts[0].parts = [p for p in whole.parts[0].parts if p.tag != 0xA3]

    leaf = resigned(LEAF_DER, MIDDLE, version_one)
    assert said(crl(), leaf=leaf) == GOOD
    assert said(_point("30038101ff"), leaf=leaf) == cannot("scope")


def test_an_authority_without_the_right_signs_no_list() -> None:
    extensions = (AUTHORITY[0], (usage("key_cert_sign"), True))
    middle = certificate("Middle", "Root", MIDDLE, ROOT, extensions, serial=2)
    assert said(crl(), chain=(middle,)) == cannot("signer")


@pytest.mark.parametrize(
    ("extensions", "status", "wanted"),
    [
        (((usage("crl_sign"), True),), (), GOOD),
        (((usage("crl_sign"), True),), (21,), cannot("signer")),
        (((usage("digital_signature"), True),), (), cannot("signature")),
    ],
    ids=["own certificate", "revoked", "no right"],
)
def test_a_signer_of_its_own(
    extensions: tuple[tuple[x509.ExtensionType, bool]], status: tuple[int, ...], wanted: object
) -> None:
    """[RFC5280 6.3.3 f]: the same name, another key, below the same anchor, itself in force."""
    signer = certificate("Middle", "Root", OTHER, ROOT, extensions, serial=21)
    lists = (crl(signer=OTHER), crl("Root", ROOT, revoked=status))
    require = RevocationMode.REQUIRE
    assert said(*lists, chain=(MIDDLE_DER, signer), revocation=require) == wanted


def test_a_signer_below_another_anchor_is_nobody() -> None:
    stranger = certificate("Stranger", "Stranger", LEAF, LEAF, AUTHORITY, serial=5)
    signer = certificate("Middle", "Stranger", OTHER, LEAF, AUTHORITY, serial=6)
    told = said(crl(signer=OTHER), anchors=[ROOT_DER, stranger], chain=(MIDDLE_DER, signer))
    assert told == cannot("signer")


DELTAS = [
    # What the complete list and the delta list, the outcome.
    ((), (SERIAL,), None, REVOKED),
    ((SERIAL,), (), None, REVOKED),
    ((SERIAL,), (SERIAL,), x509.ReasonFlags.remove_from_crl, GOOD),
    ((), (8,), None, GOOD),
]


@pytest.mark.parametrize(("complete", "delta", "reason", "wanted"), DELTAS)
def test_deltas(
    complete: tuple[int, ...],
    delta: tuple[int, ...],
    reason: x509.ReasonFlags | None,
    wanted: tuple[str, str],
) -> None:
    entry = [] if reason is None else [(x509.CRLReason(reason), False)]
    newer = crl(
        number=5,
        revoked=delta,
        entry_extra=entry,
        extra=[DELTA],
    )
    assert said(crl(number=3, revoked=complete), newer) == wanted


def test_a_delta_that_builds_on_a_newer_list_is_not_used() -> None:
    newer = crl(number=9, revoked=[SERIAL], extra=[(x509.DeltaCRLIndicator(4), True)])
    assert said(crl(number=3), newer) == GOOD


def _indirect(*entries: tuple[int, str | None]) -> bytes:
    """A list of «Lists» for others: each entry with the issuer that begins with it."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name("Lists"))
        .last_update(AT - DAY)
        .next_update(AT + DAY)
        .add_extension(x509.CRLNumber(1), False)
        .add_extension(
            x509.IssuingDistributionPoint(None, None, False, False, None, True, False), True
        )
    )
    for serial, issuer in entries:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(AT - DAY)
        if issuer is not None:
            names = [x509.DirectoryName(name(issuer))]
            entry = entry.add_extension(x509.CertificateIssuer(names), True)
        builder = builder.add_revoked_certificate(entry.build())
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(OTHER, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([], GOOD),
        ([(SERIAL, None)], GOOD),  # a certificate of «Lists» itself
        ([(SERIAL, "Root")], GOOD),
        ([(SERIAL, "Middle")], REVOKED),
        ([(8, "Middle"), (SERIAL, None)], REVOKED),  # the issuer stays in effect [5.3.3]
        ([(8, "Middle"), (SERIAL, "Root")], GOOD),
    ],
)
def test_indirect_lists(entries: list[tuple[int, str | None]], wanted: tuple[str, str]) -> None:
    point = x509.DistributionPoint(None, None, None, [x509.DirectoryName(name("Lists"))])
    leaf = certificate(
        "Leaf", "Middle", LEAF, MIDDLE, [(x509.CRLDistributionPoints([point]), False)]
    )
    signer = certificate("Lists", "Root", OTHER, ROOT, [(usage("crl_sign"), True)], serial=30)
    lists = _indirect(*entries)
    assert said(lists, leaf=leaf, chain=(MIDDLE_DER, signer)) == wanted
    # A certificate that does not name «Lists» is not its business.
    assert said(lists, chain=(MIDDLE_DER, signer)) == cannot("missing")


def test_the_edits_edit() -> None:
    """What is called version 1 above has no version in it."""
    (whole,) = decode(edited(_version_one))
    assert whole.parts[0].parts[0].tag == 0x30
