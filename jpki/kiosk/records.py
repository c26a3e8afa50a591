# SPDX-License-Identifier: Apache-2.0
"""What a municipality holds about a resident, as far as documents need it.

A service finds a resident by its own pseudonym, never by a serial and never by the 個人番号.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TaxRecord:
    """A year's municipal tax. ``year``: 年度 (Gregorian); amounts in yen."""

    year: int
    income: int = field(repr=False)
    taxable: int = field(repr=False)
    tax: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealRecord:
    """A registered seal. ``face``: the one to four characters cut into it."""

    registered: date = field(repr=False)
    face: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResidentRecord:
    """One resident. No 個人番号 and no 住民票コード: no document here shows either."""

    name: str = field(repr=False)
    kana: str = field(repr=False)
    birth: date = field(repr=False)
    sex: str = field(repr=False)  # 男, 女 or empty
    address: str = field(repr=False)
    resident_since: date = field(repr=False)
    head: str = field(repr=False)  # 世帯主
    relation: str = field(repr=False)  # 続柄
    seal: SealRecord | None = field(default=None, repr=False)
    tax: TaxRecord | None = field(default=None, repr=False)


class ResidentRecords(Protocol):
    """The register, asked by the service's own pseudonym (16 bytes)."""

    def of(self, pseudonym: bytes) -> ResidentRecord | None:
        """The resident, or None where the register has nobody of that pseudonym."""
        ...


class MemoryRecords:
    """A register in memory: for tests and the prototype."""

    def __init__(self) -> None:
        self._records: dict[bytes, ResidentRecord] = {}

    def put(self, pseudonym: bytes, record: ResidentRecord) -> None:
        """Enter a resident."""
        self._records[pseudonym] = record

    def of(self, pseudonym: bytes) -> ResidentRecord | None:
        """As the Protocol has it."""
        return self._records.get(pseudonym)
