# SPDX-License-Identifier: Apache-2.0
"""What a process holds: its memory as a debugger reads it, its threads, handles and size."""

from __future__ import annotations

import os
from pathlib import Path


def memory(pid: int) -> bytes:
    """Every byte that the process can write to. Only for our own processes (or root)."""
    found = bytearray()
    regions = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for region in regions:
            span, rights, *_ = region.split()
            if not rights.startswith("rw"):
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            file.seek(begin)
            try:
                while begin < end and (part := file.read(min(end - begin, 1 << 20))):
                    found += part
                    begin += len(part)
            except OSError:  # mapped, but nobody may look (vvar)
                continue
    return bytes(found)


def resident(pid: int) -> int:
    """Its memory, in kB, without what it shares with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def handles(pid: int) -> int:
    """How many files, sockets and pipes it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_running(pid: int) -> bool:
    """Whether there is such a process still; one that only waits to be buried is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Processes that it started and that are there still."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue
        if parent == str(pid):
            found.append(int(entry.name))
    return found
