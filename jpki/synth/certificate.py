# SPDX-License-Identifier: Apache-2.0
"""A certificate from its fields, with the deviations asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from jpki.synth import der
from jpki.synth.extensions import UNKNOWN_CRITICAL, Extension, with_values
from jpki.synth.keystore import any_stored_key
from jpki.synth.overrides import Overrides
from jpki.synth.signing import sign, signature_algorithm

if TYPE_CHECKING:
    from jpki.synth.keystore import PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a certificate says, names and key as DER."""

    serial: int = field(repr=False)
    issuer: bytes
    not_before: datetime
    not_after: datetime
    subject: bytes = field(repr=False)
    public_key_info: bytes = field(repr=False)
    extensions: tuple[Extension, ...] = field(repr=False)


def key_of(signer: PrivateKey | str | None, default: PrivateKey) -> PrivateKey:
    """The key meant by ``signer``: itself, the stored key of that name, or the default."""
    if signer is None:
        return default
    return any_stored_key(signer) if isinstance(signer, str) else signer


def certificate(fields: Fields, key: PrivateKey, wrong: Overrides | None = None) -> bytes:
    """DER of a certificate signed with ``key``, or with the key ``wrong`` asks for."""
    wrong = wrong or Overrides()
    key = key_of(wrong.signer, key)
    outer = signature_algorithm(key, wrong.signature_hash)
    inner = signature_algorithm(key, wrong.inner_hash or wrong.signature_hash)
    signed_part = _to_be_signed(fields, inner, wrong)
    signature = sign(key, signed_part, wrong.signature_hash)
    if wrong.damage_signature:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    parts = signed_part + outer + der.bit_string(signature)
    whole = der.long_tlv(0x30, parts) if wrong.non_minimal_length else der.tlv(0x30, parts)
    return whole + wrong.trailing


def _to_be_signed(fields: Fields, algorithm: bytes, wrong: Overrides) -> bytes:
    time = der.generalized_time if wrong.generalized_time else der.time
    serial = der.integer_content(fields.serial)
    if wrong.serial_content is not None:
        serial = wrong.serial_content
    encoded = [
        extension.encode(explicit_false=wrong.explicit_false)
        for extension in _deviating(fields.extensions, wrong)
    ]
    return der.sequence(
        der.explicit(0, der.integer(wrong.version - 1)) if wrong.version != 1 else b"",
        der.tlv(0x02, serial),
        algorithm,
        fields.issuer if wrong.issuer is None else wrong.issuer,
        der.sequence(time(fields.not_before), time(fields.not_after)),
        fields.subject if wrong.subject is None else wrong.subject,
        fields.public_key_info,
        der.explicit(3, der.sequence(*encoded)) if wrong.version == 3 and encoded else b"",
    )


def _deviating(extensions: Iterable[Extension], wrong: Overrides) -> list[Extension]:
    values = dict(wrong.values)
    if wrong.key_usage is not None:
        values["keyUsage"] = wrong.key_usage
    kept = [e for e in with_values(extensions, values, wrong.critical) if e.name not in wrong.drop]
    if wrong.order is not None:
        by_name = {extension.name: extension for extension in kept}
        kept = [by_name[name] for name in wrong.order]
    kept += [replace(extension) for extension in kept if extension.name == wrong.duplicate]
    kept += wrong.extra
    return [*kept, UNKNOWN_CRITICAL] if wrong.extra_critical else kept
