# SPDX-License-Identifier: Apache-2.0
"""The tables. Times are microseconds since 1970, UTC; codes of persons are random 16 bytes.

A handle belongs to one service: nothing stored joins two of them. No column holds a serial, a
name, an address or a certificate; ``recheck_serial`` and ``card_key`` are encrypted.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

METADATA: Final = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _time(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _code(name: str, *, primary_key: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, primary_key=primary_key, nullable=False)


META: Final = Table(
    "meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# ``epoch``: all look-ups use it and the one before. ``fingerprint``: of the keys up to it.
SERVICE_KEY: Final = Table(
    "service_key",
    METADATA,
    Column("service", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    _code("fingerprint"),
)

# ``digest``: SHA-256 of the text that the holder signs, so of the nonce and all around it.
CHALLENGE: Final = Table(
    "challenge",
    METADATA,
    Column("id", Text, primary_key=True),
    _code("digest"),
    Column("service", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("operation", Text, nullable=False),
    _text("detail"),
    _time("issued_at"),
    _time("expires_at"),
    Column("consumed_at", BigInteger, nullable=True),
    Index("challenge_expiry", "expires_at"),
)

HANDLE: Final = Table(
    "handle",
    METADATA,
    _code("handle", primary_key=True),
    Column("service", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("suppressed", Integer, nullable=False, server_default="0"),
    _time("created_at"),
    _time("changed_at"),
)

PSEUDONYM: Final = Table(
    "pseudonym",
    METADATA,
    _code("pseudonym", primary_key=True),
    Column("handle", LargeBinary, nullable=False),
    Column("service", Text, nullable=False),
    Index("pseudonym_handle", "handle", unique=True),
)


def _index_table(name: str) -> Table:
    """Index of certificates; on PostgreSQL partitioned by hash of the index."""
    return Table(
        name,
        METADATA,
        _code("index_key", primary_key=True),
        Column("handle", LargeBinary, nullable=False),
        Column("service", Text, nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("family", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("state", Text, nullable=False),
        _time("since"),
        Index(f"{name}_handle", "handle"),
        Index(f"{name}_epoch", "service", "epoch"),
        postgresql_partition_by="HASH (index_key)",
    )


CERTIFICATE_INDEX: Final = _index_table("certificate_index")
# Where the certificates of suppressed persons lie: an ordinary look-up finds nothing.
SUPPRESSED_INDEX: Final = _index_table("suppressed_index")

RECHECK_SERIAL: Final = Table(
    "recheck_serial",
    METADATA,
    _code("handle", primary_key=True),
    Column("family", Text, primary_key=True),
    Column("medium", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    _code("sealed"),
    Index("recheck_serial_epoch", "service", "epoch"),
    Index("recheck_serial_handle", "service", "handle"),
)

# The key with which a bound card answers without a PIN, encrypted: it is verified against.
CARD_KEY: Final = Table(
    "card_key",
    METADATA,
    _code("handle", primary_key=True),
    Column("service", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    _code("sealed"),
    Index("card_key_epoch", "service", "epoch"),
)

# How two certificates came to one handle. Deleted with it; the ledger keeps that it happened.
LINK: Final = Table(
    "link",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("handle", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    _text("reference"),
    _text("article"),
    _time("at"),
    Index("link_handle", "handle"),
)

CONSENT: Final = Table(
    "consent",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("handle", LargeBinary, nullable=False),
    Column("service", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("items", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("state", Text, nullable=False),
    _time("given_at"),
    _time("starts_at"),
    _time("ends_at"),
    Column("withdrawn_at", BigInteger, nullable=True),
    Column("reminded_at", BigInteger, nullable=False),
    Index("consent_handle", "handle"),
    Index("consent_reminder", "service", "state", "reminded_at"),
    Index("consent_end", "ends_at"),
)

SUPPRESSION: Final = Table(
    "suppression",
    METADATA,
    _code("handle", primary_key=True),
    Column("service", Text, nullable=False),
    Column("document", Text, nullable=False),
    _time("since"),
)

# Every column but the last two is hashed, in this order, after ``prev_hash``.
LEDGER: Final = Table(
    "ledger",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("ledger_id", Text, nullable=False),
    _time("at"),
    _text("operation"),
    _text("service"),
    _text("purpose"),
    _text("role"),
    _text("actor"),
    _text("policy"),
    _text("outcome"),
    _text("reason"),
    _text("article"),
    _text("proof"),
    _text("family"),
    _text("medium"),
    _text("status"),
    _time("status_at"),
    _text("giver"),
    _text("receiver"),
    _text("obtained"),
    _text("document"),
    _code("prev_hash"),
    _code("hash"),
    Index("ledger_ledger_id", "ledger_id", unique=True),
)
HASHED: Final = tuple(c.name for c in LEDGER.columns if c.name not in ("prev_hash", "hash"))

# Whose entry it is: erased with the person. Entries about nobody have a random handle here, so
# that a row more or less tells nothing.
LEDGER_PERSON: Final = Table(
    "ledger_person",
    METADATA,
    _code("handle", primary_key=True),
    Column("ledger_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)

# One row: the end of the chain, sealed with a key that is not in the database.
LEDGER_HEAD: Final = Table(
    "ledger_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    _time("at"),
    _code("hash"),
    _code("seal"),
)

CHECKPOINT: Final = Table(
    "checkpoint",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _time("at"),
    _code("hash"),
    _code("signature"),
)
