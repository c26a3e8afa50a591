# SPDX-License-Identifier: Apache-2.0
"""Certificates of the general profile, read by themselves: what is refused, what is in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from der_edit import Item, decode
from general_pki import LEAF, LEAF_DER, MIDDLE, Extensions, certificate, usage
from jpki.certificate import extensions
from jpki.errors import CertificateError
from jpki.validation.rfc5280.certificate import MAX_SIZE, read_certificate

Edit = Callable[[list[Item]], None]
# Places among the fields of a TBSCertificate.
VERSION, ISSUER, VALIDITY, SUBJECT, KEY, EXTENSIONS = 0, 3, 4, 5, 6, 7


def edited(*edits: Edit) -> bytes:
    """The leaf with other fields; who signed it is not asked here."""
    (whole,) = decode(LEAF_DER)
    for edit in edits:
        edit(whole.parts[0].parts)
    return whole.encode()


def _version(number: int | None) -> Edit:
    """None: not written, which is version 1. To be edited last, since places move."""

    def edit(fields: list[Item]) -> None:
        if number is None:
            del fields[VERSION]
        else:
            fields[VERSION].parts[0].value = bytes([number])

    return edit


def _unique(tag: int, value: bytes = b"\0\x01") -> Edit:
    """A unique identifier, after the key."""
    return lambda fields: fields.insert(EXTENSIONS, Item(tag, value))


def _no_extensions(fields: list[Item]) -> None:
    del fields[-1]


def _one_more(place: int, item: Item) -> Edit:
    return lambda fields: fields[place].parts.append(item)


def _attribute(place: int, oid: str, tag: int, value: bytes) -> Edit:
    """The one attribute of a name."""

    def edit(fields: list[Item]) -> None:
        kind, text = fields[place].parts[0].parts[0].parts
        kind.value, text.tag, text.value = bytes.fromhex(oid), tag, value

    return edit


COMMON_NAME, UNIQUE_ID = "550403", "55042d"
READ = [
    ("version 1", edited(_no_extensions, _version(None)), 1),
    ("version 2", edited(_no_extensions, _version(1)), 2),
    ("version 2 with identifiers", edited(_no_extensions, _unique(0x81), _version(1)), 2),
    ("version 3 with an identifier", edited(_unique(0x82)), 3),
    ("version 3", LEAF_DER, 3),
    # An x500UniqueIdentifier is bits, no text.
    ("a name of bits", edited(_attribute(SUBJECT, UNIQUE_ID, 3, b"\0\x01")), 3),
]
REFUSED = [
    ("version 1 with an identifier", edited(_no_extensions, _unique(0x82), _version(None))),
    ("version 1 with extensions", edited(_version(None))),
    ("version 2 with extensions", edited(_version(1))),
    ("version 1 written", edited(_no_extensions, _version(0))),
    ("version 4", edited(_version(3))),
    ("version -1", edited(_version(255))),
    ("an identifier that is no bits", edited(_unique(0x81, b"\x09\x01"))),
    ("an issuer that is no text", edited(_attribute(ISSUER, COMMON_NAME, 3, b"\0\x01"))),
    ("a subject that is no text", edited(_attribute(SUBJECT, COMMON_NAME, 3, b"\0\x01"))),
    ("three dates", edited(_one_more(VALIDITY, Item(0x17, b"300101000000Z")))),
    ("a key of three parts", edited(_one_more(KEY, Item(5)))),
]


@pytest.mark.parametrize(
    ("data", "version"), [row[1:] for row in READ], ids=[row[0] for row in READ]
)
def test_what_is_read(data: bytes, version: int) -> None:
    assert read_certificate(data).version == version


@pytest.mark.parametrize("data", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateError):
        read_certificate(data)


def test_nothing_stands_after_the_signature() -> None:
    (whole,) = decode(LEAF_DER)
    whole.parts.append(Item(5))
    with pytest.raises(CertificateError):
        read_certificate(whole.encode())


def _of_size(size: int) -> bytes:
    """A certificate of that many bytes, most of them in an extension nobody knows."""

    def with_content(count: int) -> bytes:
        content = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(count))
        return certificate("Leaf", "Middle", LEAF, MIDDLE, [(content, False)])

    beside = len(with_content(100_000)) - 100_000
    return with_content(size - beside)


def test_there_is_a_greatest_size() -> None:
    assert len(read_certificate(_of_size(MAX_SIZE)).der) == MAX_SIZE
    with pytest.raises(CertificateError) as refused:
        read_certificate(_of_size(MAX_SIZE + 1))
    assert refused.value.values["reason"] == "too_large"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), False),
        (((x509.BasicConstraints(ca=False, path_length=None), True),), False),
        (((x509.BasicConstraints(ca=True, path_length=None), True),), True),
    ],
)
def test_who_says_to_be_an_authority(given: Extensions, expected: bool) -> None:
    assert read_certificate(certificate("Leaf", "Middle", LEAF, MIDDLE, given)).is_ca is expected


def test_what_a_key_may_be_used_for() -> None:
    free = read_certificate(certificate("Leaf", "Middle", LEAF, MIDDLE, ()))
    bound = read_certificate(
        certificate("Leaf", "Middle", LEAF, MIDDLE, [(usage("crl_sign"), True)])
    )
    asked = (extensions.CRL_SIGN, extensions.KEY_CERT_SIGN, extensions.DIGITAL_SIGNATURE)
    assert [free.may(one) for one in asked] == [True, True, True]
    assert [bound.may(one) for one in asked] == [True, False, False]


def test_purposes_are_those_that_are_named() -> None:
    purpose = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
    named = read_certificate(certificate("Leaf", "Middle", LEAF, MIDDLE, [purpose]))
    assert named.purposes == (extensions.OCSP_SIGNING,)
    assert read_certificate(LEAF_DER).purposes == ()
