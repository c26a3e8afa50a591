# SPDX-License-Identifier: Apache-2.0
"""What a verification rests on: roots, CV keys, revocation data, and how strict to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.declaration import VerifierDeclaration
from jpki.validation.ocsp_client import OcspClient
from jpki.validation.policy import Preference, RevocationMode
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from jpki.verifying.issued import IssuerKey


@dataclass(frozen=True, slots=True)
class TrustMaterial:
    """Roots of one environment and what belongs to them.

    ``cv_keys``: CA keys of 券面 data, key id (16 bytes) to modulus and exponent. ``crls``:
    DER lists that come with the store (those of the test PKI). ``tsa``: DER of the time stamp
    authorities that belong to it. ``issuers``: keys of who issues documents there.
    """

    store: TrustStore
    cv_keys: Mapping[bytes, tuple[int, int]] = field(default_factory=dict, repr=False)
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    tsa: tuple[bytes, ...] = field(default=(), repr=False)
    issuers: tuple[IssuerKey, ...] = ()


@dataclass(frozen=True, slots=True)
class ValidationOptions:
    """How to validate. ``crls``, ``ocsp``, ``chain``: DER given by the caller. ``crl_store``:
    indexed lists.

    ``ocsp_client``: whom to ask over the network, None = nobody.
    ``at``: aware; None = now. ``max_age``: oldest revocation data accepted.
    """

    revocation: RevocationMode = RevocationMode.REQUIRE
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    crl_store: CrlIndexStore | None = None
    ocsp: tuple[bytes, ...] = field(default=(), repr=False)
    ocsp_client: OcspClient | None = None
    preference: Preference = Preference.CRL
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    max_age: timedelta | None = None
    at: datetime | None = None
    verifier: VerifierDeclaration | None = None

    def validator(self, trust: TrustMaterial) -> Validator:
        """A validator over ``trust``, to be loaded once and asked many times."""
        return Validator(
            trust.store,
            revocation=self.revocation,
            crls=(*trust.crls, *self.crls),
            crl_store=self.crl_store,
            ocsp=self.ocsp,
            ocsp_client=self.ocsp_client,
            preference=self.preference,
            chain=self.chain,
            max_age=self.max_age,
            at=self.at,
            verifier=self.verifier,
        )
