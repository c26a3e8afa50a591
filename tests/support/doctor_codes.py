# SPDX-License-Identifier: Apache-2.0
"""What the doctor's catalogue knows: its codes, and what each text needs."""

from __future__ import annotations

import re
from importlib import resources


def _catalogue() -> str:
    return (resources.files("jpki.messages") / "po" / "en" / "doctor.po").read_text("utf-8")


def codes() -> set[str]:
    """Every ``doctor.CODE`` that is the words of a finding."""
    keys = re.findall(r'^msgid "doctor\.([a-z0-9_]+)"$', _catalogue(), re.M)
    return set(keys) - {"faults", "safe"}


def needed(code: str) -> set[str]:
    """Values that the words of ``code`` need."""
    found = re.search(rf'^msgid "doctor\.{code}"\nmsgstr "(.*)"$', _catalogue(), re.M)
    assert found, code
    return set(re.findall(r"\{(\w+)\}", found[1]))
