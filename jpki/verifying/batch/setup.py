# SPDX-License-Identifier: Apache-2.0
"""All that a process of its own needs to come to the same verdicts: bytes, so that it travels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from jpki.certificate.kinds import Environment
from jpki.validation.crl_index import CrlIndexStore
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from jpki.verifying.material import TrustMaterial, ValidationOptions


@dataclass(frozen=True, slots=True)
class BatchSetup:
    """``signers``: DER or PEM certificates by the name that rows call them. ``options.at``
    should be set, so that all rows are judged at one moment however long the run takes.
    ``crl_store``: folder of indexed lists; each process maps it anew, so it holds them once."""

    environment: Environment
    anchors: tuple[bytes, ...] = field(repr=False)
    crls: tuple[bytes, ...] = field(repr=False)
    options: ValidationOptions
    signers: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    crl_store: Path | None = None

    @classmethod
    def of(
        cls,
        trust: TrustMaterial,
        options: ValidationOptions,
        signers: Mapping[str, bytes] | None = None,
    ) -> BatchSetup:
        """From what the other verifications take. Raises ValueError for an OCSP client: what
        a million rows ask is not asked over a network."""
        if options.ocsp_client is not None:
            raise ValueError("a batch asks no responder")
        anchors = tuple(anchor.certificate.der for anchor in trust.store.anchors)
        store = options.crl_store.path if options.crl_store is not None else None
        options = replace(options, crl_store=None)
        environment = trust.store.environment
        return cls(environment, anchors, trust.crls, options, dict(signers or {}), store)

    def validator(self) -> Validator:
        """A validator, loaded anew. Raises CrlStoreError."""
        trust = TrustMaterial(TrustStore(self.environment, self.anchors), crls=self.crls)
        if self.crl_store is None:
            return self.options.validator(trust)
        store = CrlIndexStore(self.crl_store)
        return replace(self.options, crl_store=store).validator(trust)

    def digest(self) -> str:
        """The same for the same setup, whatever process asks: it tells two runs apart."""
        options = self.options
        verifier = options.verifier
        facts = [
            self.environment.value,
            *map(_digest, (self.anchors, self.crls, options.crls, options.chain, options.ocsp)),
            [(name, hashlib.sha256(der).digest()) for name, der in sorted(self.signers.items())],
            (options.revocation.value, options.preference.value, str(options.max_age)),
            str(options.at),
            sorted(verifier.roles) if verifier else None,
            str(self.crl_store),
        ]
        return hashlib.sha256(repr(facts).encode()).hexdigest()


def _digest(parts: tuple[bytes, ...]) -> list[bytes]:
    return [hashlib.sha256(part).digest() for part in parts]
