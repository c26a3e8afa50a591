# SPDX-License-Identifier: Apache-2.0
"""Distribution points in full: names, names relative to the issuer, reasons, CRL issuers.

The JPKI profile knows plain points only; PKIX at large has the rest. Source: [RFC5280
4.2.1.13], [RFC5280 5.2.5].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from jpki.certificate import der
from jpki.certificate.encode import tlv
from jpki.certificate.names import general_name_key

# Bits 1 to 8 of ReasonFlags; bit 0 is unused and counts for nothing.
ALL_REASONS: Final = frozenset(range(1, 9))
_MAX_POINTS: Final = 64


@dataclass(frozen=True, slots=True)
class PointName:
    """``full``: keys of the GeneralNames. ``relative``: DER of one RDN, to be appended."""

    full: frozenset[object] = field(default=frozenset(), repr=False)
    relative: bytes | None = field(default=None, repr=False)

    def below(self, issuer_der: bytes) -> frozenset[object]:
        """The names meant, where ``issuer_der`` is the issuer a relative name belongs to."""
        if self.relative is None:
            return self.full
        base = der.whole(issuer_der).value
        return frozenset({directory_key(tlv(der.SEQUENCE, base, self.relative))})


@dataclass(frozen=True, slots=True)
class Point:
    """One DistributionPoint. ``issuers``: keys of cRLIssuer, None when it is not there."""

    name: PointName | None
    reasons: frozenset[int]
    issuers: frozenset[object] | None = field(repr=False)


def directory_key(name_der: bytes) -> object:
    """The key of a Name as a directoryName."""
    return general_name_key(tlv(0xA4, name_der))


def read_points(value: bytes) -> tuple[Point, ...]:
    """CRLDistributionPoints or FreshestCRL. Raises DerError."""
    found: list[Point] = []
    for item in der.whole(value).reader().rest():
        if item.tag != der.SEQUENCE or len(found) == _MAX_POINTS:
            raise der.DerError("bad_point", item.start)
        reader = item.reader()
        name, reasons, issuers = (reader.optional(tag) for tag in (0xA0, 0x81, 0xA2))
        reader.done()
        if name is None and issuers is None:
            raise der.DerError("bad_point", item.start)
        found.append(
            Point(
                None if name is None else read_point_name(name),
                ALL_REASONS if reasons is None else read_reasons(reasons),
                None if issuers is None else _general_names(issuers),
            )
        )
    if not found:
        raise der.DerError("empty", 0)
    return tuple(found)


def read_point_name(node: der.Node) -> PointName:
    """DistributionPointName inside its explicit tag. Raises DerError."""
    reader = node.reader()
    choice = reader.next()
    reader.done()
    if choice.tag == 0xA0:
        return PointName(full=_general_names(choice))
    if choice.tag != 0xA1 or not choice.value:
        raise der.DerError("bad_point", choice.start)
    return PointName(relative=tlv(der.SET, choice.value))


def read_reasons(node: der.Node) -> frozenset[int]:
    """ReasonFlags, implicitly tagged. Raises DerError for none at all."""
    found = der.named_bits(node)
    if not found or max(found) > 8:
        raise der.DerError("bad_reasons", node.start)
    return found & ALL_REASONS


def _general_names(node: der.Node) -> frozenset[object]:
    found = frozenset(general_name_key(item.raw) for item in node.reader().rest())
    if not found:
        raise der.DerError("empty", node.start)
    return found
