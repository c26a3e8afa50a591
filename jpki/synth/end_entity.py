# SPDX-License-Identifier: Apache-2.0
"""Holders' certificates, byte-compatible with the profile. Source: [AUTH-EE], [SIGN-DUMMY]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from jpki.certificate.kinds import Family, Medium
from jpki.synth import extensions as ext
from jpki.synth import names
from jpki.synth.authority import Authority
from jpki.synth.certificate import Fields, certificate
from jpki.synth.municipalities import KIYOSE, Municipality
from jpki.synth.overrides import Overrides
from jpki.synth.people import HolderData
from jpki.synth.signing import key_id, public_key_info

if TYPE_CHECKING:
    from jpki.synth.keystore import PublicKey

# The real policies: the profile is what is tested, O=JPKI-SYNTH tells the environment.
# Unverified: sign/phone is attributed to the profile by one secondary source; auth/phone is
# unknown and a number of ours in the right branch (card + 20, as in the sign family).
POLICIES: Mapping[tuple[Family, Medium], str] = {
    (Family.SIGN, Medium.CARD): "1.2.392.200149.8.5.1.1.20",
    (Family.SIGN, Medium.PHONE): "1.2.392.200149.8.5.1.1.40",
    (Family.AUTH, Medium.CARD): "1.2.392.200149.8.5.1.3.30",
    (Family.AUTH, Medium.PHONE): "1.2.392.200149.8.5.1.3.50",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndEntityRequest:
    """A certificate asked for. What is None is invented from the seed, and from the holder.

    ``municipality`` is who issued it and where its CRL is; a sign certificate needs
    ``holder`` (an auth certificate holds no attribute; its holder only sets the expiry).
    """

    family: Family
    public_key: PublicKey = field(repr=False)
    generation: int = 3
    medium: Medium = Medium.CARD
    serial: int | None = field(default=None, repr=False)
    not_before: datetime | None = None
    not_after: datetime | None = None
    municipality: Municipality = KIYOSE
    holder: HolderData | None = field(default=None, repr=False)
    subject_cn: str | None = field(default=None, repr=False)
    overrides: Overrides = field(default_factory=Overrides, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A request whose gaps are filled: what ``end_entity`` needs."""

    request: EndEntityRequest
    authority: Authority
    policy: str
    serial: int = field(repr=False)
    not_before: datetime
    not_after: datetime
    subject_cn: str = field(repr=False)


def end_entity(issue: Issue) -> bytes:
    """DER of the certificate."""
    request, wrong = issue.request, issue.request.overrides
    issuer_name, issuer_key_id, issuer_serial = _issuer(issue.authority, wrong)
    aki = ext.authority_key_id(
        issuer_key_id if wrong.aki_key_id is None else wrong.aki_key_id,
        wrong.aki_issuer or issuer_name,
        issuer_serial if wrong.aki_serial is None else wrong.aki_serial,
    )
    if request.family is Family.AUTH:
        subject = names.auth_subject(issue.subject_cn)
    else:
        subject = names.sign_subject(request.municipality, issue.subject_cn)
    fields = Fields(
        serial=issue.serial,
        issuer=issuer_name,
        not_before=issue.not_before,
        not_after=issue.not_after,
        subject=subject,
        public_key_info=public_key_info(request.public_key),
        extensions=_extensions(issue, aki),
    )
    return certificate(fields, issue.authority.key(), wrong)


def _extensions(issue: Issue, aki: ext.Extension) -> tuple[ext.Extension, ...]:
    """All extensions in the order of the profile; auth and sign differ in four of them."""
    request, wrong = issue.request, issue.request.overrides
    family, place = request.family, wrong.partition or request.municipality
    is_auth = family is Family.AUTH
    japanese_name = names.general_names(names.japanese_name(family))
    return (
        *(_auth_usage() if is_auth else _sign_usage(request)),
        ext.policies(wrong.policy or issue.policy),
        ext.Extension("issuerAltName", japanese_name),
        ext.distribution_point(names.crldp_name(family, place, issue.authority.organisation)),
        *([ext.authority_info_access()] if is_auth else []),
        aki,
        ext.subject_key_id(key_id(request.public_key)),
    )


def _auth_usage() -> list[ext.Extension]:
    return [ext.key_usage(b"\x80", 7), ext.extended_key_usage(ext.CLIENT_AUTH)]


def _sign_usage(request: EndEntityRequest) -> list[ext.Extension]:
    if request.holder is None:
        raise ValueError("a sign certificate needs a holder")
    texts = {**request.holder.attributes(), **request.overrides.san_texts}
    attributes = ext.attributes(texts, request.overrides.san_order)
    return [ext.key_usage(b"\xc0", 6), attributes]


def _issuer(authority: Authority, wrong: Overrides) -> tuple[bytes, bytes, int]:
    """Name, key id and serial of the issuer: the root's, or those of the given certificate."""
    if wrong.issuer_certificate is None:
        return authority.name, authority.key_id, authority.serial
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_der_x509_certificate

    issuer = load_der_x509_certificate(wrong.issuer_certificate)
    public_key = issuer.public_key()
    assert isinstance(public_key, RSAPublicKey | EllipticCurvePublicKey)
    return issuer.subject.public_bytes(), key_id(public_key), issuer.serial_number
