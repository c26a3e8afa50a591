# SPDX-License-Identifier: Apache-2.0
"""Deviations: everything a test may want to be wrong about a certificate or a CRL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from jpki.synth.extensions import Extension
from jpki.synth.municipalities import Municipality

if TYPE_CHECKING:
    from jpki.synth.keystore import PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """How a certificate is to differ from the profile. The default differs in nothing.

    Extensions are named as in ``extensions.OIDS``; ``values`` are whole extnValue contents.
    ``signer`` is a key or the name of a stored one; without ``signature_hash`` it signs with
    the hash that is usual for its kind. ``issuer_certificate`` (DER) makes that
    certificate the issuer on paper: its subject, key id and serial; it needs ``signer`` too.
    """

    # extensions
    policy: str | None = None
    key_usage: bytes | None = None
    values: Mapping[str, bytes] = field(default_factory=dict)
    critical: Mapping[str, bool] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    duplicate: str | None = None
    order: tuple[str, ...] | None = None
    extra: tuple[Extension, ...] = ()
    extra_critical: bool = False
    aki_key_id: bytes | None = None
    aki_issuer: bytes | None = None
    aki_serial: int | None = None
    partition: Municipality | None = None
    san_order: tuple[int, ...] = (1, 4, 3, 5, 2, 6)
    san_texts: Mapping[int, str] = field(default_factory=dict, repr=False)
    # fields
    version: int = 3
    serial_content: bytes | None = None
    issuer: bytes | None = None
    subject: bytes | None = field(default=None, repr=False)
    generalized_time: bool = False
    # signature
    signer: PrivateKey | str | None = None
    issuer_certificate: bytes | None = field(default=None, repr=False)
    signature_hash: str | None = None
    inner_hash: str | None = None
    damage_signature: bool = False
    # encoding
    non_minimal_length: bool = False
    explicit_false: bool = False
    trailing: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlOverrides:
    """How a CRL is to differ from the profile. ``scope``: user, ca, attribute or both.

    ``partition`` is the municipality the issuing distribution point names instead of the
    asked one. ``only_some_reasons`` are the octets of ReasonFlags (7 unused bits not cut).
    """

    scope: str | None = None
    partition: Municipality | None = None
    idp_absent: bool = False
    idp_name_absent: bool = False
    idp_critical: bool = True
    only_some_reasons: bytes | None = None
    indirect: bool = False
    delta_base: int | None = None
    number: int | None = None
    number_absent: bool = False
    aki_key_id: bytes | None = None
    aki_absent: bool = False
    extra_critical: bool = False
    entry_extra_critical: bool = False
    version: int = 2
    issuer: bytes | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    next_update_absent: bool = False
    signer: PrivateKey | str | None = None
    signature_hash: str | None = None
    damage_signature: bool = False
