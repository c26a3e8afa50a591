# SPDX-License-Identifier: Apache-2.0
"""Name constraints of the general profile, form by form, and names that are not of their form.

Traps with a source: [x509-limbo], [BetterTLS], [Go], [BoringSSL] and [OpenSSL] test suites, which
were run against it; the cases here are made anew.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from general_checks import path_code
from general_pki import (
    AUTHORITY,
    HOLDER,
    LEAF,
    MIDDLE,
    OTHER,
    ROOT,
    ROOT_DER,
    SHA256,
    certificate,
    name,
)
from jpki.synth import der

CONSTRAINTS = x509.ObjectIdentifier("2.5.29.30")
ALTERNATIVE = x509.ObjectIdentifier("2.5.29.17")
INSIDE, OUTSIDE, UNCLEAR = None, "path_name_constraints", "path_constraints_unclear"
MALFORMED = "path_alternative_name"
# Tags of GeneralName.
EMAIL, DNS, URI, ADDRESS, REGISTERED = 0x81, 0x82, 0x86, 0x87, 0x88
OTHER_NAME, DIRECTORY = 0xA0, 0xA4


def general(form: int, value: str | bytes) -> bytes:
    """DER of a GeneralName."""
    return der.tlv(form, value.encode("latin-1") if isinstance(value, str) else value)


def constraints(permitted: Sequence[bytes] = (), excluded: Sequence[bytes] = ()) -> bytes:
    """NameConstraints of those bases."""
    return der.sequence(
        *(
            der.tlv(tag, b"".join(der.sequence(base) for base in bases))
            for tag, bases in ((0xA0, permitted), (0xA1, excluded))
            if bases
        )
    )


def code(
    value: bytes, names: Sequence[bytes], *, root: bytes = ROOT_DER, subject: str = "Leaf"
) -> str | None:
    """Why a path is refused whose middle has those constraints and whose leaf those names."""
    limit = (x509.UnrecognizedExtension(CONSTRAINTS, value), True)
    above = certificate("Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, limit), serial=2)
    given = x509.UnrecognizedExtension(ALTERNATIVE, der.sequence(*names))
    own = (*HOLDER, (given, not subject)) if names else HOLDER
    return path_code(certificate(subject, "Middle", LEAF, MIDDLE, own), above, root=root)


def network(text: str) -> bytes:
    found = ipaddress.ip_network(text)
    return found.network_address.packed + found.netmask.packed


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def directory(*parts: str) -> bytes:
    """DER of a Name of that O and CN."""
    kinds = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    pairs = zip(kinds, parts, strict=False)
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in pairs]).public_bytes()


# Form, base, name, and what comes of it where the base is permitted and where it is excluded.
PAIRS: list[tuple[int, str | bytes, str | bytes, str | None, str | None]] = [
    (DNS, "a.example", "a.example", INSIDE, OUTSIDE),
    (DNS, "a.example", "b.a.example", INSIDE, OUTSIDE),
    (DNS, "A.Example", "b.a.eXAMPLE", INSIDE, OUTSIDE),
    (DNS, "a.example", "ba.example", OUTSIDE, INSIDE),
    (DNS, "a.example", "example", OUTSIDE, INSIDE),
    (DNS, "", "a.example", INSIDE, OUTSIDE),  # adding labels to nothing: every name
    (DNS, "secret.a.example", "*.a.example", OUTSIDE, OUTSIDE),  # it stands for the secret too
    (DNS, "secret.a.example", "*.example", OUTSIDE, OUTSIDE),
    (DNS, "secret.a.example", "*.b.example", OUTSIDE, INSIDE),
    (DNS, "a.example", "*.a.example", INSIDE, OUTSIDE),
    (DNS, ".a.example", "b.a.example", UNCLEAR, UNCLEAR),  # of URIs only, readers differ
    (DNS, "*.a.example", "b.a.example", UNCLEAR, UNCLEAR),
    (DNS, "a.example.", "b.a.example", UNCLEAR, UNCLEAR),
    (EMAIL, "i@a.example", "i@a.example", INSIDE, OUTSIDE),
    (EMAIL, "i@a.example", "i@A.EXAMPLE", INSIDE, OUTSIDE),
    (EMAIL, "i@a.example", "I@a.example", OUTSIDE, INSIDE),
    (EMAIL, "i@a.example", '"\\i"@a.example', INSIDE, OUTSIDE),  # quoted or not
    (EMAIL, "i@a.example", "i@b.a.example", OUTSIDE, INSIDE),
    (EMAIL, "*@a.example", "i@a.example", OUTSIDE, INSIDE),  # an asterisk is itself
    (EMAIL, "a.example", "i@a.example", INSIDE, OUTSIDE),
    (EMAIL, "a.example", "i@b.a.example", OUTSIDE, INSIDE),
    (EMAIL, ".a.example", "i@b.a.example", INSIDE, OUTSIDE),
    (EMAIL, ".a.example", "i@c.b.a.example", INSIDE, OUTSIDE),
    (EMAIL, ".a.example", "i@a.example", OUTSIDE, INSIDE),
    (EMAIL, "a.example", "i@[10.0.0.1]", OUTSIDE, INSIDE),
    (EMAIL, "", "i@a.example", UNCLEAR, UNCLEAR),
    (EMAIL, "@a.example", "i@a.example", UNCLEAR, UNCLEAR),
    (URI, "a.example", "https://a.example/b", INSIDE, OUTSIDE),
    (URI, "a.example", "https://u@A.Example:443?q", INSIDE, OUTSIDE),
    (URI, "a.example", "https://b.a.example", OUTSIDE, INSIDE),
    (URI, ".a.example", "https://b.a.example", INSIDE, OUTSIDE),
    (URI, ".a.example", "https://a.example", OUTSIDE, INSIDE),
    # No host name: refused, wherever a URI is constrained.
    (URI, "a.example", "urn:a.example", UNCLEAR, UNCLEAR),
    (URI, "a.example", "https://10.0.0.1/", UNCLEAR, UNCLEAR),
    (URI, "a.example", "https://b.example\\@a.example/", UNCLEAR, UNCLEAR),
    (URI, "a.example", "https://a%2eexample/", UNCLEAR, UNCLEAR),
    (URI, "a.example", "https://a.example:x/", UNCLEAR, UNCLEAR),
    (URI, "i@a.example", "https://i@a.example/", UNCLEAR, UNCLEAR),
    (ADDRESS, network("10.1.0.0/16"), address("10.1.2.3"), INSIDE, OUTSIDE),
    (ADDRESS, network("10.1.0.0/16"), address("10.2.2.3"), OUTSIDE, INSIDE),
    (ADDRESS, network("10.1.2.3/32"), address("10.1.2.3"), INSIDE, OUTSIDE),
    (ADDRESS, network("0.0.0.0/0"), address("10.1.2.3"), INSIDE, OUTSIDE),
    (ADDRESS, network("0.0.0.0/0"), address("fd00::1"), OUTSIDE, INSIDE),
    (ADDRESS, network("::/0"), address("10.1.2.3"), OUTSIDE, INSIDE),
    (ADDRESS, network("fd00::/8"), address("fd00::1"), INSIDE, OUTSIDE),
    (ADDRESS, network("::ffff:0:0/96"), address("10.1.2.3"), OUTSIDE, INSIDE),
    (ADDRESS, address("10.1.0.0"), address("10.1.0.0"), UNCLEAR, UNCLEAR),
    (ADDRESS, b"\x0a\x01\0\0\xff\0\xff\0", address("10.1.2.3"), UNCLEAR, UNCLEAR),
    (DIRECTORY, directory("A"), directory("A", "b"), OUTSIDE, OUTSIDE),  # the subject is outside
    (REGISTERED, b"\x2a\x03", b"\x2a\x03", UNCLEAR, UNCLEAR),
    (OTHER_NAME, b"\x06\x02\x2a\x03", bytes.fromhex("06022a03a0020500"), UNCLEAR, UNCLEAR),
    (0x89, b"\x01", b"\x01", MALFORMED, MALFORMED),  # there is no such form
]


@pytest.mark.parametrize("row", PAIRS, ids=[f"{p[0]:x} {p[1]!r} {p[2]!r}" for p in PAIRS])
def test_a_name_under_a_constraint(
    row: tuple[int, str | bytes, str | bytes, str | None, str | None],
) -> None:
    form, base, own, where_permitted, where_excluded = row
    names = [general(form, own)]
    assert code(constraints(permitted=[general(form, base)]), names) == where_permitted
    assert code(constraints(excluded=[general(form, base)]), names) == where_excluded


def test_a_form_that_is_not_constrained_is_free() -> None:
    """Also where its own constraint would be unclear."""
    value = constraints(
        permitted=[general(DNS, ".a.example"), general(EMAIL, "")],
        excluded=[general(REGISTERED, b"\x2a\x03"), general(OTHER_NAME, b"\x06\x02\x2a\x03")],
    )
    assert code(value, [general(URI, "urn:b"), general(ADDRESS, address("::1"))]) is INSIDE
    assert code(value, []) is INSIDE


def test_the_subject_is_a_name_too() -> None:
    own, other = directory("Leaf"), directory("Elsewhere")
    common = name("LEAF ").public_bytes()
    for base, permitted, excluded in (
        (common, INSIDE, OUTSIDE),  # compared without case and blanks
        (own, OUTSIDE, INSIDE),  # as an O, not a CN
        (other, OUTSIDE, INSIDE),
        (der.sequence(), INSIDE, OUTSIDE),  # all names begin with nothing
    ):
        trees = [general(DIRECTORY, base)]
        assert code(constraints(permitted=trees), []) is permitted
        assert code(constraints(excluded=trees), []) is excluded


def test_an_address_in_the_subject_counts() -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "i@a.example")])
    for base, expected in (("a.example", INSIDE), ("b.example", OUTSIDE)):
        limit = x509.NameConstraints([x509.RFC822Name(base)], None)
        above = certificate("Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, (limit, True)), serial=2)
        template = x509.load_der_x509_certificate(certificate("Leaf", "Middle", LEAF, MIDDLE))
        builder = x509.CertificateBuilder(
            issuer_name=template.issuer,
            subject_name=subject,
            public_key=template.public_key(),
            serial_number=7,
            not_valid_before=template.not_valid_before_utc,
            not_valid_after=template.not_valid_after_utc,
        )
        leaf = builder.sign(MIDDLE, SHA256).public_bytes(Encoding.DER)
        assert path_code(leaf, above) is expected


def test_an_address_in_utf8_is_an_address() -> None:
    """[RFC9598 6]: constraints on addresses bind it, and it is not read here."""
    kind, text = bytes.fromhex("06082b06010505070809"), der.tlv(0x0C, "弓@b.example".encode())
    own = general(OTHER_NAME, kind + der.tlv(0xA0, text))
    assert code(constraints(excluded=[general(EMAIL, "b.example")]), [own]) == UNCLEAR
    assert code(constraints(excluded=[general(DNS, "b.example")]), [own]) is INSIDE
    other = general(OTHER_NAME, bytes.fromhex("06022a03a0020500"))
    assert code(constraints(excluded=[general(EMAIL, "b.example")]), [other]) is INSIDE


@pytest.mark.parametrize("content", ["3000", "3002a000", "3004a000a100", "3009a10530038201610500"])
def test_constraints_of_another_form_are_refused(content: str) -> None:
    """[RFC5280 4.2.1.10]: an empty sequence MUST NOT be used; and something follows the two."""
    assert code(bytes.fromhex(content), []) == UNCLEAR


@pytest.mark.parametrize("tail", ["800101", "810101"])
def test_minimum_and_maximum_are_refused(tail: str) -> None:
    tree = der.sequence(general(DNS, "a.example"), bytes.fromhex(tail))
    value = der.sequence(der.tlv(0xA1, tree))
    assert code(value, [general(DNS, "b.example")]) == UNCLEAR


def _below(*limits: x509.NameConstraints, own: str) -> str | None:
    """Authorities one below the other, each with a limit; the last issues the leaf."""
    keys = [ROOT, MIDDLE, OTHER]
    chain = [
        certificate(
            f"A{at}" if at else "Middle", f"A{at - 1}" if at > 1 else ("Root", "Middle")[at],
            keys[at + 1], keys[at], (*AUTHORITY, (limit, True)), serial=2 + at,
        )
        for at, limit in enumerate(limits)
    ]  # fmt: skip
    alternative = x509.SubjectAlternativeName([x509.DNSName(own)])
    issuer = "Middle" if len(limits) == 1 else f"A{len(limits) - 1}"
    leaf = certificate("Leaf", issuer, LEAF, keys[len(limits)], (*HOLDER, (alternative, False)))
    return path_code(leaf, *chain)


def test_an_authority_may_narrow_and_not_widen() -> None:
    def permit(*hosts: str) -> x509.NameConstraints:
        return x509.NameConstraints([x509.DNSName(host) for host in hosts], None)

    narrow, wide = permit("b.a.example"), permit("a.example")
    for limits in ((wide, narrow), (narrow, wide)):
        assert _below(*limits, own="b.a.example") is INSIDE
        assert _below(*limits, own="c.a.example") == OUTSIDE
    assert _below(permit("a.example"), permit("b.example"), own="b.example") == OUTSIDE
    assert _below(permit("a.example", "b.example"), own="b.example") is INSIDE


def test_the_anchor_s_own_constraints_count() -> None:
    limit = x509.NameConstraints(None, [x509.DNSName("a.example")])
    root = certificate("Root", "Root", ROOT, ROOT, (*AUTHORITY, (limit, True)), serial=1)
    free = constraints(excluded=[general(DNS, "c.example")])
    assert code(free, [general(DNS, "a.example")], root=root) == OUTSIDE
    assert code(free, [general(DNS, "b.example")], root=root) is INSIDE


def test_self_issued_between_is_free_and_last_is_not() -> None:
    """[RFC5280 6.1.3 b]: its name is its issuer's own, unless it is the one asked about."""
    limit = x509.NameConstraints(None, [x509.DirectoryName(name("Middle"))])
    above = certificate("Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, (limit, True)), serial=2)
    again = certificate("Middle", "Middle", OTHER, MIDDLE, AUTHORITY, serial=3)
    leaf = certificate("Leaf", "Middle", LEAF, OTHER)
    assert path_code(leaf, above, again) is INSIDE
    assert path_code(again, above) == OUTSIDE


def test_an_authority_between_has_a_name_too() -> None:
    limit = x509.NameConstraints(None, [x509.DirectoryName(name("A1"))])
    above = certificate("Middle", "Root", MIDDLE, ROOT, (*AUTHORITY, (limit, True)), serial=2)
    between = certificate("A1", "Middle", OTHER, MIDDLE, AUTHORITY, serial=3)
    assert path_code(certificate("Leaf", "A1", LEAF, OTHER), above, between) == OUTSIDE


def test_a_wildcard_is_weighed_against_hosts_alone() -> None:
    hosts = [general(EMAIL, "secret.a.example"), general(DNS, "b.example")]
    assert code(constraints(excluded=hosts), [general(DNS, "*.a.example")]) is INSIDE


def test_a_thousand_names_under_a_thousand_constraints() -> None:
    """[x509-limbo] nc-dos: compared each with each, that would be a million comparisons."""
    bases = [general(DNS, f"h{n}.example") for n in range(1000)]
    names = [general(DNS, f"h{n}.test") for n in range(1000)]
    assert code(constraints(excluded=bases), names) is INSIDE
    assert code(constraints(excluded=bases), [*names, bases[-1]]) == OUTSIDE


# Names that are not of their form, with nothing that constrains them [RFC5280 4.2.1.6].
WRONG_NAMES = [
    (DNS, ""),
    (DNS, " "),
    (DNS, ".a.example"),
    (DNS, "a.example."),
    (DNS, "a..example"),
    (DNS, "a_b.example"),
    (DNS, "-a.example"),
    (DNS, "a-.example"),
    (DNS, "a.*.example"),
    (DNS, "b*.example"),
    (DNS, "*"),
    (DNS, "10.0.0.1"),
    (DNS, "\xfc.example"),
    (DNS, "a" * 64 + ".example"),
    (DNS, "a." * 126 + "ab"),
    (EMAIL, "a.example"),
    (EMAIL, "i@b@a.example"),
    (EMAIL, "@a.example"),
    (EMAIL, "i@"),
    (EMAIL, "i <i@a.example>"),
    (URI, "a.example/b"),
    (URI, "//a.example/b"),
    (ADDRESS, b"\x0a\0\0"),
    (ADDRESS, b""),
    (ADDRESS, network("10.0.0.0/8")),
    (DIRECTORY, b"\x05\0"),
    (DIRECTORY, b""),
    (REGISTERED, b""),
    (REGISTERED, b"\x2a\x83"),
]
RIGHT_NAMES = [
    (DNS, "xn--bliss-1b3c148a.example"),
    (DNS, "localhost"),
    (DNS, "1.a-2.example"),
    (DNS, "*.a.example"),
    (DNS, "a" * 63 + ".example"),
    (EMAIL, '"i b"@a.example'),
    (EMAIL, "i+b.c@[10.0.0.1]"),
    (URI, "urn:uuid:0"),
    (URI, "https://10.0.0.1/"),
    (ADDRESS, address("::1")),
    (DIRECTORY, der.sequence()),
    (REGISTERED, b"\x2a\x03"),
]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [(*row, MALFORMED) for row in WRONG_NAMES] + [(*row, INSIDE) for row in RIGHT_NAMES],
)
def test_the_form_of_a_name(form: int, text: str | bytes, expected: str | None) -> None:
    names = [general(REGISTERED, b"\x2a\x03"), general(form, text)]
    own = x509.UnrecognizedExtension(ALTERNATIVE, der.sequence(*names))
    middle = certificate("Middle", "Root", MIDDLE, ROOT, AUTHORITY, serial=2)
    leaf = certificate("Leaf", "Middle", LEAF, MIDDLE, (*HOLDER, (own, False)))
    assert path_code(leaf, middle) == expected


def test_no_names_at_all_are_not_of_any_form() -> None:
    own = x509.UnrecognizedExtension(ALTERNATIVE, der.sequence())
    middle = certificate("Middle", "Root", MIDDLE, ROOT, AUTHORITY, serial=2)
    leaf = certificate("Leaf", "Middle", LEAF, MIDDLE, (*HOLDER, (own, False)))
    assert path_code(leaf, middle) == MALFORMED
