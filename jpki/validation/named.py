# SPDX-License-Identifier: Apache-2.0
"""A certificate that is not at hand, named well enough to ask whether it is revoked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from jpki.certificate.certificate import Certificate
from jpki.certificate.serial import SerialRef


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


AskedAbout = Certificate | NamedCertificate
"""What a source of revocation data can be asked about."""
