# SPDX-License-Identifier: Apache-2.0
"""Personalises the JPKI application: certificates, token information. Source: [MC] [MY] [OS]."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from jpki.card_map import JPKI_AP, Application, PinKind, TokenKind
from jpki.certificate.kinds import Family
from jpki.emulator import words
from jpki.emulator.build import Builder, files_of
from jpki.emulator.ecdsa import EcKey
from jpki.emulator.files import ApplicationImage, KeyUse, Once
from jpki.emulator.layout import padded
from jpki.emulator.profile import CertificateProfile
from jpki.emulator.refusal import refuse
from jpki.emulator.rsa import SigningKey
from jpki.errors import CardFileError
from jpki.synth import MUNICIPALITIES, EndEntityRequest, HolderData, card_key, stored_ec_key

# File sizes (bytes). Those of real cards are not published [inferred].
_SIGN_ALLOCATION = 3072
_AUTH_ALLOCATION = 2048
_CA_ALLOCATION = 1536
_PRESENT, _ABSENT = b"\x8f", b"\x00"


def jpki_application(builder: Builder, application: Application = JPKI_AP) -> ApplicationImage:
    """The application with every file of the card map, or of a layout of its own."""
    profile = builder.facts.profile
    own = {family: _own(profile.certificates[family]) for family in Family}
    contents = {
        "sign-certificate": lambda: _certificate_file(builder, Family.SIGN, own),
        "sign-ca-certificate": lambda: _ca_file(builder, Family.SIGN),
        "token-info": lambda: token_info(profile.token, builder.facts.card_number),
        "certificate-availability": lambda: _availability(builder),
        "auth-certificate": lambda: _certificate_file(builder, Family.AUTH, own),
        "auth-ca-certificate": lambda: _ca_file(builder, Family.AUTH),
    }
    ec_keys = {f"{family.value}-key": _ec_key(builder, family) for family in Family}
    keys = {f"{family.value}-key": _key(builder, family, own) for family in Family}
    uses = {"terminal-ca-key": KeyUse.NONE}
    files = files_of(builder, application, contents, keys, uses=uses, ec_keys=ec_keys)
    if profile.token is TokenKind.ANDROID or profile.token is TokenKind.IPHONE:
        # A phone gives its authentication certificate only after the PIN [MY issue 6].
        certificate = JPKI_AP.file("auth-certificate").fid
        pin = frozenset({JPKI_AP.pin_file(PinKind.AUTH).fid})
        files = [
            dataclasses.replace(file, opened_by=pin) if file.fid == certificate else file
            for file in files
        ]
    return ApplicationImage(
        application.name, application.aid, files, session_refusal=words.SECURITY_STATUS
    )


_Own = dict[Family, tuple[bytes, rsa.RSAPrivateKey] | None]


def _own(certificate: CertificateProfile) -> tuple[bytes, rsa.RSAPrivateKey] | None:
    """The user's own certificate and key, refused if a key of J-LIS stands behind it."""
    if certificate.file is None or certificate.key is None:
        return None
    der = _read(certificate.file)
    refuse(der)
    try:
        public = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        raise _error(certificate.file, "bad_certificate") from exc
    try:
        key = serialization.load_pem_private_key(_read(certificate.key), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise _error(certificate.key, "bad_key") from exc
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != 2048:
        raise _error(certificate.key, "bad_key")
    if public != key.public_key():
        raise _error(certificate.key, "contradiction")
    return der, key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise _error(path, "unreadable") from exc


def _error(path: Path, reason: str) -> CardFileError:
    return CardFileError(path=str(path), place="file", reason=reason)


def end_entity(builder: Builder, family: Family) -> bytes:
    """The DER certificate that the test PKI makes for this card."""
    facts, holder = builder.facts, builder.facts.profile.holder
    return builder.pki.end_entity(
        EndEntityRequest(
            family=family,
            public_key=_public_key(builder, family),
            generation=facts.generations[family],
            medium=facts.profile.medium,
            serial=facts.serials[family],
            not_before=facts.issued,
            not_after=facts.certificate_end,
            municipality=MUNICIPALITIES[facts.profile.municipality],
            holder=HolderData(
                name=holder.name,
                address=holder.address,
                birth=holder.birth,
                sex=holder.sex,
                name_flags=holder.name_flags,
                address_flags=holder.address_flags,
            ),
        )
    )


def _public_key(builder: Builder, family: Family) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """The key that the certificate names: RSA, or P-384 on a card with its own layout."""
    profile = builder.facts.profile
    if profile.layout is not None:
        return stored_ec_key(f"nextgen-{family.value}").public_key()
    return card_key(profile.slot, family.value).public_key()


def _certificate_file(builder: Builder, family: Family, own: _Own) -> bytes:
    allocation = _SIGN_ALLOCATION if family is Family.SIGN else _AUTH_ALLOCATION
    if not builder.facts.profile.certificates[family].present:
        return b"\xff" * allocation
    given = own[family]
    return padded(given[0] if given else end_entity(builder, family), allocation)


def _ca_file(builder: Builder, family: Family) -> bytes:
    generation = builder.facts.generations[family]
    return padded(builder.pki.ca_certificate(family, generation), _CA_ALLOCATION)


def _ec_key(builder: Builder, family: Family) -> Once[EcKey] | None:
    present = builder.facts.profile.certificates[family].present
    return builder.ec_key(family.value) if present else None


def _key(builder: Builder, family: Family, own: _Own) -> Once[SigningKey] | None:
    profile = builder.facts.profile
    if not profile.certificates[family].present or profile.layout is not None:
        return None
    given = own[family]
    if given:
        key = given[1]
        return Once(lambda: SigningKey(key))
    return builder.own_key(family.value)


def _availability(builder: Builder) -> bytes:
    """EF 0008: sign certificate, authentication certificate, and a byte nobody knows."""
    certificates = builder.facts.profile.certificates
    flags = (_PRESENT if certificates[family].present else _ABSENT for family in _ORDER)
    return b"".join(flags) + b"\x00"


_ORDER = (Family.SIGN, Family.AUTH)


def token_info(token: TokenKind, card_number: str) -> bytes:
    """EF 0006: CK_TOKEN_INFO of PKCS#11, big-endian, 160 bytes. TEST where cards differ."""
    return (
        token.value.encode("ascii").ljust(32)
        + b"JPKI-SYNTH TEST CARD".ljust(32)
        + b"TEST".ljust(16)
        + f"TEST{card_number[-12:]}".encode("ascii")
        + struct.pack(">5I", 0x040D, 1, 0, 1, 0)
        + struct.pack(">2I", 16, 6)
        + b"\xff" * 16
        + b"0301"
        + b"9" * 16
    )
