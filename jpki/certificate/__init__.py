# SPDX-License-Identifier: Apache-2.0
"""The JPKI certificate profile: names, attributes, policy, medium, generation."""

from __future__ import annotations

from jpki.certificate.certificate import Certificate, parse_certificate
from jpki.certificate.files import load_certificates, load_crls
from jpki.certificate.holder import Birth, Era, HolderAttributes, Sex
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.certificate.policy import PolicyRow, PolicyTable
from jpki.certificate.serial import RefKind, SerialRef
from jpki.dates import PartialDate

__all__ = [
    "Birth",
    "Certificate",
    "Environment",
    "Era",
    "Family",
    "HolderAttributes",
    "Medium",
    "PartialDate",
    "PolicyRow",
    "PolicyTable",
    "RefKind",
    "SerialRef",
    "Sex",
    "load_certificates",
    "load_crls",
    "parse_certificate",
]
