# SPDX-License-Identifier: Apache-2.0
"""Revocation lists as the test PKI publishes them: one a municipality, generation and family.

The real profile of JPKI's lists is not public; this is [RFC5280] applied to the
distribution points that the certificates name. A list of a million entries takes about a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum

from jpki.certificate.kinds import Family
from jpki.synth import der, names
from jpki.synth import extensions as ext
from jpki.synth.authority import Authority
from jpki.synth.certificate import key_of
from jpki.synth.municipalities import Municipality
from jpki.synth.overrides import CrlOverrides
from jpki.synth.signing import sign, signature_algorithm

Entry = tuple[int, datetime, int | None]  # serial, revocation date, reason (None: not said)


class Reason(IntEnum):
    """Revocation reasons [RFC5280 5.3.1], with what JPKI means by them [PS]."""

    UNSPECIFIED = 0  # 交付前破棄
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3  # change of the four attributes
    SUPERSEDED = 4  # renewed or re-issued
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6  # never released
    REMOVE_FROM_CRL = 8  # not used by JPKI


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list covers: the certificates of a point, of users or of CAs."""

    point: bytes | None
    kind: str  # user, ca, attribute, both


def published(at: datetime) -> datetime:
    """The latest daily publication not after ``at``: 06:00 in Japan, 21:00 UTC [inferred]."""
    at = at.astimezone(UTC)
    day = at.replace(hour=21, minute=0, second=0, microsecond=0)
    return day if day <= at else day - timedelta(days=1)


def number_of(this_update: datetime) -> int:
    """cRLNumber: days since the first root began, so that it grows by one a day."""
    return (this_update.date() - date(2015, 10, 20)).days


def user_scope(family: Family, place: Municipality | None, organisation: str) -> Scope:
    """Scope of a municipality's list, or of a list of all users (``place`` None)."""
    point = None if place is None else names.crldp_name(family, place, organisation)
    return Scope(point, "user")


def crl_bytes(
    authority: Authority,
    scope: Scope | None,
    entries: Iterable[Entry],
    this_update: datetime,
    overrides: CrlOverrides | None = None,
) -> bytes:
    """DER of the list. ``scope`` None leaves the issuing distribution point out."""
    wrong = overrides or CrlOverrides()
    key = key_of(wrong.signer, authority.key())
    algorithm = signature_algorithm(key, wrong.signature_hash)
    this_update = wrong.this_update or this_update
    next_update = wrong.next_update or this_update + timedelta(days=2)
    body = _entries(entries, wrong)
    signed_part = der.sequence(
        der.integer(wrong.version - 1) if wrong.version != 1 else b"",
        algorithm,
        wrong.issuer or authority.name,
        der.time(this_update),
        b"" if wrong.next_update_absent else der.time(next_update),
        der.tlv(0x30, body) if body else b"",  # an empty list leaves the field out
        _extensions(authority, scope, number_of(this_update), wrong),
    )
    signature = sign(key, signed_part, wrong.signature_hash)
    if wrong.damage_signature:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    return der.sequence(signed_part, algorithm, der.bit_string(signature))


def _entries(entries: Iterable[Entry], wrong: CrlOverrides) -> bytes:
    """The entries, one after the other. Date and reason repeat, so their bytes are kept."""
    tails: dict[tuple[datetime, int | None], bytes] = {}
    heads: dict[tuple[int, int], bytes] = {}
    written = []
    for serial, when, reason in entries:
        tail = tails.get((when, reason))
        if tail is None:
            tail = tails[when, reason] = der.time(when) + _entry_extensions(reason, wrong)
        content = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
        sizes = (len(content), len(tail))
        head = heads.get(sizes)
        if head is None:
            head = heads[sizes] = (
                b"\x30" + der.length(2 + sum(sizes)) + b"\x02" + der.length(sizes[0])
            )
        written.append(head + content + tail)
    return b"".join(written)


def _entry_extensions(reason: int | None, wrong: CrlOverrides) -> bytes:
    extensions = []
    if reason is not None:
        extensions.append(ext.Extension("reasonCode", der.enumerated(reason)).encode())
    if wrong.entry_extra_critical:
        extensions.append(ext.UNKNOWN_CRITICAL.encode())
    return der.sequence(*extensions) if extensions and wrong.version != 1 else b""


def _extensions(
    authority: Authority, scope: Scope | None, number: int, wrong: CrlOverrides
) -> bytes:
    if wrong.version == 1:
        return b""
    extensions = []
    if not wrong.aki_absent:
        extensions.append(ext.authority_key_id(wrong.aki_key_id or authority.key_id))
    if not wrong.number_absent:
        value = number if wrong.number is None else wrong.number
        extensions.append(ext.Extension("crlNumber", der.integer(value)))
    if scope is not None and not wrong.idp_absent:
        extensions.append(
            ext.Extension("idp", _issuing_point(authority, scope, wrong), wrong.idp_critical)
        )
    if wrong.delta_base is not None:
        base = der.integer(wrong.delta_base)
        extensions.append(ext.Extension("deltaCrl", base, critical=True))
    if wrong.extra_critical:
        extensions.append(ext.UNKNOWN_CRITICAL)
    encoded = b"".join(extension.encode() for extension in extensions)
    return der.explicit(0, der.tlv(0x30, encoded)) if encoded else b""


def _issuing_point(authority: Authority, scope: Scope, wrong: CrlOverrides) -> bytes:
    point, kind = scope.point, wrong.scope or scope.kind
    if wrong.partition is not None:
        point = names.crldp_name(authority.family, wrong.partition, authority.organisation)
    if wrong.idp_name_absent:
        point = None
    covers = {"user": b"\x81\x01\xff", "ca": b"\x82\x01\xff", "attribute": b"\x85\x01\xff"}
    parts = {
        0: names.distribution_point_name(point) if point is not None else b"",
        1: covers.get(kind, b"") if kind in ("user", "ca") else b"",
        3: b"" if wrong.only_some_reasons is None else _reasons(wrong.only_some_reasons),
        4: b"\x84\x01\xff" if wrong.indirect else b"",
        5: covers["attribute"] if kind == "attribute" else b"",
    }
    return der.sequence(*parts.values())


def _reasons(octets: bytes) -> bytes:
    """ReasonFlags as a named bit list: zero bits at the end are cut [X690 11.2.2]."""
    last = octets[-1]
    unused = (last & -last).bit_length() - 1 if last else 0
    return der.implicit(3, bytes([unused]) + octets)
