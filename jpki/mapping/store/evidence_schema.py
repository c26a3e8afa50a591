# SPDX-License-Identifier: Apache-2.0
"""The tables of the evidence store, which is a database of its own.

No handle, no pseudonym, no ledger id: nothing in it leads to a person of the map but
``reference``, the organisation's own.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

METADATA: Final = MetaData()

META: Final = Table(
    "meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

EVIDENCE: Final = Table(
    "evidence",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("law", Text, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Column("keep_until", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("evidence_end", "keep_until"),
    Index("evidence_reference", "service", "reference"),
)
