# SPDX-License-Identifier: Apache-2.0
"""Words in Japanese and English for every code. Source: ``po/LANG/*.po``; compiled: ``LANG.mo``.

Terminals speak a third way: ``ja-easy``, やさしい日本語. What it has no words for is said in
Japanese.

Keys: ``error.CODE`` (what happened, what it did to the card, what to do next),
``check.NAME`` (what a check is called), ``reason.CODE`` (why it came out so),
``value.NAME.VALUE`` (words for a value that is itself a code). Placeholders are
``str.format`` fields; a plural entry is chosen by the value ``n``.
"""

from __future__ import annotations

import functools
import gettext
from collections.abc import Mapping
from pathlib import Path

LANGUAGES = ("en", "ja")
EASY = "ja-easy"
SPOKEN = (*LANGUAGES, EASY)
_INSTEAD = {EASY: "ja"}


class MissingTextError(KeyError):
    """A key without words: a defect of ours, found by the tests."""


@functools.cache
def _catalogue(lang: str) -> gettext.GNUTranslations:
    if lang not in SPOKEN:
        raise ValueError(f"no catalogue for {lang!r}")
    with (Path(__file__).parent / f"{lang}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def has(key: str, lang: str = "en") -> bool:
    """Whether there are words for ``key``."""
    return _lookup(key, lang, None) is not None


def text(key: str, lang: str, /, **values: object) -> str:
    """The words for ``key`` with ``values`` filled in. Raises MissingTextError."""
    count = values.get("n", values.get("attempts_left"))
    template = _lookup(key, lang, count if isinstance(count, int) else None)
    if template is None:
        raise MissingTextError(key)
    return template.format_map(_Words(values, lang))


def _lookup(key: str, lang: str, count: int | None) -> str | None:
    found = _lookup_in(key, lang, count)
    if found is None and lang in _INSTEAD:
        return _lookup_in(key, _INSTEAD[lang], count)
    return found


def _lookup_in(key: str, lang: str, count: int | None) -> str | None:
    catalogue = _catalogue(lang)
    if count is not None:
        plural = catalogue.ngettext(key, key, count)
        if plural != key:
            return plural
    found = catalogue.gettext(key)
    if found != key:
        return found
    plural = catalogue.ngettext(key, key, 2)
    return None if plural == key else plural


class _Words(dict[str, object]):
    """Values, with ``value.NAME.VALUE`` in place of a value that is a code; missing = «?»."""

    def __init__(self, values: Mapping[str, object], lang: str) -> None:
        super().__init__(values)
        self._lang = lang

    def __getitem__(self, name: str) -> object:
        value = self.get(name, "?")
        if isinstance(value, tuple):  # several codes of one kind
            return (", " if self._lang == "en" else "、").join(self._one(name, v) for v in value)
        return self._one(name, value) if isinstance(value, str) else value

    def _one(self, name: str, value: object) -> str:
        return _lookup(f"value.{name}.{value}", self._lang, None) or str(value)
