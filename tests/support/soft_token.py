# SPDX-License-Identifier: Apache-2.0
"""A SoftHSM token of a test's own, made with its own tool."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN, SO_PIN = "token-pin-1", "12345678"


@dataclass(frozen=True)
class SoftToken:
    """``folder``: where SoftHSM keeps it."""

    folder: Path
    label: str

    def uri(self, name: str = "map", label: str | None = None) -> str:
        token = quote(label or self.label)
        return f"pkcs11:token={token};object={name}?module-path={MODULE}"

    def pin(self) -> bytearray:
        return bytearray(PIN.encode())


def make_token(folder: Path, label: str, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """A token in SoftHSM's store at ``folder``, which this process and its children then use."""
    (folder / "tokens").mkdir(parents=True, exist_ok=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\n"
        "objectstore.backend = file\nlog.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin",
         PIN],
        check=True, capture_output=True, timeout=30, env=os.environ,
    )  # fmt: skip
    look_again()
    return SoftToken(folder, label)


def look_again() -> None:
    """Let the module in this process read SOFTHSM2_CONF anew: it does so only when it begins,
    and a test before may have begun it with a store of its own."""
    import pkcs11

    pkcs11.lib(MODULE).reinitialize()
