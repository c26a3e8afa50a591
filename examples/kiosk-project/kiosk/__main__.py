# SPDX-License-Identifier: Apache-2.0
"""``python -m kiosk READER``: the PIN comes by standard input, the answer is one sentence."""

from __future__ import annotations

import os
import sys

from jpki.open import load_trust
from kiosk.counter import Counter


def main() -> int:
    trust = load_trust(os.environ.get("KIOSK_TRUST", "production"))
    counter = Counter(trust.store, os.environ["KIOSK_RESPONDER"])
    screen = counter.log_in(sys.argv[1], bytearray(sys.stdin.readline().strip(), "ascii"))
    print(screen.text)
    return 0 if screen.logged_in else 1


sys.exit(main())
