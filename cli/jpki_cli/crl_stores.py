# SPDX-License-Identifier: Apache-2.0
"""A revocation store named on the command line, and whether it may be used here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jpki_cli.clicks import UsageFault, option
from jpki_cli.options import PATH
from jpki_cli.session import Session

if TYPE_CHECKING:
    from jpki.validation.crl_index import CrlIndexStore

store_option = option("--store", metavar="DIR", type=PATH, required=True)


def may_use(session: Session, environment: str, purpose: str | None = None) -> None:
    """Raises NotPermittedError where revocation data may not be touched: without a declaration
    under ``production``, and for a purpose that is not declared (公的個人認証法 17, 36, 52条)."""
    from jpki.errors import NotPermittedError

    verifier = session.config.verifier
    if environment == "production" and verifier is None:
        raise NotPermittedError(rule="revocation_data", article="公的個人認証法 17, 36条")
    declared = verifier.purposes if verifier is not None else None
    if purpose is not None and declared is not None and purpose not in declared:
        raise NotPermittedError(rule="purpose_not_declared", article="公的個人認証法 52条")


def opened_store(session: Session, path: Path) -> CrlIndexStore:
    """The store in a folder, if it may be read. Raises CrlStoreError, NotPermittedError."""
    from jpki.validation.crl_index import CrlIndexStore

    store = CrlIndexStore(path)
    may_use(session, store.environment.value)
    return store


def split(paths: Sequence[Path]) -> tuple[CrlIndexStore | None, list[Path]]:
    """The store among what ``--crl`` named, and the files and folders of lists."""
    from jpki.validation.crl_index import CrlIndexStore, is_store

    stores = [path for path in paths if is_store(path)]
    if len(stores) > 1:
        raise UsageFault("usage_one_store")
    files = [path for path in paths if path not in stores]
    return (CrlIndexStore(stores[0]) if stores else None), files


def refuse_stores(paths: Sequence[Path]) -> None:
    """Raises UsageFault for a store where only lists can be used: its indexes are JPKI's."""
    from jpki.validation.crl_index import is_store

    if any(is_store(path) for path in paths):
        raise UsageFault("usage_store_profile")
