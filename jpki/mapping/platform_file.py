# SPDX-License-Identifier: Apache-2.0
"""The settings file of a platform operator: TOML with its address, its key, and our token.

It holds a secret, so it is read only if it is its owner's alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from jpki.errors import ConfigurationError
from jpki.mapping.platform_http import TIMEOUT, HttpPlatform
from jpki.toml_text import read_toml

_MAX_SIZE: Final = 65_536  # bytes
_TYPES: Final = {"url": str, "key": str, "token": str, "timeout": int}
_NEEDED: Final = frozenset({"url", "key"})


def load_platform(path: Path) -> HttpPlatform:
    """The operator that the file names. Raises ConfigurationError (``platform_settings``).

    ``url``: https. ``key``: the operator's RSA key as PEM. ``token``: names us there.
    ``timeout``: seconds of a whole enquiry.
    """
    settings = _read(path)
    return HttpPlatform(
        settings["url"], _der(settings["key"]), token=settings.get("token", ""),
        timeout=float(settings.get("timeout", TIMEOUT)),
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            if path.stat().st_mode & 0o077:
                raise ConfigurationError("platform_settings", reason="mode")
            text = file.read(_MAX_SIZE + 1)
    except OSError:
        raise ConfigurationError("platform_settings", reason="unreadable") from None
    try:
        settings = read_toml(text[:_MAX_SIZE])
    except ValueError:
        raise ConfigurationError("platform_settings", reason="malformed") from None
    if not _NEEDED <= set(settings) <= set(_TYPES):
        named = "missing" if _NEEDED - set(settings) else "unknown_key"
        raise ConfigurationError("platform_settings", reason=named)
    if any(type(value) is not _TYPES[name] for name, value in settings.items()):
        raise ConfigurationError("platform_settings", reason="malformed")
    return settings


def _der(pem: str) -> bytes:
    try:
        key = load_pem_public_key(pem.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError("platform_settings", reason="platform_key") from None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
