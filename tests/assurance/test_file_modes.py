# SPDX-License-Identifier: Apache-2.0
"""Files with secrets can be read by their owner alone, whatever the umask is.

Each command runs in an empty folder with no umask at all; every file it leaves is looked at.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAP = "--db map.db --key-file map.keys --policy city-id --trust test"
KYC = "--db map.db --key-file map.keys --policy kyc --trust test --evidence-db evidence.db"
KEEP = "map evidence keep --reference C-81 --ends 2030-01-01T00:00:00Z --role service-provider"
DESK = "--office shelter.office --out desk --city city.pem"
SHOW = "map evidence show --reference C-81 --out kept.json --document D-1"
CHALLENGE = "auth challenge --origin https://a.example --purpose test --out c.json"
CARD = "--reader virtual:hanako --trust test"

# The commands, in order, and what they leave that is no secret.
JOBS: list[tuple[str, tuple[tuple[str, str], ...], frozenset[str]]] = [
    ("map", ((f"map init {MAP}", ""),), frozenset()),
    ("token", (("kiosk token --out kiosk.token", ""),), frozenset()),
    ("trace", ((f"trace --out t.trace -- pin status {CARD}", ""),), frozenset()),
    (
        "login",
        ((CHALLENGE, ""), (f"auth respond c.json --out r.json {CARD}", "1234\n")),
        frozenset({"c.json"}),
    ),
    ("records", ((f"card read attributes --out . {CARD}", "1234\n"),), frozenset()),
    ("face", ((f"card read face --with number-a --out . {CARD}", "537686677188\n"),), frozenset()),
    ("certificate", ((f"cert export sign --out s.pem {CARD}", "ABC123\n"),), frozenset()),
    ("report", ((f"card check --with text --report r.html {CARD}", "1234\n"),), frozenset()),
    (
        "evidence",
        (
            (f"map init {KYC}", ""),
            (f"{KEEP} {KYC} --actor web-1 {CARD}", "ABC123\n"),
            (f"{SHOW} {KYC} --actor staff-1", ""),
        ),
        frozenset(),
    ),
    ("desk", ((f"kiosk desk --name shelter-01 --place A {DESK}", ""),), frozenset()),
]


def jpki(words: str, lines: str, folder: Path) -> None:
    command = [sys.executable, "-m", "jpki_cli", *words.split()]
    command += ["--pin-fd", "0"] if lines else []
    done = subprocess.run(
        command, cwd=folder, input=lines, capture_output=True, text=True, check=False, umask=0,
        env={**os.environ, "HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "commands", "public"), JOBS, ids=[job[0] for job in JOBS])
def test_only_the_owner_reads_it(
    name: str, commands: tuple[tuple[str, str], ...], public: frozenset[str], tmp_path: Path
) -> None:
    city = x25519.X25519PrivateKey.generate().public_key()
    (tmp_path / "city.pem").write_bytes(
        city.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for words, lines in commands:
        jpki(words, lines, tmp_path)
    modes = {
        path.name: path.stat().st_mode & 0o777
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name not in {*public, "city.pem"}
    }
    assert modes, name
    assert {path: oct(mode) for path, mode in modes.items() if mode != 0o600} == {}
