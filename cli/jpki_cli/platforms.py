# SPDX-License-Identifier: Apache-2.0
"""``--platform``: the platform operator that a command asks, from its settings file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jpki_cli.clicks import option
from jpki_cli.options import PATH

if TYPE_CHECKING:
    from jpki.mapping.platform_http import HttpPlatform

platform_option = option("--platform", metavar="FILE", type=PATH)


def platform_in(path: Path | None) -> HttpPlatform | None:
    """The operator of the file, or None without one. Raises ConfigurationError."""
    if path is None:
        return None
    from jpki.mapping.platform_file import load_platform

    return load_platform(path)
