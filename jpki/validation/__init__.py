# SPDX-License-Identifier: Apache-2.0
"""Trust stores, path, profile and revocation of JPKI certificates. No network, no files."""

from __future__ import annotations

from jpki.validation.crl import Crl, parse_crl
from jpki.validation.crl_store import CrlStore, NumberMemory, ProcessMemory
from jpki.validation.declaration import VerifierDeclaration, VerifierRole
from jpki.validation.ocsp_client import OcspClient, OcspTimes, OcspUnavailableError
from jpki.validation.ocsp_request import RequestSigner, build_ocsp_request
from jpki.validation.ocsp_store import OcspAnswer
from jpki.validation.policy import Preference, RevocationMode
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
    "OcspClient",
    "OcspTimes",
    "OcspUnavailableError",
    "Preference",
    "RequestSigner",
    "build_ocsp_request",
    "parse_crl",
]
