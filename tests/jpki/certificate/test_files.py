# SPDX-License-Identifier: Apache-2.0
"""PEM and DER, as people hand them over."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from jpki.certificate import load_certificates, load_crls
from jpki.errors import CertificateError, RevocationDataError

Make = Callable[..., bytes]


def pem(label: str, data: bytes) -> bytes:
    body = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def test_der_is_taken_as_it_is(make: Make) -> None:
    assert load_certificates(make()) == [make()]


def test_pem_with_text_around_and_other_blocks(make: Make) -> None:
    data = b"# text\n" + pem("CERTIFICATE", make()) + pem("PUBLIC KEY", b"x") + b"more\r\n"
    data += pem("CERTIFICATE", b"second").replace(b"\n", b"\r\n")
    assert load_certificates(data) == [make(), b"second"]
    assert load_crls(pem("X509 CRL", b"crl")) == [b"crl"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no_certificate"),
        (b"text", "no_certificate"),
        (pem("PUBLIC KEY", b"x"), "no_certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "bad_pem"),
        (b"-----BEGIN CERTIFICATE-----\nA*AA\n-----END CERTIFICATE-----\n", "bad_pem"),
    ],
)
def test_neither(data: bytes, reason: str) -> None:
    with pytest.raises(CertificateError) as caught:
        load_certificates(data)
    assert caught.value.values["reason"] == reason


def test_no_crl() -> None:
    with pytest.raises(RevocationDataError) as caught:
        load_crls(b"text")
    assert caught.value.values["reason"] == "no_crl"
