# SPDX-License-Identifier: Apache-2.0
"""What may be asked of the general profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jpki.validation.ocsp_client import OcspClient
from jpki.validation.ocsp_store import OcspAnswer
from jpki.validation.policy import Preference, RevocationMode


@dataclass(frozen=True, slots=True)
class GeneralOptions:
    """``policies``: dotted OIDs the caller accepts; none = any. The next three are the inputs
    of [RFC5280 6.1.1]. ``weak_keys``: take RSA below 2048 bit, MD5 and SHA-1. ``partial``:
    an anchor need not be self-issued. ``at``: aware; None = now. ``client``: whom to ask over
    the network; None = nobody.

    ``max_age``: of revocation data. A list without cRLNumber is taken only with it, because
    otherwise an older list could stand in for a newer one unnoticed.
    """

    policies: tuple[str, ...] = ()
    explicit_policy: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False
    weak_keys: bool = False
    partial: bool = False
    revocation: RevocationMode = RevocationMode.REQUIRE
    preference: Preference = Preference.CRL
    max_age: timedelta | None = None
    at: datetime | None = None
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    ocsp: tuple[bytes | OcspAnswer, ...] = field(default=(), repr=False)
    client: OcspClient | None = None
