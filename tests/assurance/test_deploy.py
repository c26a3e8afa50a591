# SPDX-License-Identifier: Apache-2.0
"""The units and the container recipe for terminals and the server half fit the toolkit.

Not shown here: systemd as process 1, and Podman itself.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from command_line import Cli

pytestmark = pytest.mark.checkout

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
MOST_EXPOSED = 1.5  # of 10, as systemd-analyze counts


def test_there_are_units() -> None:
    assert [unit.name for unit in UNITS] == ["jpki-half.service", "jpki-kiosk.service"]


def _options(words: list[str]) -> list[str]:
    """Options of a ``jpki`` command line that its help does not name."""
    shown = Cli({})(*words[:2], "--help").out
    return [word for word in words if word.startswith("--") and word not in shown]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_calls_what_exists(unit: Path) -> None:
    line = re.search(r"^ExecStart=/opt/jpki/bin/jpki (.+)$", unit.read_text("utf-8"), re.M)
    assert line
    assert _options(line[1].split()) == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if unit.name in line]
    assert [line for line in ours if "/opt/jpki/bin/jpki is not executable" not in line] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_hardened(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    level = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert level, done.stdout
    assert float(level[1]) <= MOST_EXPOSED
    assert "LimitCORE=0" in unit.read_text("utf-8").splitlines()


def test_the_container_takes_hashed_packages_and_no_root() -> None:
    text = (DEPLOY / "Containerfile.half").read_text("utf-8")
    steps = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.M)).splitlines()
    installs = [step for step in steps if "pip install" in step]
    assert len(installs) == 1
    assert installs[0].count("pip install") == 2
    assert "--require-hashes -r /build/all.txt" in installs[0]
    assert "--no-deps --no-index" in installs[0]
    last = [step.split()[0] for step in steps if step.strip()][-3:]
    assert last == ["USER", "ENTRYPOINT", "CMD"]
    shown = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    command = shown[shown.index("jpki-half kiosk half") :].replace("\\", "").split()[1:]
    assert _options(command[: command.index("No")]) == []
