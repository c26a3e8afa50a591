# SPDX-License-Identifier: Apache-2.0
"""OCSP in the general profile: whose answer counts, and for which certificate it is one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from der_edit import RSA_SHA1, Item, algorithm, decode, resigned_answer
from general_checks import status
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
    Extensions,
    answer,
    certificate,
    crl,
    usage,
)
from jpki.synth.keystore import stored_key
from jpki.validation.policy import Preference

Edit = Callable[[Item], None]
GOOD = ("valid", "ocsp_good")
SECOND = timedelta(seconds=1)
SERIAL = 90


def cannot(code: str) -> tuple[str, str]:
    return "cannot_tell", f"ocsp_{code}"


def said(data: bytes, *, middle: bytes = MIDDLE_DER, **more: Any) -> tuple[str, str]:
    """What the check of revocation says of the leaf with this one answer at hand."""
    return status(chain=(middle,), ocsp=(data,), **more)


# Which certificate is meant [RFC6960 4.1.1]: every part of its name in the answer counts.


def _named(edit: Callable[[list[Item]], None]) -> bytes:
    """A good answer whose CertID (hash, hash of name, hash of key, serial) is another."""

    def edited(whole: Item) -> None:
        edit(whole.parts[0].parts[2].parts[0].parts[0].parts)

    return resigned_answer(answer(LEAF_DER, MIDDLE_DER, MIDDLE), MIDDLE, edited)


def _in_sha256(parts: list[Item]) -> None:
    middle = x509.load_der_x509_certificate(MIDDLE_DER)
    bits = decode(MIDDLE_DER)[0].parts[0].parts[6].parts[1].value[1:]
    parts[0].parts[0].value = bytes.fromhex("608648016503040201")
    parts[1].value = hashlib.sha256(middle.subject.public_bytes()).digest()
    parts[2].value = hashlib.sha256(bits).digest()


def _value(place: int, value: bytes) -> Callable[[list[Item]], None]:
    def edit(parts: list[Item]) -> None:
        parts[place].value = value

    return edit


def _unknown_hash(parts: list[Item]) -> None:
    parts[0].parts[0].value = bytes.fromhex("608648016503040203")


SIBLING = certificate("Sibling", "Middle", LEAF, MIDDLE, serial=8)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (_named(_in_sha256), GOOD),
        (answer(SIBLING, MIDDLE_DER, MIDDLE), cannot("other_certificate")),
        (_named(_value(3, b"\x08")), cannot("other_certificate")),
        (_named(_value(1, bytes(20))), cannot("other_certificate")),
        (_named(_value(2, bytes(20))), cannot("other_certificate")),
        (_named(_unknown_hash), cannot("other_certificate")),
    ],
    ids=["SHA-256", "sibling", "serial", "name", "key", "unknown hash"],
)
def test_an_answer_is_about_one_certificate(data: bytes, wanted: tuple[str, str]) -> None:
    assert said(data) == wanted


# Who may answer in the issuer's place [RFC6960 4.2.2.2].

FOR_OCSP = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
NO_CHECK = (x509.OCSPNoCheck(), False)
PLACE = x509.UniformResourceIdentifier("http://revocation.example/")
POINT = (x509.CRLDistributionPoints([x509.DistributionPoint([PLACE], None, None, None)]), False)
OCSP_PLACE = (
    x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, PLACE)]
    ),
    False,
)
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True)
OTHER_NAME = (x509.SubjectAlternativeName([x509.DNSName("ocsp.example")]), True)
AN_AUTHORITY = (x509.BasicConstraints(ca=True, path_length=None), True)
RESPONDER: Extensions = (*HOLDER, FOR_OCSP, NO_CHECK)


def delegated(
    extensions: Extensions = RESPONDER,
    issuer: str = "Middle",
    key: RSAPrivateKey = OTHER,
    signer: RSAPrivateKey | None = None,
    begin: datetime = AT - DAY,
    end: datetime = AT + DAY,
) -> bytes:
    """A good answer by somebody with such a certificate; ``signer``: who signed it instead."""
    enclosed = certificate(
        "Responder", issuer, key, MIDDLE, extensions, serial=SERIAL, begin=begin, end=end
    )
    given = answer(LEAF_DER, MIDDLE_DER, key, enclosed=enclosed)
    return resigned_answer(given, signer or key, lambda _: None)


def _by_another_name(whole: Item) -> None:
    whole.parts[0].parts[0].parts[0].value = bytes(20)


RESPONDERS = [
    ("all right", delegated(), GOOD),
    ("any key usage", delegated((FOR_OCSP, NO_CHECK)), GOOD),
    ("signed by another", delegated(signer=ROOT), cannot("signature")),
    (
        "not the one that is named",
        resigned_answer(delegated(), OTHER, _by_another_name),
        cannot("responder"),
    ),
    ("of another issuer's name", delegated(issuer="Root"), cannot("responder")),
    ("unknown critical extension", delegated((*RESPONDER, UNKNOWN)), cannot("responder")),
    ("critical other name", delegated((*RESPONDER, OTHER_NAME)), cannot("responder")),
    (
        "not for signatures",
        delegated(((usage("key_encipherment"), True), FOR_OCSP, NO_CHECK)),
        cannot("responder"),
    ),
    ("an authority", delegated((*RESPONDER, AN_AUTHORITY)), cannot("responder")),
    ("from that second on", delegated(begin=AT), GOOD),
    ("up to that second", delegated(end=AT), GOOD),
    ("too early", delegated(begin=AT + SECOND), cannot("responder")),
    ("too late", delegated(end=AT - SECOND), cannot("responder")),
]


@pytest.mark.parametrize(
    ("data", "wanted"), [row[1:] for row in RESPONDERS], ids=[row[0] for row in RESPONDERS]
)
def test_who_answers_in_the_place_of_the_issuer(data: bytes, wanted: tuple[str, str]) -> None:
    assert said(data) == wanted


# Nocheck, or no source of revocation named: then there is nothing to be found out.
CHECKED: Extensions = (*HOLDER, FOR_OCSP)


@pytest.mark.parametrize(
    ("extensions", "revoked", "wanted"),
    [
        (CHECKED, None, GOOD),
        ((*CHECKED, NO_CHECK, POINT), None, GOOD),
        ((*CHECKED, NO_CHECK, OCSP_PLACE), None, GOOD),
        ((*CHECKED, POINT), None, cannot("responder")),
        ((*CHECKED, OCSP_PLACE), None, cannot("responder")),
        ((*CHECKED, OCSP_PLACE), (), ("valid", "crl_good")),
        ((*CHECKED, OCSP_PLACE), (SERIAL,), ("cannot_tell", "one_source_only")),
    ],
)
def test_a_responder_that_has_to_be_checked_is_checked(
    extensions: Extensions, revoked: tuple[int, ...] | None, wanted: tuple[str, str]
) -> None:
    """[RFC6960 4.2.2.2.1]. With a list at hand, both sources have to say good of the leaf."""
    lists = () if revoked is None else (crl(revoked=revoked),)
    preference = Preference.BOTH if lists else Preference.CRL
    assert said(delegated(extensions), crls=lists, preference=preference) == wanted


# What an answer is signed with, and when it was made.


OWN = answer(LEAF_DER, MIDDLE_DER, MIDDLE)


@pytest.mark.parametrize(
    ("data", "usual", "with_weak_keys"),
    [
        (OWN, GOOD, GOOD),
        (resigned_answer(OWN, MIDDLE, algorithm(RSA_SHA1), SHA1()), cannot("signature"), GOOD),
        (delegated(key=stored_key("weak-1024")), cannot("signature"), GOOD),
        (
            resigned_answer(OWN, MIDDLE, algorithm(b"\x2a\x03\x04")),
            cannot("signature"),
            cannot("signature"),
        ),
    ],
    ids=["usual", "SHA-1", "RSA of 1024 bit", "unknown algorithm"],
)
def test_weak_signatures_have_to_be_asked_for(
    data: bytes, usual: tuple[str, str], with_weak_keys: tuple[str, str]
) -> None:
    assert said(data) == usual
    assert said(data, weak_keys=True) == with_weak_keys


@pytest.mark.parametrize(
    ("begin", "end", "wanted"),
    [
        (AT, AT, GOOD),
        (AT + SECOND, AT + DAY, cannot("responder")),
        (AT - DAY, AT - SECOND, cannot("responder")),
    ],
)
def test_an_answer_is_of_the_time_of_the_issuer(
    begin: datetime, end: datetime, wanted: tuple[str, str]
) -> None:
    middle = certificate("Middle", "Root", MIDDLE, ROOT, AUTHORITY, begin=begin, end=end)
    assert said(OWN, middle=middle) == wanted
