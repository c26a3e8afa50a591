# SPDX-License-Identifier: Apache-2.0
"""What we depend on is named to the byte, free to use, known to be sound; what we ship is ours."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import advisories
import supply_chain

pytestmark = pytest.mark.checkout

ROOT = supply_chain.ROOT
LOCKS = sorted(supply_chain.lock_inputs())
EPOCH = "1700000000"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_all_that_is_declared(name: str) -> None:
    locked = supply_chain.locked(name)
    wrong = [
        line
        for line in supply_chain.lock_inputs()[name]
        for wanted in (Requirement(line),)
        if canonicalize_name(wanted.name) not in locked
        or not wanted.specifier.contains(locked[canonicalize_name(wanted.name)][0])
    ]
    assert wrong == [], "run .ci/lock.py"


@pytest.mark.parametrize("name", LOCKS)
def test_each_locked_package_has_hashes(name: str) -> None:
    locked = supply_chain.locked(name)
    assert [package for package, (_, hashes) in locked.items() if not hashes] == []


def test_the_locks_agree() -> None:
    runtime, every, dev = (supply_chain.locked(name) for name in ("runtime", "all", "dev"))
    assert runtime.items() <= every.items() <= dev.items()


def test_what_is_installed_is_locked() -> None:
    """Nothing comes with a dependency that the lock does not know."""
    assert set(supply_chain.needed(["all"])) <= set(supply_chain.locked("all"))


def test_licences_are_on_the_list() -> None:
    others = {
        name: sorted(said - supply_chain.ALLOWED)
        for name, distribution in supply_chain.needed(["all", "pdf-cli"]).items()
        if not (said := supply_chain.licences(distribution)) <= supply_chain.ALLOWED
    }
    assert others == {}


def test_the_bill_of_materials(tmp_path: Path) -> None:
    """The same bytes each time, with each package of the lock, its version and a hash."""
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    for path in (first, second):
        supply_chain.bill_of_materials("all", path)
    assert first.read_bytes() == second.read_bytes()
    told = json.loads(first.read_text(encoding="utf-8"))
    assert told["bomFormat"] == "CycloneDX"
    assert told["metadata"]["component"]["name"] == "jpki"
    parts = {canonicalize_name(part["name"]): part for part in told["components"]}
    locked = supply_chain.locked("all")
    assert {name: part["version"] for name, part in parts.items()} == {
        name: version for name, (version, _) in locked.items()
    }
    assert all(part["externalReferences"][0]["hashes"] for part in parts.values())


def test_a_wheel_built_twice_has_the_same_bytes(tmp_path: Path) -> None:
    """From another folder, with other times and another umask."""
    copy = tmp_path / "copy"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        if not name.startswith(("tests/", "docs/", "fixtures/")) and (ROOT / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            os.utime(target, (time.time() - 86_400, 1_000_000_000))
    first = _wheel(copy, tmp_path / "one", umask=0o022)
    moved = copy.rename(tmp_path / "elsewhere")
    for path in moved.rglob("*"):
        os.utime(path, (1_500_000_000, 1_500_000_000))
    second = _wheel(moved, tmp_path / "two", umask=0o077)
    assert first.name == second.name
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
    assert len(digests) == 1
    with zipfile.ZipFile(first) as wheel:
        assert "jpki/card_map.py" in wheel.namelist()


def _wheel(source: Path, out: Path, *, umask: int) -> Path:
    subprocess.run(
        [sys.executable, "-m", "build", "--quiet", "--wheel", "--no-isolation",
         "--outdir", str(out), str(source)],
        check=True, capture_output=True, umask=umask,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
    )  # fmt: skip
    (made,) = out.glob("*.whl")
    return made


@pytest.mark.assure
def test_no_known_vulnerability(record_property: Callable[[str, object], None]) -> None:
    """Of what the lock names, the package index's own record. Without a network that is said,
    and in continuous integration (CI) it is a failure."""
    done = subprocess.run(
        ["pip-audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off",
         "--format", "json", "-r", "requirements/dev.txt"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout)["dependencies"] if done.stdout.startswith("{") else []
    if all("skip_reason" in one for one in told):
        assert not os.environ.get("CI"), f"the index was not reached\n{done.stderr}"
        record_property("unchecked", "no network: the package index's records were not reached")
        return
    assert {canonicalize_name(one["name"]) for one in told} == set(supply_chain.locked("dev"))
    unknown = sorted({one["skip_reason"] for one in told if "skip_reason" in one})
    assert unknown == [], "not looked up"
    assert {one["name"]: one["vulns"] for one in told if one["vulns"]} == {}


@pytest.mark.assure
def test_no_vulnerability_in_a_copy_of_the_database(
    record_property: Callable[[str, object], None],
) -> None:
    if not (folder := os.environ.get("ADVISORIES")):
        record_property("unchecked", "no copy of the advisory database (ADVISORIES)")
        return
    copy, locked = Path(folder), supply_chain.locked("dev")
    record_property("note", f"a copy of the advisory database of {advisories.newest(copy)}")
    record_property("cases", len(locked))
    packages = {name: version for name, (version, _) in locked.items()}
    assert advisories.vulnerable(copy, packages) == []


ADVISORY = """\
id: PYSEC-1
modified: 2026-01-02T03:04:05Z
affected:
- package: {ecosystem: PyPI, name: One_Name}
  ranges:
  - type: GIT
    events: [{introduced: "0"}, {fixed: abc}]
  - type: ECOSYSTEM
    events: [{introduced: "1.2"}, {fixed: "1.4"}, {introduced: "2.0"}]
  versions: ["0.7"]
"""


@pytest.mark.parametrize(
    ("version", "found"),
    [("0.7", True), ("1.1", False), ("1.2", True), ("1.3.9", True), ("1.4", False),
     ("1.9", False), ("2.0", True), ("3.1", True)],
)  # fmt: skip
def test_an_advisory_is_found_in_a_copy(tmp_path: Path, version: str, found: bool) -> None:
    folder = tmp_path / "vulns" / "one-name"
    folder.mkdir(parents=True)
    (folder / "PYSEC-1.yaml").write_text(ADVISORY)
    (folder / "PYSEC-2.yaml").write_text(f"{ADVISORY}withdrawn: 2026-01-03T00:00:00Z\n")
    assert advisories.newest(tmp_path) == "2026-01-02"
    told = advisories.vulnerable(tmp_path, {"one-name": version, "other": version})
    assert told == ([("one-name", version, "PYSEC-1")] if found else [])
