# SPDX-License-Identifier: Apache-2.0
"""What a shell offers for options whose values are no fixed list: readers, cards, trust."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

TRUSTS = ("production", "test", "jlis-test")
"""What ``--trust`` takes besides files and folders."""


def readers(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Kinds of readers, and the emulated cards that come with the toolkit."""
    from jpki.open import built_in_cards

    return offered(("pcsc:", "replay:", *(f"virtual:{name}" for name in built_in_cards())), typed)


def cards(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """The emulated cards that come with the toolkit, else files."""
    from jpki.open import built_in_cards

    return offered(built_in_cards(), typed) or _files(typed)


def trusts(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Kinds of trust, else files."""
    return offered(TRUSTS, typed) or _files(typed)


def offered(words: Iterable[str], typed: str) -> list[CompletionItem]:
    """Those of ``words`` that begin as typed."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.startswith(typed)]


def _files(typed: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]
