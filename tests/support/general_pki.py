# SPDX-License-Identifier: Apache-2.0
"""A small hierarchy of no country, its lists and its answers, to be damaged by tests.

Made with ``cryptography``, so that what is tested did not also make it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponderEncoding, OCSPResponseBuilder
from cryptography.x509.oid import NameOID

from der_edit import Item, resigned_answer
from jpki.synth.keystore import stored_key

AT = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT, MIDDLE, LEAF, OTHER = (
    stored_key(name) for name in ("card-00-auth", "card-00-sign", "card-01-auth", "card-01-sign")
)
SHA256 = hashes.SHA256()
Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def name(text: str) -> x509.Name:
    """A name of one CN; an empty text is an empty name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def usage(*allowed: str) -> x509.KeyUsage:
    """KeyUsage with those bits."""
    bits = (
        "digital_signature content_commitment key_encipherment data_encipherment "
        "key_agreement key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{bit: bit in allowed for bit in bits.split()})


AUTHORITY: Extensions = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (usage("key_cert_sign", "crl_sign"), True),
)
HOLDER: Extensions = ((usage("digital_signature"), True),)


def certificate(
    subject: str,
    issuer: str,
    key: RSAPrivateKey,
    signer: RSAPrivateKey,
    extensions: Extensions = HOLDER,
    *,
    serial: int = 7,
    begin: datetime = AT - 30 * DAY,
    end: datetime = AT + 30 * DAY,
) -> bytes:
    """DER of a certificate."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, SHA256).public_bytes(Encoding.DER)


def crl(
    issuer: str = "Middle",
    signer: RSAPrivateKey = MIDDLE,
    *,
    revoked: Sequence[int] = (),
    number: int | None = 1,
    extra: Extensions = (),
    entry_extra: Extensions = (),
    this_update: datetime = AT - DAY,
    next_update: datetime = AT + DAY,
) -> bytes:
    """DER of a list."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name(issuer))
        .last_update(this_update)
        .next_update(next_update)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(AT - 2 * DAY)
        for extension, critical in entry_extra:
            entry = entry.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(signer, SHA256).public_bytes(Encoding.DER)


def answer(
    certificate_der: bytes,
    issuer_der: bytes,
    signer: RSAPrivateKey,
    status: OCSPCertStatus = OCSPCertStatus.GOOD,
    enclosed: bytes | None = None,
) -> bytes:
    """DER of an OCSP answer, by the issuer or by the certificate enclosed."""
    revoked = status is OCSPCertStatus.REVOKED
    responder = x509.load_der_x509_certificate(enclosed or issuer_der)
    builder = OCSPResponseBuilder().add_response(
        x509.load_der_x509_certificate(certificate_der),
        x509.load_der_x509_certificate(issuer_der),
        hashes.SHA1(),
        status,
        AT - DAY,
        AT + DAY,
        AT - 2 * DAY if revoked else None,
        None,
    )
    builder = builder.responder_id(OCSPResponderEncoding.HASH, responder)
    if enclosed is not None:
        builder = builder.certificates([responder])
    data = builder.sign(signer, SHA256).public_bytes(Encoding.DER)
    return resigned_answer(data, signer, _produced_then)


def _produced_then(whole: Item) -> None:
    """The library writes the real time into producedAt."""
    whole.parts[0].parts[1].value = f"{AT:%Y%m%d%H%M%SZ}".encode()


ROOT_DER = certificate("Root", "Root", ROOT, ROOT, AUTHORITY, serial=1)
MIDDLE_DER = certificate("Middle", "Root", MIDDLE, ROOT, AUTHORITY, serial=2)
LEAF_DER = certificate("Leaf", "Middle", LEAF, MIDDLE)
ROOT_CRL = crl("Root", ROOT)
