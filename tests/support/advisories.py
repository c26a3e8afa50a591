# SPDX-License-Identifier: Apache-2.0
"""Known vulnerabilities out of a copy of PyPA's advisory database, for where no index is reached.

A copy is a checkout of https://github.com/pypa/advisory-database: one YAML file in OSV's form for
each advisory, below ``vulns/PACKAGE``. It knows what was published when it was copied, no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


def vulnerable(copy: Path, packages: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Package, version and advisory, for each of ``packages`` (name to version) that has one."""
    folders = {str(canonicalize_name(path.name)): path for path in (copy / "vulns").iterdir()}
    return [
        (name, version, advisory["id"])
        for name, version in sorted(packages.items())
        if name in folders
        for advisory in _advisories(folders[name])
        if any(_affects(one, name, version) for one in advisory.get("affected", ()))
    ]


def newest(copy: Path) -> str:
    """The day of the last change in the copy (2026-11-21)."""
    days = (
        match[1]
        for path in (copy / "vulns").rglob("*.yaml")
        if (match := re.search(r"^modified: \W?(\d{4}-\d\d-\d\d)", path.read_text("utf-8"), re.M))
    )
    return max(days)


def _advisories(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        advisory: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        if "withdrawn" not in advisory:
            yield advisory


def _affects(affected: Mapping[str, Any], name: str, version: str) -> bool:
    if canonicalize_name(affected["package"]["name"]) != name:
        return False
    if version in affected.get("versions", ()):
        return True
    ranges = [one["events"] for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM"]
    return any(_within(Version(version), events) for events in ranges)


def _within(version: Version, events: list[dict[str, str]]) -> bool:
    """Whether a range holds it: from ``introduced`` on, up to ``fixed`` or ``last_affected``."""
    inside = False
    for event in events:
        (kind, bound), = event.items()  # fmt: skip
        try:
            at = Version("0" if bound == "0" else bound)
        except InvalidVersion:
            continue
        if kind == "introduced":
            inside = inside or version >= at
        elif version >= at and (kind == "fixed" or version > at):
            inside = False
    return inside
