# SPDX-License-Identifier: Apache-2.0
"""Does what the README tells a newcomer, in a fresh Debian 12, and writes down how it went.

    python .ci/new_user.py [--base DEBIAN] [--wheel WHEEL]      (root, debootstrap, a network)

Every command after the clone is a line of README.md. What each printed (the middle of long
output left out) and how long it took is written to docs/new-user.md. The clone comes from this
checkout; ``pipx run`` gets its wheel and is run by a user who is not root.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recipes import CHECKOUT, RecipeError, Root, debian, wheel

PAGE = CHECKOUT / "docs" / "new-user.md"
SHOWN = 7  # lines at either end of long output
ENVIRONMENT = 'export PATH="$PWD/.venv/bin:$PATH" JPKI_READER=virtual:hanako JPKI_TRUST=test'

HEAD = """# As a new user

What the README tells a newcomer, done in a fresh Debian 12 (debootstrap, minbase: no Python,
no make, no git) on {date}. Made by `.ci/new_user.py`; nothing was done that is not shown, and «…»
stands for lines left out. *seconds* is what the clock said on {cores} cores with a load of
{load:.0f}; *of CPU* is what the step itself worked: with the download, about what it takes on a
machine that is idle.
"""


@dataclass(frozen=True)
class Step:
    """A command, as the README has it. ``status``: of the shell, where it is not 0."""

    command: str
    user: str = ""
    status: int = 0
    folder: str = "/srv/jpki"


def steps(package: str) -> list[Step]:
    """From nothing to the verdict, then with a reader, then without a checkout."""
    check = "jpki card check --with text,auth --pin-fd 0 <<< $'1234\\n1234'"
    debian_line = "apt-get install -y pcscd libpcsclite-dev gcc python3-dev"
    return [
        Step("apt-get update && apt-get install -y make git", folder="/root"),
        Step("git clone REPOSITORY jpki", folder="/root"),
        Step("make demo"),
        Step(f"{ENVIRONMENT}\n{check}"),
        Step(debian_line),
        Step(".venv/bin/pip install '.[pcsc]'"),
        Step(".venv/bin/jpki doctor", status=3),  # no reader is plugged in
        Step("apt-get install -y --no-install-recommends pipx", folder="/root"),
        Step(f"pipx run --spec {package} jpki demo", user="visitor", folder="/home/visitor"),
    ]


@dataclass(frozen=True)
class Done:
    """A step that was taken: what it printed, seconds by the clock and of CPU."""

    step: Step
    printed: str
    clock: float
    cpu: float


def run(root: Root, step: Step, where: str) -> Done:
    """Take one step. Raises RecipeError."""
    root.user = step.user
    root.env["HOME"] = f"/home/{step.user}" if step.user else "/root"
    command = step.command.replace("REPOSITORY", where)
    script = f"cd {step.folder}\n{{ {command}\n}} 2>&1; s=$?; test $s = {step.status} || exit 9"
    begin, before = time.monotonic(), os.times()
    printed = root.run(["bash", "-c", script])
    clock, after = time.monotonic() - begin, os.times()
    worked = after.children_user - before.children_user
    return Done(step, printed, clock, worked + after.children_system - before.children_system)


def excerpt(printed: str) -> str:
    """The ends of long output, without what pip and apt say of each package."""
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    if len(lines) > 2 * SHOWN:
        lines = [*lines[:SHOWN], "…", *lines[-SHOWN:]]
    return "\n".join(line if len(line) <= 110 else f"{line[:109]}…" for line in lines)


def page(taken: list[Done]) -> str:
    """The page: a table of times, then each step."""
    head = HEAD.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}", cores=os.cpu_count(), load=os.getloadavg()[2]
    )
    rows = [
        f"| {number} | `{done.step.command.splitlines()[-1]}` | {done.clock:.1f} | {done.cpu:.1f} |"
        for number, done in enumerate(taken, 1)
    ]
    table = ["| | command | seconds | of CPU |", "|---|---|---|---|", *rows]
    parts = [head, "\n".join(table) + "\n"]
    for number, done in enumerate(taken, 1):
        prompt = "$" if done.step.user else "#"
        typed = "\n".join(f"{prompt} {line}" for line in done.step.command.splitlines())
        ends = f", exit {done.step.status}" if done.step.status else ""
        shown = excerpt(done.printed)
        parts.append(f"## {number}. {done.clock:.1f} s{ends}\n\n```text\n{typed}\n{shown}\n```\n")
    return "\n".join(parts)


def demonstrate(root: Root, package: Path) -> list[Done]:
    """Every step in order. Raises RecipeError."""
    subprocess.run(["git", "clone", "-q", "--bare", str(CHECKOUT), str(root.path / "srv" / "jpki")],
                   check=True)  # fmt: skip
    shutil.copy(package, root.path / "srv")
    root.env["LC_ALL"] = "C.UTF-8"
    root.run(["useradd", "--create-home", "visitor"])
    taken = []
    for step in steps(f"/srv/{package.name}"):
        taken.append(run(root, step, "/srv/jpki"))
        print(f"  {taken[-1].clock:6.1f} s", flush=True)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help="a wheel made before")
    parser.add_argument("--base", type=Path, help="a minimal Debian 12 made before")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="jpki-new-user-"))
    try:
        package = options.wheel or wheel(folder)
        base = options.base or debian(folder)
        fresh = folder / "root"
        subprocess.run(["cp", "-a", str(base), str(fresh)], check=True)
        PAGE.write_text(page(demonstrate(Root(fresh), package)), encoding="utf-8")
    except RecipeError as error:
        sys.exit(f"FAILED: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
