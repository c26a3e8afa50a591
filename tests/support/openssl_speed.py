# SPDX-License-Identifier: Apache-2.0
"""How fast the machine is right now: what ``openssl speed`` says of RSA-2048."""

from __future__ import annotations

import subprocess


def verifies_per_second(processes: int = 1, seconds: int = 2) -> float:
    """RSA-2048 verifications a second, over that many processes."""
    multi = ["-multi", str(processes)] if processes > 1 else []
    done = subprocess.run(
        ["openssl", "speed", *multi, "-seconds", str(seconds), "rsa2048"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("rsa 2048"))
    return float(line.split()[-1])
