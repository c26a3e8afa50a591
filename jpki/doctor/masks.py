# SPDX-License-Identifier: Apache-2.0
"""Making what a machine says of itself safe to post."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from jpki.doctor.findings import Finding

GAP = "…"

# pcscd puts a reader's serial number in parentheses behind its name [PCSC hotplug_libudev.c].
_BRACKETS = re.compile(r"\(([^()]*)\)")
_NO_SERIALS = frozenset({"contact", "contactless", "picc", "icc", "sam", "ccid", "nfc", "usb"})
_TOKEN = re.compile(r"[0-9A-Za-z]+")
_INDEX = re.compile(r"(?: \d\d){1,2}$")
_MOST = 96


def reader_name(name: str) -> str:
    """A reader's name without what could be a serial number; printable characters only.

    Masked: what stands in parentheses, numbers of five digits and more, hexadecimal
    numbers of eight and more, and long tokens that are mostly digits or have them in
    three places. ``SCR3310v2`` stays.
    """
    index = _INDEX.search(name)
    tail = index[0] if index else ""
    body = name[: len(name) - len(tail)]
    body = _BRACKETS.sub(_bracket, body)
    body = _TOKEN.sub(_token, body)
    shown = "".join(char if char.isprintable() else GAP for char in body + tail)
    return shown if len(shown) <= _MOST else shown[:_MOST] + GAP


def _bracket(found: re.Match[str]) -> str:
    return found[0] if found[1].strip().lower() in _NO_SERIALS else f"({GAP})"


def _token(found: re.Match[str]) -> str:
    word = found[0]
    runs = re.findall(r"\d+", word)
    digits = sum(map(len, runs))
    long_number = any(len(run) >= 5 for run in runs)
    hexadecimal = len(word) >= 8 and digits and re.fullmatch(r"[0-9A-Fa-f]+", word)
    scattered = len(word) >= 6 and len(runs) >= 3
    mostly = len(word) >= 8 and digits * 2 > len(word) + 1
    return GAP if long_number or hexadecimal or scattered or mostly else word


def version(text: str | None) -> str:
    """The public part of a version: a local part may name a machine."""
    found = re.match(r"\d{1,5}(?:\.\d{1,5}){0,3}(?:(?:a|b|rc)\d{1,3})?", text or "")
    return found[0] if found else "?"


def word(text: str) -> str:
    """A short name of a system or processor, or «?»."""
    return text if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}", text) else "?"


def scrubbed(finding: Finding, private: Iterable[str]) -> Finding:
    """The finding with every name of the user and the machine taken out of its values.

    A second net: no value is made from them in the first place, but a reader may be named
    after somebody.
    """
    patterns = [re.compile(re.escape(name), re.I) for name in private if len(name) >= 3]

    def clean(value: object) -> object:
        if isinstance(value, str):
            for pattern in patterns:
                value = pattern.sub(GAP, value)
        return value

    values: Mapping[str, object] = {name: clean(value) for name, value in finding.values.items()}
    return Finding(finding.check, finding.level, finding.code, values, finding.fix, finding.lines)
