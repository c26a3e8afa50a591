# SPDX-License-Identifier: Apache-2.0
"""Reading certificates: every fact of a good one, and refusal of every bad one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509

from jpki.certificate import Environment, Family, Medium, parse_certificate
from jpki.certificate.extensions import CLIENT_AUTH
from jpki.errors import CertificateError
from jpki.synth.extensions import Extension
from jpki.synth.keystore import stored_key
from jpki.synth.pki import SynthPki

Make = Callable[..., bytes]


def refusal(data: bytes) -> tuple[object, object]:
    with pytest.raises(CertificateError) as caught:
        parse_certificate(data)
    return caught.value.values["reason"], caught.value.values["field"]


def test_sign_certificate(make: Make) -> None:
    certificate = parse_certificate(make(Family.SIGN))
    assert certificate.family is Family.SIGN
    assert certificate.medium is Medium.CARD
    assert certificate.environment is Environment.TEST
    assert certificate.key_usage == frozenset({0, 1})
    assert certificate.extended_key_usage == ()
    assert certificate.policies == ("1.2.392.200149.8.5.1.1.20",)
    assert certificate.not_after == datetime(2030, 2, 17, 14, 59, 59, tzinfo=UTC)
    assert (certificate.key_algorithm, certificate.key_size) == ("RSA", 2048)
    assert certificate.ocsp_urls == ()
    assert certificate.holder is not None
    assert not certificate.is_ca


def test_auth_certificate(make: Make) -> None:
    certificate = parse_certificate(make(Family.AUTH, medium=Medium.PHONE))
    assert certificate.family is Family.AUTH
    assert certificate.medium is Medium.PHONE
    assert certificate.key_usage == frozenset({0})
    assert certificate.extended_key_usage == (CLIENT_AUTH,)
    assert certificate.ocsp_urls == ("http://ocspauthnorm.jpki.go.jp",)
    assert certificate.holder is None


@pytest.mark.parametrize("family", Family)
def test_agrees_with_cryptography(make: Make, family: Family) -> None:
    data = make(family)
    ours, theirs = parse_certificate(data), x509.load_der_x509_certificate(data)
    assert int.from_bytes(ours.serial.reveal(), "big") == theirs.serial_number
    assert ours.tbs == theirs.tbs_certificate_bytes
    assert ours.signature == theirs.signature
    assert ours.issuer_der == theirs.issuer.public_bytes()
    assert ours.subject_der == theirs.subject.public_bytes()
    assert ours.not_before == theirs.not_valid_before_utc
    assert ours.not_after == theirs.not_valid_after_utc
    assert ours.public_key == theirs.public_key()
    assert list(ours.extensions) == [e.oid.dotted_string for e in theirs.extensions]
    aki = theirs.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert ours.aki is not None
    assert ours.aki.serial is not None
    assert ours.aki.key_id == aki.key_identifier
    assert int.from_bytes(ours.aki.serial.reveal(), "big") == aki.authority_cert_serial_number


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("generation", [1, 2, 3])
def test_root(pki: SynthPki, family: Family, generation: int) -> None:
    certificate = parse_certificate(pki.ca_certificate(family, generation))
    assert certificate.is_ca
    assert certificate.aki is None
    assert certificate.subject_der == certificate.issuer_der
    assert certificate.holder is None
    assert certificate.key_id == certificate.ski


def test_every_truncation_is_refused(make: Make) -> None:
    data = make()
    for size in range(len(data)):
        assert refusal(data[:size])[0] == "truncated"


def test_every_damaged_header_byte_is_refused_or_changes_nothing_else(make: Make) -> None:
    """One byte off never raises anything but CertificateError."""
    data = make()
    refused = 0
    for place in range(0, len(data) - 256, 3):
        broken = bytearray(data)
        broken[place] ^= 0x41
        try:
            parse_certificate(bytes(broken))
        except CertificateError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("deviation", "reason", "field"),
    [
        ({"trailing": b"\x00"}, "trailing_bytes", "certificate"),
        ({"non_minimal_length": True}, "not_minimal", "certificate"),
        ({"explicit_false": True}, "default_encoded", "extensions"),
        ({"duplicate": "keyUsage"}, "duplicate_extension", "extensions"),
        ({"version": 1}, "version", "version"),
        ({"version": 2}, "version", "version"),
        ({"serial_content": b"\x00"}, "serial", "serial"),
        ({"serial_content": b"\x80\x01"}, "serial", "serial"),
        ({"serial_content": b"\x01" + b"\x00" * 20}, "serial", "serial"),
        ({"serial_content": b"\x00\x01"}, "not_minimal", "certificate"),
        ({"serial_content": b""}, "bad_integer", "certificate"),
        ({"inner_hash": "sha1"}, "algorithms_differ", "signature_algorithm"),
        ({"generalized_time": True}, "bad_time", "validity"),
        ({"values": {"keyUsage": b"\x03\x02\x06\x80"}}, "not_minimal", "key_usage"),
        ({"values": {"keyUsage": b"\x03\x01\x00"}}, "empty", "key_usage"),
        ({"values": {"keyUsage": b"\x03\x02\x07\x80\x00"}}, "trailing_bytes", "extensions"),
        ({"values": {"policies": b"\x30\x00"}}, "empty", "policies"),
        ({"values": {"crldp": b"\x30\x00"}}, "empty", "crl_points"),
        ({"values": {"crldp": b"\x30\x02\x30\x00"}}, "bad_point", "crl_points"),
        ({"values": {"aki": b"\x30\x03\x82\x01\x05"}}, "bad_authority_key_id", "authority_key_id"),
    ],
)
def test_refuses(make: Make, deviation: dict[str, object], reason: str, field: str) -> None:
    assert refusal(make(**deviation)) == (reason, field)


@pytest.mark.parametrize("content", [b"\x7f", b"\x00\x80", b"\x7f" + b"\xff" * 19])
def test_serials_up_to_twenty_octets(make: Make, content: bytes) -> None:
    assert parse_certificate(make(serial_content=content)).serial.reveal() == content


def test_too_many_extensions_and_too_large(make: Make) -> None:
    many = tuple(Extension(f"2.999.{n}", b"\x05\x00") for n in range(2, 40))
    assert refusal(make(extra=many)) == ("too_many", "extensions")
    large = Extension("2.999.2", b"\x04\x82\x7f\xff" + bytes(0x7FFF))
    assert refusal(make(extra=(large,))) == ("too_large", "certificate")


def test_not_a_certificate() -> None:
    assert refusal(b"")[0] == "truncated"
    assert refusal(b"-----BEGIN CERTIFICATE-----")[0] == "truncated"
    assert refusal(b"\x30\x00")[0] == "truncated"


def test_weak_key_is_read_and_measured(pki: SynthPki) -> None:
    from jpki.synth.end_entity import EndEntityRequest

    key = stored_key("weak-1024").public_key()
    data = pki.end_entity(EndEntityRequest(family=Family.AUTH, public_key=key))
    assert parse_certificate(data).key_size == 1024


def test_repr_shows_no_person(make: Make) -> None:
    certificate = parse_certificate(make())
    assert repr(certificate) == "<Certificate test sign card>"
    for part in (certificate.holder, certificate.subject, certificate.aki, certificate.issuer):
        shown = repr(part)
        assert "番号" not in shown
        assert "清瀬" not in shown
        assert "1980" not in shown
        assert "Kiyose" not in shown
    assert "hash" in repr(certificate.hash())


def test_errors_show_no_bytes(make: Make) -> None:
    data = make()
    at = data.index("番号".encode())
    broken = data[:at] + b"\xff" + data[at + 1 :]
    with pytest.raises(CertificateError) as caught:
        parse_certificate(broken)
    assert str(caught.value) == "certificate (reason=bad_text, field=extensions)"
    assert caught.value.__context__ is None or caught.value.__suppress_context__
