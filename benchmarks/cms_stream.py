# SPDX-License-Identifier: Apache-2.0
"""A large file as a detached CMS: ``jpki sign`` beside ``openssl cms -sign -stream``.

Both are whole programs with the same key file, started anew for every round, in turns.
Throughput counts everything from start to end; memory is the peak of the process.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import _bench
from signing_bench import key_pem

_MIB = 1 << 20
_MOST_MEMORY = 120.0  # MB
_LEAST_RATIO = 0.9


def _run(words: Sequence[str]) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of one program; silent. Ends the run if it fails.

    The system counts this script's own memory (about 40 MB) as the least a child has.
    """
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    begin = time.perf_counter()
    child = os.posix_spawnp(words[0], list(words), dict(os.environ), file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    taken = time.perf_counter() - begin
    if status:
        raise SystemExit(f"{words[0]} failed")
    unit = 1 if sys.platform == "darwin" else 1024
    return taken, used.ru_maxrss * unit / 1e6


def measure(report: _bench.Report, quick: bool) -> None:
    """Medians over rounds in turns; the file is in the page cache after the first round."""
    size = (256 if quick else 1024) * _MIB
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content, key, out = folder / "content", folder / "key.pem", folder / "out"
        with content.open("wb") as file:
            for _ in range(size // _MIB):
                file.write(os.urandom(_MIB))
        key.write_bytes(key_pem())
        jpki = str(Path(sys.executable).with_name("jpki"))
        ours = [jpki, "sign", str(content), "--as", "cms", "--detached", "--key-file", str(key),
                "--out", str(out), "--force", "--json"]  # fmt: skip
        theirs = ["openssl", "cms", "-sign", "-stream", "-binary", "-in", str(content),
                  "-signer", str(key), "-outform", "DER", "-out", str(out)]  # fmt: skip
        found: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
        for _ in range(3 if quick else 5):
            found["theirs"].append(_run(theirs))
            found["ours"].append(_run(ours))
    rate = {
        who: size / _MIB / statistics.median(seconds for seconds, _ in rounds)
        for who, rounds in found.items()
    }
    report.add("jpki sign, MiB/s", rate["ours"], "MiB/s")
    report.add("openssl cms -sign -stream", rate["theirs"], "MiB/s", rival=True)
    # A limit is the most a row may be: so OpenSSL's rate over ours, at most 1 / 0.9.
    report.add("OpenSSL's rate over ours", rate["theirs"] / rate["ours"], "x", 1 / _LEAST_RATIO)
    report.add("peak memory", max(peak for _, peak in found["ours"]), "MB", _MOST_MEMORY)


if __name__ == "__main__":
    _bench.main(
        "A 1 GiB file as detached CMS: under 120 MB, at least 0.9 of OpenSSL's throughput", measure
    )
