# SPDX-License-Identifier: Apache-2.0
"""Trust stores, path, profile and revocation of JPKI certificates. No network, no files."""

from __future__ import annotations

from jpki.validation.crl import Crl, parse_crl
from jpki.validation.crl_store import CrlStore, NumberMemory, ProcessMemory
from jpki.validation.declaration import VerifierDeclaration, VerifierRole
from jpki.validation.ocsp_store import OcspAnswer, build_ocsp_request
from jpki.validation.policy import RevocationMode
from jpki.validation.trust import PINS, Anchor, RootPin, TrustRootError, TrustStore
from jpki.validation.validator import Validator

__all__ = [
    "PINS",
    "Anchor",
    "Crl",
    "CrlStore",
    "NumberMemory",
    "OcspAnswer",
    "ProcessMemory",
    "RevocationMode",
    "RootPin",
    "TrustRootError",
    "TrustStore",
    "Validator",
    "VerifierDeclaration",
    "VerifierRole",
    "build_ocsp_request",
    "parse_crl",
]
