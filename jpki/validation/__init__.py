# SPDX-License-Identifier: Apache-2.0
"""Trust stores, path, profile and revocation of JPKI certificates. No network, no files.

A name is loaded when it is first used: who checks one certificate against a list does not
wait for the OCSP client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jpki.validation.crl import Crl, parse_crl
    from jpki.validation.crl_facts import NumberMemory
    from jpki.validation.crl_store import CrlStore, ProcessMemory
    from jpki.validation.declaration import VerifierDeclaration, VerifierRole
    from jpki.validation.ocsp_client import OcspClient, OcspTimes, OcspUnavailableError
    from jpki.validation.ocsp_request import RequestSigner, build_ocsp_request
    from jpki.validation.ocsp_store import OcspAnswer
    from jpki.validation.policy import Preference, RevocationMode
    from jpki.validation.trust import PINS, Anchor, RootPin, TrustRootError, TrustStore
    from jpki.validation.validator import Validator
else:
    _PLACES: Final = {
        "Crl": "crl",
        "parse_crl": "crl",
        "CrlStore": "crl_store",
        "NumberMemory": "crl_facts",
        "ProcessMemory": "crl_store",
        "VerifierDeclaration": "declaration",
        "VerifierRole": "declaration",
        "OcspClient": "ocsp_client",
        "OcspTimes": "ocsp_client",
        "OcspUnavailableError": "ocsp_client",
        "RequestSigner": "ocsp_request",
        "build_ocsp_request": "ocsp_request",
        "OcspAnswer": "ocsp_store",
        "Preference": "policy",
        "RevocationMode": "policy",
        "PINS": "trust",
        "Anchor": "trust",
        "RootPin": "trust",
        "TrustRootError": "trust",
        "TrustStore": "trust",
        "Validator": "validator",
    }

    def __getattr__(name: str) -> object:
        """The name of that module, from now on here too."""
        from importlib import import_module

        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
        return found


__all__ = [
    "PINS",
    "Anchor",
    "Crl",
    "CrlStore",
    "NumberMemory",
    "OcspAnswer",
    "OcspClient",
    "OcspTimes",
    "OcspUnavailableError",
    "Preference",
    "ProcessMemory",
    "RequestSigner",
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
