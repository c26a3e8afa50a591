# SPDX-License-Identifier: Apache-2.0
"""The invented fourth generation: P-384 with SHA-384, checked by cryptography."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from jpki.certificate.kinds import Family
from jpki.synth import EndEntityRequest, HolderData, SynthPki, stored_ec_key
from jpki.synth.people import nth_birthday

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ECDSA_SHA384 = "1.2.840.10045.4.3.3"
SHA1 = hashes.SHA1()  # what OCSP names certificates with


@pytest.fixture(scope="module")
def pki() -> SynthPki:
    return SynthPki(AT)


def leaf(pki: SynthPki, family: Family = Family.AUTH) -> bytes:
    birth = AT.date().replace(year=1980)
    holder = HolderData(name="番号　花子", address="東京都清瀬市", birth=birth, sex="2")
    key = stored_ec_key(f"nextgen-{family.value}").public_key()
    return pki.end_entity(
        EndEntityRequest(family=family, generation=4, public_key=key, holder=holder)
    )


def test_two_roots_beside_the_six(pki: SynthPki) -> None:
    assert len(pki.trust_anchors()) == 6
    assert len(pki.crls()) == 6 * len(pki.next_crls()) // 2
    assert [a.generation for a in pki.authorities()] == [1, 2, 3, 1, 2, 3]
    assert [(a.family, a.generation) for a in pki.next_authorities()] == [
        (Family.SIGN, 4), (Family.AUTH, 4),
    ]  # fmt: skip
    assert not set(pki.next_trust_anchors()) & set(pki.trust_anchors())
    with pytest.raises(KeyError):
        pki.ca_key(Family.SIGN, 4)  # an RSA key is promised there


@pytest.mark.parametrize("family", Family)
def test_root_is_p384_and_signs_itself(pki: SynthPki, family: Family) -> None:
    root = x509.load_der_x509_certificate(pki.ca_certificate(family, 4))
    key = root.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP384R1)
    assert root.signature_algorithm_oid.dotted_string == ECDSA_SHA384
    root.verify_directly_issued_by(root)
    older = x509.load_der_x509_certificate(pki.ca_certificate(family, 3))
    assert root.subject == older.subject
    assert root.not_valid_before_utc > older.not_valid_before_utc
    assert [e.oid for e in root.extensions] == [e.oid for e in older.extensions]


@pytest.mark.parametrize("family", Family)
def test_holders_certificate(pki: SynthPki, family: Family) -> None:
    certificate = x509.load_der_x509_certificate(leaf(pki, family))
    certificate.verify_directly_issued_by(
        x509.load_der_x509_certificate(pki.ca_certificate(family, 4))
    )
    assert certificate.signature_algorithm_oid.dotted_string == ECDSA_SHA384
    serial = pki.authority(family, 4).serial
    assert serial < certificate.serial_number < serial + 0x03000000 + 1
    assert leaf(pki, family) == leaf(SynthPki(AT), family)
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.authority_cert_serial_number == serial


def test_lists_are_signed_by_their_root(pki: SynthPki) -> None:
    roots = [
        x509.load_der_x509_certificate(der).public_key()
        for der in (*pki.next_trust_anchors(), *pki.trust_anchors())
    ]
    for der in pki.next_crls():
        crl = x509.load_der_x509_crl(der)
        fits = [crl.is_signature_valid(key) for key in roots]  # type: ignore[arg-type]
        assert sum(fits[:2]) == 1
        assert sum(fits[2:]) == 0


def test_revoked_serial_is_on_the_list(pki: SynthPki) -> None:
    own = SynthPki(AT)
    serial = x509.load_der_x509_certificate(leaf(own)).serial_number
    own.revoke(Family.AUTH, 4, "13221", serial, AT - timedelta(days=7), 4)
    crl = x509.load_der_x509_crl(own.crl(Family.AUTH, 4, "13221"))
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None
    assert crl.signature_algorithm_oid.dotted_string == ECDSA_SHA384
    untouched = x509.load_der_x509_crl(pki.crl(Family.AUTH, 4, "13221"))
    assert untouched.get_revoked_certificate_by_serial_number(serial) is None


@pytest.mark.parametrize("by", ["response", "request"])
def test_answer_by_a_p384_responder(pki: SynthPki, by: str) -> None:
    der = leaf(pki)
    certificate = x509.load_der_x509_certificate(der)
    issuer = x509.load_der_x509_certificate(pki.ca_certificate(Family.AUTH, 4))
    if by == "response":
        answer = ocsp.load_der_ocsp_response(pki.ocsp_response(der))
    else:
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1).build()
        answer = ocsp.load_der_ocsp_response(pki.ocsp_answer(request.public_bytes(Encoding.DER)))
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    responder = answer.certificates[0]
    responder.verify_directly_issued_by(issuer)
    key = responder.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(hashes.SHA384()))


@pytest.mark.parametrize(
    ("issued", "count", "birth", "end"),
    [
        ("2025-11-21", 5, "1980-02-17", "2030-02-17"),
        ("2025-11-21", 10, "1980-02-17", "2035-02-17"),
        ("2026-11-21", 5, "1980-11-21", "2031-11-21"),  # the day of issue is not «after»
        ("2026-11-21", 10, "1996-02-29", "2036-02-29"),
        ("2025-12-15", 10, "1980-12-01", "2035-12-01"),
        ("2025-11-15", 10, "1980-12-01", "2034-12-01"),
    ],
)
def test_later_birthdays(issued: str, count: int, birth: str, end: str) -> None:
    moment = datetime.fromisoformat(f"{issued}T02:00:00+00:00")
    found = nth_birthday(moment, date.fromisoformat(birth), count)
    assert found == datetime.fromisoformat(f"{end}T14:59:59+00:00")
