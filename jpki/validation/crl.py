# SPDX-License-Identifier: Apache-2.0
"""One CRL: read strictly, its entries indexed once. Nothing in it is believed yet.

Lists are large (about 37 bytes an entry, a million entries for all users), so the entries
are walked in place and only the offset of each is kept. Source: [RFC5280 5].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from jpki.certificate import der, extensions
from jpki.certificate.extensions import Extension
from jpki.certificate.serial import SerialRef
from jpki.errors import RevocationDataError
from jpki.validation.algorithms import signature_fits
from jpki.validation.crl_facts import IssuingPoint
from jpki.validation.trust import Anchor

CRL_NUMBER: Final = "2.5.29.20"
REASON_CODE: Final = "2.5.29.21"
HOLD_INSTRUCTION: Final = "2.5.29.23"
INVALIDITY_DATE: Final = "2.5.29.24"
DELTA_INDICATOR: Final = "2.5.29.27"
ISSUING_POINT: Final = "2.5.29.28"
CERTIFICATE_ISSUER: Final = "2.5.29.29"

# Words for reasonCode. certificateHold is final in JPKI; removeFromCRL is not used [PS].
REASONS: Final = {
    0: "unspecified",
    1: "key_compromise",
    2: "ca_compromise",
    3: "affiliation_changed",
    4: "superseded",
    5: "cessation_of_operation",
    6: "certificate_hold",
    9: "privilege_withdrawn",
    10: "aa_compromise",
}
NOT_GIVEN: Final = "not_given"
# Name, extensions and signature of a list have a few hundred bytes each.
MAX_PART: Final = 64 * 1024
_MAX_SEEN: Final = 4096
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Revoked:
    """One entry. ``since``: revocation date, or an earlier invalidity date."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class CrlForm:
    """Everything of a CRL but its entries. Offsets are bytes from the start of the file.

    ``tbs``: the signed part. ``number``: cRLNumber. ``entries``: where they begin and end.
    """

    tbs: tuple[int, int]
    algorithm: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    issuer_der: bytes = field(repr=False)
    this_update: datetime
    next_update: datetime | None
    number: int
    key_id: bytes | None = field(repr=False)
    point: IssuingPoint
    entries: tuple[int, int]

    def fits(self, data: bytes, anchor: Anchor) -> bool:
        """Whether the root, being one that may, signed ``data``: the file this form is of."""
        usage = anchor.certificate.key_usage
        if usage is None or extensions.CRL_SIGN not in usage:
            return False
        start, end = self.tbs
        # A view: the signed part may have tens of megabytes.
        with memoryview(data) as whole, whole[start:end] as signed_part:
            return signature_fits(anchor.key, self.algorithm, self.signature, signed_part)


@dataclass(frozen=True, slots=True, eq=False)
class Crl(CrlForm):
    """A CRL whose form is right. ``index``: serial to entry offsets."""

    der: bytes = field(repr=False)
    index: dict[int, int | tuple[int, ...]] = field(repr=False)
    _signed: dict[bytes, bool] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.index)

    def signed_by(self, anchor: Anchor) -> bool:
        """Whether the root signed it; found out once for each root."""
        known = self._signed.get(anchor.certificate.der)
        if known is None:
            known = self._signed[anchor.certificate.der] = self.fits(self.der, anchor)
        return known

    def find(self, serial: SerialRef) -> Revoked | None:
        """The entry of a serial, or None. Raises RevocationDataError for an unreadable one."""
        offsets = self.index.get(int.from_bytes(serial.reveal(), "big"))
        if offsets is None:
            return None
        found = offsets if isinstance(offsets, tuple) else (offsets,)
        entries = [readable(partial(read_entry, self.der, offset)) for offset in found]
        return min(entries, key=lambda entry: entry.since)


def parse_crl(data: bytes) -> Crl:
    """Reads one DER CRL. Raises RevocationDataError with ``reason``.

    Refused: anything but DER, another version than v2, differing algorithms inside and
    outside, an empty list of entries, extensions twice or unknown and critical, a delta, a
    missing or critical cRLNumber, an empty issuing point.
    """
    data = bytes(data)
    form = readable(partial(read_form, data))
    index = readable(partial(_index, data, *form.entries))
    facts = {name: getattr(form, name) for name in CrlForm.__slots__}
    return Crl(**facts, der=data, index=index)


def readable(read: Callable[[], _T]) -> _T:
    """What ``read`` gives. Raises RevocationDataError for what is not DER."""
    try:
        return read()
    except der.DerError as error:
        raise RevocationDataError(reason=error.reason, source="crl") from None


def read_form(data: bytes) -> CrlForm:
    """Reads all but the entries. Raises DerError."""
    outer = der.whole(data).reader()
    tbs = outer.next(der.SEQUENCE)
    algorithm = _small(outer.next(der.SEQUENCE))
    signature = der.bits(_small(outer.next(der.BIT_STRING)))
    outer.done()
    reader = tbs.reader()
    version = reader.optional(der.INTEGER)
    if version is None or der.integer(_small(version)) != 1:
        raise der.DerError("version", tbs.start)
    inner = _small(reader.next(der.SEQUENCE))
    if inner.raw != algorithm.raw:
        raise der.DerError("algorithms_differ", inner.start)
    issuer = _small(reader.next(der.SEQUENCE))
    for part in (algorithm, issuer):
        der.check_strict(part.raw)
    this_update = der.time(_small(reader.next()))
    has_next = reader.peek() in (der.UTC_TIME, der.GENERALIZED_TIME)
    next_update = der.time(_small(reader.next())) if has_next else None
    entries = reader.optional(der.SEQUENCE)
    if entries is not None and entries.value_start == entries.end:
        raise der.DerError("empty_list", entries.start)
    tail = _small(reader.next(0xA0))
    reader.done()
    found = extensions.read_extensions(der.only(tail, der.SEQUENCE))
    _refuse_unknown(found)
    aki = found.get(extensions.AUTHORITY_KEY_ID)
    return CrlForm(
        tbs=(tbs.start, tbs.end),
        algorithm=algorithm.raw,
        signature=signature,
        issuer_der=issuer.raw,
        this_update=this_update,
        next_update=next_update,
        number=_number(found.get(CRL_NUMBER)),
        key_id=extensions.authority_key_id(aki.value).key_id if aki else None,
        point=_issuing_point(found.get(ISSUING_POINT)),
        entries=(tail.start, tail.start) if entries is None else (entries.value_start, entries.end),
    )


def _small(node: der.Node) -> der.Node:
    """Refuses a part of a list whose size no honest one has, before its bytes are copied."""
    if node.end - node.start > MAX_PART:
        raise der.DerError("too_large", node.start)
    return node


_KNOWN: Final = frozenset({extensions.AUTHORITY_KEY_ID, CRL_NUMBER, ISSUING_POINT})


def _refuse_unknown(found: Mapping[str, Extension]) -> None:
    if DELTA_INDICATOR in found:
        raise der.DerError("delta", 0)
    if any(extension.critical and oid not in _KNOWN for oid, extension in found.items()):
        raise der.DerError("critical_extension", 0)


def _number(extension: Extension | None) -> int:
    """cRLNumber. Without it an older list could stand in for a newer one unnoticed."""
    if extension is None:
        raise der.DerError("number_missing", 0)
    return read_number(extension, critical=False)


def read_number(extension: Extension, *, critical: bool) -> int:
    """The number of a list; critical only where it is that of the base of a delta."""
    if extension.critical is not critical:
        raise der.DerError("number_critical", 0)
    node = der.whole(extension.value, der.INTEGER)
    number = der.integer(node)
    if number < 0 or len(node.value) > 20:
        raise der.DerError("bad_number", 0)
    return number


def _issuing_point(extension: Extension | None) -> IssuingPoint:
    if extension is None:
        return IssuingPoint(None)
    reader = der.whole(extension.value).reader()
    if reader.peek() is None:
        raise der.DerError("empty_issuing_point", 0)
    name = reader.optional(0xA0)
    flags: dict[int, bool] = {}
    for tag in (0x81, 0x82, 0x83, 0x84, 0x85):
        node = reader.optional(tag)
        if node is None:
            continue
        if tag == 0x83:
            der.named_bits(node)
        elif not der.boolean(node):
            raise der.DerError("default_encoded", node.start)
        flags[tag] = True
    reader.done()
    if len(flags.keys() & {0x81, 0x82, 0x85}) > 1:
        raise der.DerError("bad_issuing_point", 0)
    names = None if name is None else extensions.full_name(name)
    return IssuingPoint(names, _scope_fault(flags, names))


def _scope_fault(flags: dict[int, bool], names: tuple[bytes, ...] | None) -> str | None:
    for tag, fault in (
        (0x82, "only_ca"),
        (0x85, "only_attribute"),
        (0x84, "indirect"),
        (0x83, "some_reasons"),
    ):
        if tag in flags:
            return fault
    return "relative_name" if names == () else None


def _index(data: bytes, pos: int, end: int) -> dict[int, int | tuple[int, ...]]:
    """Serial to offset of its entry, over every entry; each is checked for its form."""
    index: dict[int, int | tuple[int, ...]] = {}
    seen: set[bytes] = set()
    while pos < end:
        number, _, stop = check_entry(data, pos, end, seen)
        index[number] = pos if number not in index else _again(index[number], pos)
        pos = stop
    return index


def check_entry(data: bytes, pos: int, end: int, seen: set[bytes]) -> tuple[int, int, int]:
    """Serial of the entry at ``pos``, its octets, and where the entry ends. Raises DerError.

    ``seen``: extensions that were read before. Reading a list is this function a million
    times over, so the ordinary entry (short lengths, UTCTime) takes a few comparisons.
    """
    if pos + 2 > end:
        raise der.DerError("truncated", pos)
    body, stop = pos + 2, pos + 2 + data[pos + 1]
    if data[pos] != 0x30 or data[pos + 1] >= 0x80 or stop > end:
        tag, body, stop = der.header(data, pos, end)
        if tag != der.SEQUENCE:
            raise der.DerError("bad_entry", pos)
    if stop - body < 3:
        raise der.DerError("bad_entry", pos)
    size = data[body + 1]
    start = body + 2
    date = start + size
    if data[body] != 0x02 or not 0 < size <= 20 or date > stop:
        raise der.DerError("bad_entry", pos)
    serial = int.from_bytes(data[start:date], "big")
    # Negative, zero, or padded: the bits that a minimal positive INTEGER cannot have.
    if serial == 0 or data[start] & 0x80 or (size > 1 and serial >> (8 * size - 9) == 0):
        raise der.DerError("bad_serial", pos)
    after = date + 15
    digits = data[date + 2 : after - 1]
    if data[date : date + 2] != b"\x17\x0d" or not digits.isdigit() or after > stop:
        after = _odd_date(data, date, stop)
    elif data[after - 1] != 0x5A:
        raise der.DerError("bad_time", date)
    rest = data[after:stop] if stop - after <= MAX_PART else b""
    if stop > after and rest not in seen:
        entry_extensions(rest)
        if len(seen) < _MAX_SEEN:
            seen.add(rest)
    return serial, size, stop


def _again(earlier: int | tuple[int, ...], pos: int) -> tuple[int, ...]:
    """The offsets of a serial that is listed once more."""
    return (*(earlier if isinstance(earlier, tuple) else (earlier,)), pos)


def _odd_date(data: bytes, pos: int, end: int) -> int:
    """The end of a date that is not an ordinary UTCTime."""
    node = der.Reader(data, pos, end).next()
    der.time(node)
    return node.end


def read_entry(data: bytes, pos: int) -> Revoked:
    """The entry at ``pos``. Raises DerError."""
    reader = der.Reader(data, pos).next(der.SEQUENCE).reader()
    reader.next(der.INTEGER)
    since = der.time(reader.next())
    rest = data[reader.pos : reader.end]
    reason, invalid_since = entry_extensions(rest) if rest else (NOT_GIVEN, None)
    return Revoked(min(since, invalid_since or since), reason)


def entry_extensions(data: bytes) -> tuple[str, datetime | None]:
    """Reason and invalidity date. Raises DerError for what makes the whole list unusable."""
    reason, since = NOT_GIVEN, None
    for oid, extension in extensions.read_extensions(der.whole(data)).items():
        if oid == REASON_CODE:
            reason = read_reason(der.whole(extension.value, der.ENUMERATED))
        elif oid == INVALIDITY_DATE:
            node = der.whole(extension.value, der.GENERALIZED_TIME)
            since = der.time(node, generalized_only=True)
        elif oid == CERTIFICATE_ISSUER:
            raise der.DerError("indirect", 0)
        elif extension.critical and oid != HOLD_INSTRUCTION:
            raise der.DerError("critical_entry_extension", 0)
    return reason, since


def read_reason(node: der.Node) -> str:
    """The word for a CRLReason. Raises DerError for removeFromCRL and unknown ones."""
    code = der.integer(node)
    if code not in REASONS:
        raise der.DerError("bad_reason", node.start)
    return REASONS[code]
