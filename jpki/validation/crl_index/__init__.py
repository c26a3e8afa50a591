# SPDX-License-Identifier: Apache-2.0
"""The revocation store: lists verified once, then looked up in indexes on disk."""

from __future__ import annotations

from jpki.validation.crl_index.folder import is_store
from jpki.validation.crl_index.partition import Entry, Partition
from jpki.validation.crl_index.store import CrlIndexStore
from jpki.validation.crl_index.writer import GRACE, Indexed, Placed, StoreWriter

__all__ = [
    "GRACE",
    "CrlIndexStore",
    "Entry",
    "Indexed",
    "Partition",
    "Placed",
    "StoreWriter",
    "is_store",
]
