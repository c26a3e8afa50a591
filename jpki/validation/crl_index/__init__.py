# SPDX-License-Identifier: Apache-2.0
"""The revocation store: lists verified once, then looked up in indexes on disk.

Reading is here; what fills a store (``writer``, ``offers``) and what watches certificates
(``watching``) is imported by those who do that.
"""

from __future__ import annotations

from jpki.validation.crl_index.folder import is_store
from jpki.validation.crl_index.partition import Entry, Partition
from jpki.validation.crl_index.store import CrlIndexStore

__all__ = ["CrlIndexStore", "Entry", "Partition", "is_store"]
