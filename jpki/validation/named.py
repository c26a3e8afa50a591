# SPDX-License-Identifier: Apache-2.0
"""A certificate that is not at hand, named well enough to ask whether it is revoked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from jpki.certificate.certificate import Certificate
from jpki.certificate.serial import SerialRef
from jpki.errors import CertificateError


@dataclass(frozen=True, slots=True)
class NamedCertificate:
    """What revocation data are looked up by, and nothing else of the certificate.

    ``issuer_der``, ``issuer_key_id``: name and key of the root that issued it. ``not_after``:
    aware. ``crl_distribution_point_names``: DER GeneralNames, as of :class:`Certificate`.
    """

    issuer_der: bytes = field(repr=False)
    issuer_key_id: bytes = field(repr=False)
    serial: SerialRef = field(repr=False)
    crl_distribution_point_names: tuple[bytes, ...] = field(repr=False)
    not_after: datetime


def name_of(certificate: Certificate) -> NamedCertificate:
    """What a certificate is named by. Raises CertificateError without its issuer's key id."""
    if certificate.aki is None or certificate.aki.key_id is None:
        raise CertificateError(reason="missing", field="authority_key_id")
    return NamedCertificate(
        certificate.issuer_der, certificate.aki.key_id, certificate.serial,
        certificate.crl_distribution_point_names, certificate.not_after,
    )  # fmt: skip


AskedAbout = Certificate | NamedCertificate
"""What a source of revocation data can be asked about."""
