# SPDX-License-Identifier: Apache-2.0
"""A policy's decisions in words: steps, titles, the other way for who has no card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jpki_cli import texts
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.mapping.request import Step


def step_words(step: Step) -> str:
    """What one rule said."""
    if step.prohibition:
        return t(f"policy.prohibition.{step.code}", **step.values)
    return t(f"policy.step.{step.code}.{step.outcome.value}", **step.values)


def in_language(words: Mapping[str, str]) -> str:
    """In the language of this run, else in the other."""
    return str(words.get(texts.language()) or next(iter(words.values()), ""))
