# SPDX-License-Identifier: Apache-2.0
"""All that a process of its own needs to come to the same verdicts: bytes, so that it travels."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

from jpki.certificate.kinds import Environment
from jpki.validation.trust import TrustStore
from jpki.validation.validator import Validator
from jpki.verifying.material import TrustMaterial, ValidationOptions


@dataclass(frozen=True, slots=True)
class BatchSetup:
    """``signers``: DER certificates by the name that rows call them. ``options.at`` should be
    set, so that all rows are judged at one moment however long the run takes."""

    environment: Environment
    anchors: tuple[bytes, ...] = field(repr=False)
    crls: tuple[bytes, ...] = field(repr=False)
    options: ValidationOptions
    signers: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        trust: TrustMaterial,
        options: ValidationOptions,
        signers: Mapping[str, bytes] | None = None,
    ) -> BatchSetup:
        """From what the other verifications take."""
        anchors = tuple(anchor.certificate.der for anchor in trust.store.anchors)
        return cls(trust.store.environment, anchors, trust.crls, options, dict(signers or {}))

    def validator(self) -> Validator:
        """A validator, loaded anew."""
        store = TrustStore(self.environment, self.anchors)
        return self.options.validator(TrustMaterial(store, crls=self.crls))

    def digest(self) -> str:
        """The same for the same setup, whatever process asks: it tells two runs apart."""
        return hashlib.sha256(pickle.dumps(self, protocol=5)).hexdigest()
