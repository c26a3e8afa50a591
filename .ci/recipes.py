# SPDX-License-Identifier: Apache-2.0
"""Does what the recipes of examples/recipes and deploy say, step by step, in a fresh Debian.

Needs root and debootstrap, and the network for packages; about five minutes. Each instruction
of the Containerfile and each ``run`` step of the workflow is carried out in a root of its own
below a temporary folder, with its own view of processes; what the recipes run at the end has
no network but loopback. The unit is given to ``systemd-analyze verify``, and its ExecStart lines
are run by hand in one network of their own, as the unit would have it.

Not covered: Docker, Podman and GitHub's runners themselves, and systemd as process 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
RECIPES = CHECKOUT / "examples" / "recipes"
MIRROR = "http://deb.debian.org/debian"
HOST_CA = "/host-ca.crt"  # where a machine behind a proxy keeps its own authority

# In the new mount and process namespace: mounts, then the step itself in the root.
ENTER = """
set -e
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/tmp"
if [ "$NETWORK" = none ]; then ip link set lo up; fi
exec chroot ${AS:+--userspec="$AS"} "$ROOT" /usr/bin/env -i "$@"
"""


class RecipeError(Exception):
    """A step did not do what the recipe says."""


@dataclass
class Root:
    """One root file system. ``env``: as ENV set it. ``user``: as USER set it."""

    path: Path
    env: dict[str, str] = field(
        default_factory=lambda: {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive",
        }
    )
    user: str = ""

    def run(
        self, argv: list[str], *, network: bool = True, extra: dict[str, str] | None = None
    ) -> str:
        """Run in the root; what it printed. Raises RecipeError with it if it fails."""
        shown = shlex.join(argv)
        print(
            f"  {self.user or 'root'}$ {shown[:150]}{'…' if len(shown) > 150 else ''}", flush=True
        )
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        values = self.env | self._way_out() | (extra or {})
        done = subprocess.run(
            [*spaces, *([] if network else ["--net"]), "sh", "-c", ENTER, "enter",
             *(f"{name}={value}" for name, value in values.items()), *argv],
            env=os.environ | {"ROOT": str(self.path), "NETWORK": "host" if network else "none",
                              "AS": self.user},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        if done.returncode:
            raise RecipeError(
                f"{shown}\nexit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done.stdout

    def _way_out(self) -> dict[str, str]:
        """This machine's own authority for pip, if it has one; nothing else of it."""
        return {"PIP_CERT": HOST_CA} if (self.path / HOST_CA[1:]).exists() else {}


def fresh(base: Path, where: Path) -> Root:
    subprocess.run(["cp", "-a", str(base), str(where)], check=True)
    return Root(where)


def debian(folder: Path) -> Path:
    """A minimal Debian 12, as the image of that name is."""
    base = folder / "debian"
    started = time.monotonic()
    subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", str(base), MIRROR],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    authority = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if authority and Path(authority).exists():
        shutil.copy(authority, base / HOST_CA[1:])
    print(f"Debian 12 in {time.monotonic() - started:.0f} s")
    return base


def wheel(folder: Path) -> Path:
    """The wheel of this checkout."""
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--outdir", str(folder), str(CHECKOUT)],
        check=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def instructions(text: str) -> list[tuple[str, str]]:
    """Instructions of a Containerfile, continued lines joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    pairs = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(name.upper(), re.sub(r"\s+", " ", rest).strip()) for name, _, rest in pairs]


def container(base: Path, folder: Path, package: Path) -> None:
    """The Containerfile, then what its first lines say to run."""
    root = fresh(base, folder / "container")
    arguments = {"JPKI": f"/wheels/{package.name}[pcsc,testing]"}
    entry, command = built(root, RECIPES / "Containerfile", package, arguments)
    report = root.run([*entry, *command], network=False)
    _expect("TEST CARD" in report and "in force   yes" in report, report)
    listed = root.run([*entry, "taro-moved", "opensc-tool", "--list-readers"], network=False)
    _expect("Virtual PCD 00 00" in listed, listed)
    looked = json.loads(root.run([*entry, "hanako", "jpki", "doctor", "--json"], network=False))
    levels = {found["code"]: found["level"] for found in looked["findings"]}
    _expect(looked["faults"] == 0 and levels.get("vpcd_local") == "ok", json.dumps(levels))
    probed = json.loads(
        root.run([*entry, "hanako", "jpki", "reader", "probe", "--json"], network=False)
    )
    _expect(probed["short"] == 256 and probed["remembered"], json.dumps(probed))


def server_half(base: Path, folder: Path, package: Path) -> None:
    """deploy/Containerfile.half, from hashed packages alone; then a server half is asked."""
    root = fresh(base, folder / "half")
    entry, command = built(root, CHECKOUT / "deploy" / "Containerfile.half", package, {})
    shown = root.run([*entry, *command], network=False)
    _expect("Run the server half" in shown, shown)
    shutil.copy(CHECKOUT / ".ci" / "ask_server_half.sh", root.path)
    asking = "cd /var/lib/jpki-half && sh /ask_server_half.sh"
    told = root.run(["sh", "-c", asking], network=False)
    _expect("200 jpki.auth.challenge/1 401" in told, told)


def built(
    root: Root, recipe: Path, package: Path, arguments: dict[str, str]
) -> tuple[list[str], list[str]]:
    """Carry out the instructions of a Containerfile; its entry point and command."""
    last: dict[str, list[str]] = {"ENTRYPOINT": [], "CMD": []}
    for name, rest in instructions(recipe.read_text("utf-8")):
        if name == "RUN":
            root.run(["sh", "-c", rest], extra=arguments)
        elif name == "COPY":
            _copy(root, rest, package)
        elif name == "ENV":
            key, _, value = rest.partition("=")
            root.env[key] = value
        elif name == "USER":
            root.user = rest
            root.env["HOME"] = f"/home/{rest}"
        elif name in last:
            last[name] = json.loads(rest)
        elif name not in ("FROM", "ARG"):
            raise RecipeError(f"this check does not know {name}")
    return last["ENTRYPOINT"], last["CMD"]


def _copy(root: Root, rest: str, package: Path) -> None:
    source, target = rest.split()
    where = root.path / target.lstrip("/")
    if source in ("wheels/", "dist/"):
        where.mkdir(parents=True, exist_ok=True)
        shutil.copy(package, where)
    else:
        where.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy((CHECKOUT if "/" in source else RECIPES) / source, where)


def steps(text: str) -> list[str]:
    """The scripts after ``run: |`` of a workflow."""
    found = []
    for match in re.finditer(r"^( *)(?:- )?run: \|\n((?:\1 .*\n|\n)+)", text, re.M):
        lines = match[2].splitlines()
        margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        found.append("\n".join(line[margin:] for line in lines))
    return found


def workflow(base: Path, folder: Path, package: Path) -> None:
    """The workflow's steps, in a project that has the sample tests."""
    root = fresh(base, folder / "workflow")
    project = root.path / "project"
    project.mkdir()
    shutil.copy(RECIPES / "test_card.py", project)
    shutil.copy(package, root.path)
    root.env |= {"LC_ALL": "C.UTF-8", "HOME": "/project", "JPKI": f"/{package.name}[testing]"}
    scripts = steps((RECIPES / "github-actions.yml").read_text("utf-8"))
    _expect(len(scripts) == 2, "the workflow has two steps of ours")
    for script in scripts:
        printed = root.run(["sh", "-ec", f"cd /project\n{script}"])
    _expect("2 passed" in printed, printed)


def unit(base: Path, folder: Path) -> None:
    """The unit and the drop-in: what systemd says of them, and their lines, run together."""
    root = Root(folder / "container")  # it has /opt/jpki, pcscd and the virtual reader
    root.env["PATH"] = "/opt/jpki/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    root.run(
        ["sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd"]
    )
    system = root.path / "etc" / "systemd" / "system"
    (system / "pcscd.service.d").mkdir(parents=True, exist_ok=True)
    shutil.copy(RECIPES / "jpki-virtual-card.service", system)
    shutil.copy(RECIPES / "pcscd-virtual.conf", system / "pcscd.service.d")
    said = root.run(["sh", "-c", "systemd-analyze verify --man=no jpki-virtual-card.service 2>&1"])
    print("  systemd-analyze:", said.strip() or "no complaint")
    starts = [
        line.removeprefix("ExecStart=")
        for name in ("pcscd-virtual.conf", "jpki-virtual-card.service")
        for line in (RECIPES / name).read_text("utf-8").splitlines()
        if line.startswith("ExecStart=/")
    ]
    _expect(len(starts) == 2, str(starts))
    both = " & ".join(starts)
    printed = root.run(
        ["sh", "-c", f"mkdir -p /run/pcscd; {both} & sleep 3; jpki card info --wait=10"],
        network=False,
    )
    _expect("TEST CARD" in printed, printed)


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise RecipeError(otherwise)


def _prepare(*, needs_debootstrap: bool) -> None:
    """Root, and debootstrap: a minimal Debian has none."""
    if os.geteuid() != 0:
        sys.exit("This makes a root file system of its own, so it needs root.")
    if needs_debootstrap and not shutil.which("debootstrap"):
        quiet = ["apt-get", "-qq", "-y"]
        subprocess.run([*quiet, "update"], check=True)
        subprocess.run([*quiet, "install", "debootstrap"], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help="a wheel made before")
    parser.add_argument("--base", type=Path, help="a minimal Debian 12 made before")
    parser.add_argument("--only", help="the recipe of this name")
    options = parser.parse_args()
    _prepare(needs_debootstrap=options.base is None)
    folder = Path(tempfile.mkdtemp(prefix="jpki-recipes-"))
    try:
        package = options.wheel or wheel(folder)
        base = options.base or debian(folder)
        recipes = (
            ("Containerfile.half", lambda: server_half(base, folder, package)),
            ("Containerfile", lambda: container(base, folder, package)),
            ("github-actions.yml", lambda: workflow(base, folder, package)),
            ("jpki-virtual-card.service", lambda: unit(base, folder)),
        )
        for name, check in recipes:
            if options.only not in (None, name):
                continue
            print(name, flush=True)
            check()
            print("  done as it says")
    except RecipeError as error:
        sys.exit(f"FAILED: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
