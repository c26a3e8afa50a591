# SPDX-License-Identifier: Apache-2.0
"""``python -m jpki_cli`` is ``jpki``."""

from __future__ import annotations

from jpki_cli.main import main

main()
