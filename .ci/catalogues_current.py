# SPDX-License-Identifier: Apache-2.0
"""Fails when a compiled message catalogue is not what its sources compile to."""

from __future__ import annotations

import sys
from pathlib import Path

from jpki.messages import SPOKEN, generate

stale = [
    lang
    for lang in SPOKEN
    if (Path(generate.__file__).parent / f"{lang}.mo").read_bytes() != generate.compiled(lang)
]
if stale:
    sys.exit(f"stale: {', '.join(stale)}; run: python -m jpki.messages.generate")
print("current:", ", ".join(SPOKEN))
