# SPDX-License-Identifier: Apache-2.0
"""What a consent is to: the items and the version of the notice, given or the purpose's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jpki_cli.clicks import UsageFault

if TYPE_CHECKING:
    from jpki.mapping.policy import Purpose


def terms(purpose: Purpose, items: Iterable[str], notice: str | None) -> tuple[frozenset[str], str]:
    """Items and notice. Raises UsageFault where neither call nor policy has a notice."""
    chosen, version = frozenset(items) or purpose.data_items, notice or purpose.notice
    if not version:
        raise UsageFault("usage_missing", option="--notice")
    return chosen, version
