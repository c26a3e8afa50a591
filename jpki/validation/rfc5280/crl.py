# SPDX-License-Identifier: Apache-2.0
"""Any CRL, read strictly: complete or delta, direct or indirect, of both versions.

Source: [RFC5280 5]. Nothing in it is believed yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from jpki.certificate import der, extensions
from jpki.certificate.extensions import Extension
from jpki.certificate.names import parse_name
from jpki.errors import RevocationDataError
from jpki.validation.crl import (
    CERTIFICATE_ISSUER,
    CRL_NUMBER,
    DELTA_INDICATOR,
    HOLD_INSTRUCTION,
    INVALIDITY_DATE,
    ISSUING_POINT,
    NOT_GIVEN,
    REASON_CODE,
    REASONS,
    read_number,
)
from jpki.validation.rfc5280.certificate import FRESHEST, read_time
from jpki.validation.rfc5280.points import (
    ALL_REASONS,
    PointName,
    directory_key,
    read_point_name,
    read_points,
    read_reasons,
)

MAX_SIZE: Final = 512 * 1024 * 1024
REMOVED: Final = "removed"
_REMOVE_FROM_CRL: Final = 8
_UNDERSTOOD: Final = frozenset(
    {extensions.AUTHORITY_KEY_ID, CRL_NUMBER, ISSUING_POINT, DELTA_INDICATOR, FRESHEST}
)
_ENTRY_UNDERSTOOD: Final = frozenset(
    {REASON_CODE, INVALIDITY_DATE, CERTIFICATE_ISSUER, HOLD_INSTRUCTION}
)


_STRUCTURED: Final = _UNDERSTOOD | _ENTRY_UNDERSTOOD


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list covers. ``name``: its point; ``encoded``: the whole extension, to compare."""

    encoded: bytes = field(default=b"", repr=False)
    name: PointName | None = None
    users_only: bool = False
    authorities_only: bool = False
    attributes_only: bool = False
    indirect: bool = False
    reasons: frozenset[int] = ALL_REASONS


@dataclass(frozen=True, slots=True)
class Entry:
    """``reason``: a word, ``removed`` in a delta that takes the entry back."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AnyCrl:
    """``number``: None without one. ``base``: number of the list a delta builds on.

    ``entries``: by issuer (a name's key) and serial.
    """

    tbs: bytes
    algorithm: bytes
    signature: bytes
    issuer_der: bytes
    issuer: object
    this_update: datetime
    next_update: datetime | None
    version: int
    number: int | None
    base: int | None
    key_id: bytes | None
    scope: Scope
    entries: Mapping[tuple[object, bytes], Entry]


def read_crl(data: bytes) -> AnyCrl:
    """Reads one DER CRL. Raises RevocationDataError with ``reason``."""
    data = bytes(data)
    try:
        if len(data) > MAX_SIZE:
            raise der.DerError("too_large", 0)
        return _read(data)
    except der.DerError as error:
        raise RevocationDataError(reason=error.reason, source="crl") from None


def _read(data: bytes) -> AnyCrl:
    outer = der.whole(data).reader()
    tbs, algorithm = outer.next(der.SEQUENCE), outer.next(der.SEQUENCE)
    signature = der.bits(outer.next(der.BIT_STRING))
    outer.done()
    fields = _fields(tbs, algorithm)
    found = fields.extensions
    scope, own = _scope(found.get(ISSUING_POINT)), directory_key(fields.issuer.raw)
    aki, listed = found.get(extensions.AUTHORITY_KEY_ID), fields.listed
    return AnyCrl(
        tbs=tbs.raw,
        algorithm=algorithm.raw,
        signature=signature,
        issuer_der=fields.issuer.raw,
        issuer=own,
        this_update=fields.this_update,
        next_update=fields.next_update,
        version=fields.version,
        number=_number(found.get(CRL_NUMBER), critical=False),
        base=_number(found.get(DELTA_INDICATOR), critical=True),
        key_id=extensions.authority_key_id(aki.value).key_id if aki else None,
        scope=scope,
        entries={} if listed is None else _entries(listed, fields.version, own, scope.indirect),
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    version: int
    issuer: der.Node
    this_update: datetime
    next_update: datetime | None
    listed: der.Node | None
    extensions: Mapping[str, Extension]


def _fields(tbs: der.Node, algorithm: der.Node) -> _Fields:
    """The fields of a TBSCertList, as far as their form goes; entries are not looked at."""
    reader = tbs.reader()
    version = _version(reader.optional(der.INTEGER))
    inner, issuer = reader.next(der.SEQUENCE), reader.next(der.SEQUENCE)
    if inner.raw != algorithm.raw:
        raise der.DerError("algorithms_differ", inner.start)
    for part in (algorithm, issuer):
        der.check_strict(part.raw)
    parse_name(issuer.raw)
    if not issuer.value:
        raise der.DerError("empty_issuer", issuer.start)
    this_update = read_time(reader.next())
    has_next = reader.peek() in (der.UTC_TIME, der.GENERALIZED_TIME)
    next_update = read_time(reader.next()) if has_next else None
    listed = reader.optional(der.SEQUENCE)
    tail = reader.optional(0xA0)
    reader.done()
    if tail is not None and version == 1:
        raise der.DerError("version", tail.start)
    found: Mapping[str, Extension] = {}
    if tail is not None:
        inside = der.only(tail, der.SEQUENCE)
        found = extensions.read_extensions(inside, structured=_STRUCTURED)
    _refuse(found)
    return _Fields(version, issuer, this_update, next_update, listed, found)


def _version(node: der.Node | None) -> int:
    if node is None:
        return 1
    if der.integer(node) != 1:  # v1 is not written; there is no v3
        raise der.DerError("version", node.start)
    return 2


def _refuse(found: Mapping[str, Extension]) -> None:
    if any(ext.critical and oid not in _UNDERSTOOD for oid, ext in found.items()):
        raise der.DerError("critical_extension", 0)
    if FRESHEST in found:
        read_points(found[FRESHEST].value)


def _number(extension: Extension | None, *, critical: bool) -> int | None:
    return None if extension is None else read_number(extension, critical=critical)


def _scope(extension: Extension | None) -> Scope:
    """IssuingDistributionPoint: not empty, one kind of holders at most, critical."""
    if extension is None:
        return Scope()
    if not extension.critical:
        raise der.DerError("bad_issuing_point", 0)
    reader = der.whole(extension.value).reader()
    if reader.peek() is None:
        raise der.DerError("empty_issuing_point", 0)
    name = reader.optional(0xA0)
    flags: dict[int, der.Node] = {}
    for tag in (0x81, 0x82, 0x83, 0x84, 0x85):
        node = reader.optional(tag)
        if node is not None:
            if tag != 0x83 and not der.boolean(node):
                raise der.DerError("default_encoded", node.start)
            flags[tag] = node
    reader.done()
    if len(flags.keys() & {0x81, 0x82, 0x85}) > 1:
        raise der.DerError("bad_issuing_point", 0)
    return Scope(
        encoded=extension.value,
        name=None if name is None else read_point_name(name),
        users_only=0x81 in flags,
        authorities_only=0x82 in flags,
        attributes_only=0x85 in flags,
        indirect=0x84 in flags,
        reasons=read_reasons(flags[0x83]) if 0x83 in flags else ALL_REASONS,
    )


def _entries(
    node: der.Node, version: int, own: object, indirect: bool
) -> dict[tuple[object, bytes], Entry]:
    found: dict[tuple[object, bytes], Entry] = {}
    seen: dict[bytes, tuple[str, object | None]] = {}
    issuer = own
    reader = node.reader()
    if reader.peek() is None:
        raise der.DerError("empty_list", node.start)
    while reader.peek() is not None:
        entry = reader.next(der.SEQUENCE).reader()
        serial = entry.next(der.INTEGER)
        der.integer(serial)
        since = read_time(entry.next())
        rest = entry.data[entry.pos : entry.end]
        reason = NOT_GIVEN
        if rest:
            if version == 1:
                raise der.DerError("version", serial.start)
            if rest not in seen:
                seen[rest] = _entry_extensions(rest, indirect)
            reason, named = seen[rest]
            issuer = issuer if named is None else named  # it stays in effect [RFC5280 5.3.3]
        key = (issuer, serial.value)
        if key in found:
            raise der.DerError("listed_twice", serial.start)
        found[key] = Entry(since, reason)
    return found


def _entry_extensions(data: bytes, indirect: bool) -> tuple[str, object | None]:
    """Reason, and the issuer from here on. Raises DerError for what spoils the whole list."""
    reason: str = NOT_GIVEN
    issuer: object | None = None
    for oid, extension in extensions.read_extensions(
        der.whole(data), structured=_STRUCTURED
    ).items():
        if oid == REASON_CODE:
            reason = _reason(der.whole(extension.value, der.ENUMERATED))
        elif oid == CERTIFICATE_ISSUER:
            names = list(der.whole(extension.value).reader().rest())
            directory = [node for node in names if node.tag == 0xA4]
            if not indirect or not extension.critical or len(directory) != 1:
                raise der.DerError("indirect", 0)
            issuer = directory_key(directory[0].value)
        elif extension.critical and oid not in _ENTRY_UNDERSTOOD:
            raise der.DerError("critical_entry_extension", 0)
    return reason, issuer


def _reason(node: der.Node) -> str:
    code = der.integer(node)
    if code == _REMOVE_FROM_CRL:
        return REMOVED
    if code not in REASONS:
        raise der.DerError("bad_reason", node.start)
    return REASONS[code]
