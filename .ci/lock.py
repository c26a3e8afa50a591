# SPDX-License-Identifier: Apache-2.0
"""Writes requirements/*.txt from pyproject.toml: every package with its version and hashes.

``runtime.txt``: the core; ``all.txt``: with every optional part; ``dev.txt``: with the development
tools too; ``fuzz.txt``: the fuzzer. `LOCKED=1 make setup` installs the last two and nothing else.
Asks the package index. Arguments are uv's: ``--upgrade`` takes the newest of all.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import supply_chain  # noqa: E402

HEAD = "# Written by .ci/lock.py from pyproject.toml; install with --require-hashes.\n"


def main() -> None:
    for name, wanted in supply_chain.lock_inputs().items():
        target = ROOT / "requirements" / f"{name}.txt"
        with tempfile.TemporaryDirectory(prefix="jpki-lock-") as folder:
            source = Path(folder) / "requirements.in"
            source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
            made = Path(folder) / "made.txt"
            if target.exists():  # versions stay unless pyproject.toml asks for others
                made.write_bytes(target.read_bytes())
            subprocess.run(
                ["uv", "pip", "compile", "--quiet", "--generate-hashes", "--strip-extras",
                 "--python-version", "3.11", "--no-header", "--no-annotate",
                 *(["--universal"] if name == "fuzz" else []),  # it is not there for all systems
                 *sys.argv[1:], "--output-file", made, source],
                check=True,
            )  # fmt: skip
            target.write_text(HEAD + made.read_text(encoding="utf-8"), encoding="utf-8")
        print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
