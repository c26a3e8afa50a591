# SPDX-License-Identifier: Apache-2.0
"""Names and subtrees by themselves: what cannot be compared never gets a key."""

from __future__ import annotations

import pytest

from jpki.certificate import der
from jpki.certificate.encode import tlv
from jpki.validation.rfc5280.subject_names import (
    ADDRESS,
    DIRECTORY,
    DNS,
    EDI,
    EMAIL,
    OTHER,
    REGISTERED,
    URI,
    X400,
    name_keys,
    subtree_key,
    wildcard_host,
)

COMMON_NAME = tlv(0x06, b"\x55\x04\x03")
NO_TEXT = tlv(0x30, tlv(0x31, tlv(0x30, COMMON_NAME, tlv(0x80, b"abc"))))


def node(form: int, value: bytes) -> der.Node:
    return der.whole(tlv(form, value), form)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (DNS, b"a_b.example"),
        (DNS, b".a.example"),
        (DNS, b""),
        (EMAIL, b"a.example"),
        (URI, b"urn:a.example"),
        (ADDRESS, b"\x0a\x00\x00"),
        (ADDRESS, b""),
        (OTHER, b"\x06\x01\x2a"),
        (X400, b""),
        (EDI, b""),
        (REGISTERED, b"\x2a\x03"),
    ],
)
def test_a_name_that_cannot_be_compared_has_no_keys(form: int, value: bytes) -> None:
    assert name_keys(form, node(form, value)) is None


def test_an_address_in_utf8_has_no_keys() -> None:
    other = node(OTHER, tlv(0x06, b"\x2b") + tlv(0xA0, tlv(0x0C, b"i@a.example")))
    assert name_keys(EMAIL, other) is None
    assert name_keys(EMAIL, node(EMAIL, b"i@a.example")) is not None


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (0x80, b"a.example"),
        (0x89, b"a.example"),
        (0x30, b""),
        (ADDRESS, b"\x0a\x00\x00\x00"),
        (DIRECTORY, b""),
        (DIRECTORY, b"\x05\x00"),
        (DIRECTORY, NO_TEXT),
    ],
)
def test_a_subtree_that_is_not_of_its_form_is_refused(form: int, value: bytes) -> None:
    with pytest.raises(der.DerError):
        subtree_key(node(form, value))


def test_only_a_host_name_is_a_wildcard() -> None:
    assert wildcard_host(node(DNS, b"*.A.example")) == "a.example"
    assert wildcard_host(node(DNS, b"a.example")) is None
    # 42.46.97.98, whose bytes would read «*.ab».
    assert wildcard_host(node(ADDRESS, b"*.ab")) is None
