# SPDX-License-Identifier: Apache-2.0
"""The sample project's own CI, run against the wheel that is built from this checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "kiosk-project"
WORKFLOW = SAMPLE / ".github" / "workflows" / "test.yml"


def steps() -> list[str]:
    """The commands of the workflow, in order."""
    return re.findall(r"^ *- run: (.+)$", WORKFLOW.read_text("utf-8"), re.M)


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=environment,
        capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_what_the_workflow_installs_is_what_this_system_has() -> None:
    """Its root's steps cannot be run by a test; they are the same as ours."""
    as_root = [step.removeprefix("sudo ") for step in steps() if step.startswith("sudo ")]
    assert as_root[0] == "apt-get update"
    names = as_root[1].removeprefix("apt-get install -y --no-install-recommends ").split()
    assert {"pcscd", "vsmartcard-vpcd"} <= set(names)
    found = run(
        f"dpkg-query -W -f '${{db:Status-Status}}\n' {' '.join(names)}", ROOT, dict(os.environ)
    )
    assert found.split() == ["installed"] * len(names)
    assert as_root[2:] == ["mkdir -p /run/pcscd"]
    assert Path("/run/pcscd").is_dir()


@pytest.mark.timeout(300)
def test_the_sample_s_own_ci_passes_with_our_wheel(tmp_path: Path) -> None:
    run(
        f"{sys.executable} -m pip wheel --quiet --no-deps --no-build-isolation -w wheels {ROOT}",
        tmp_path, dict(os.environ),
    )  # fmt: skip
    wheel = next((tmp_path / "wheels").glob("jpki-*.whl"))
    run(f"{sys.executable} -m venv venv", tmp_path, dict(os.environ))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JPKI_", "COV"))}
    environment = kept | {"PATH": f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}"}
    # Ours is there first, so that the project's requirement is met by it and by nothing else.
    run(f"python -m pip install --quiet '{wheel}[pcsc,testing]'", tmp_path, environment)
    project = tmp_path / "project"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    said = [run(step, project, environment) for step in steps() if not step.startswith("sudo ")]
    assert len(said) == 2
    assert re.search(r"\b\d+ passed in", said[-1]), said[-1]
    assert " failed" not in said[-1]
    assert f"jpki @ {wheel.as_uri()}" in run("python -m pip freeze", tmp_path, environment)
