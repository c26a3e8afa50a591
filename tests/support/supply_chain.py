# SPDX-License-Identifier: Apache-2.0
"""What this distribution is made of and depends on: declared, locked, and installed.

``python tests/support/supply_chain.py FILE`` writes the bill of materials of all parts.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
OURSELVES = "jpki"

# Licences whose terms a distribution under Apache-2.0 can depend on: permissive ones, and
# weak copyleft that ends at the library's own files.
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "HPND", "ISC",
        "LGPL-2.1-or-later", "LGPL-3.0-only", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0",
        "Python-2.0", "Unlicense", "Zlib", "ZPL-2.1",
    }
)  # fmt: skip
# What older metadata say, in the words of SPDX.
_WORDS = {
    "apache": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "apache license, version 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause", "bsd-3-clause license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause", "3-clause bsd license": "BSD-3-Clause",
    "gnu library or lesser general public license (lgpl)": "LGPL-2.1-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.1-or-later",
    "gnu lgpl": "LGPL-2.1-or-later",
    "isc license (iscl)": "ISC", "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0", "zope public license": "ZPL-2.1",
}  # fmt: skip


def lock_inputs() -> dict[str, list[str]]:
    """For each lock file: what pyproject.toml asks for, our own extras written out."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    core, extras = told["project"]["dependencies"], told["project"]["optional-dependencies"]
    every = [*core, *_written_out(extras["all"], extras)]
    build = told["build-system"]["requires"]
    tools = [*build, *_written_out(told["dependency-groups"]["dev"], extras)]
    return {
        "runtime": sorted(set(core)),
        "all": sorted(set(every)),
        "dev": sorted({*every, *tools}),
        "fuzz": sorted(told["dependency-groups"]["fuzz"]),
    }


def _written_out(wanted: Iterable[str], extras: Mapping[str, list[str]]) -> Iterator[str]:
    for line in wanted:
        requirement = Requirement(line)
        if requirement.name != OURSELVES:
            yield line
            continue
        for extra in requirement.extras:
            yield from _written_out(extras[extra], extras)


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Of one lock file: each package's version and hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    joined = text.replace("\\\n", " ")
    found: dict[str, tuple[str, list[str]]] = {}
    for line in joined.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line):
            hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", line)
            found[canonicalize_name(match[1])] = (match[2], hashes)
    return found


def needed(extras: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Everything that is installed for ``jpki[extras]`` here, by name; without ourselves."""
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(OURSELVES, extra) for extra in ("", *extras)]
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        distribution = metadata.distribution(name)
        found[name] = distribution
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            other = canonicalize_name(requirement.name)
            queue += [(other, wanted) for wanted in ("", *requirement.extras)]
    del found[OURSELVES]
    return found


def licences(distribution: metadata.Distribution) -> frozenset[str]:
    """SPDX names of what a distribution says it is under; its own words where we know none."""
    told = distribution.metadata
    for expression in told.get_all("License-Expression") or ():
        return frozenset(re.split(r" (?:AND|OR|WITH) ", re.sub("[()]", "", expression)))
    words = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier") or ()
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    words = words or [text.strip().splitlines()[0] for text in told.get_all("License") or ()]
    return frozenset(_WORDS.get(word.lower(), word) for word in words or ["says nothing"])


def bill_of_materials(name: str, target: Path) -> None:
    """CycloneDX (JSON) of a lock file: the same bytes for the same file."""
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible",
         "--pyproject", "pyproject.toml", "--mc-type", "library", "--spec-version", "1.6",
         "--output-format", "JSON", "--output-file", str(target), f"requirements/{name}.txt"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip


if __name__ == "__main__":
    bill_of_materials("all", Path(sys.argv[1]).resolve())
