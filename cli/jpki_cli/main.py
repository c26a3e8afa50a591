# SPDX-License-Identifier: Apache-2.0
"""Where the ``jpki`` program begins: Ctrl-C has its quiet end before anything else is loaded."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_INTERRUPTED = 130  # jpki_cli.errors.Exit.INTERRUPTED, which is not loaded yet


def main() -> NoReturn:
    """Entry point of the ``jpki`` program."""
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not in background
    if heeded:
        signal.signal(signal.SIGINT, _end)
    from jpki_cli.root import run

    try:
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before there were words for it, or while they were said
        code = _INTERRUPTED
    if heeded:  # all is done: nothing is left that could be told of
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Nothing was begun: there is nothing to tidy up, and nothing to say."""
    os._exit(_INTERRUPTED)
