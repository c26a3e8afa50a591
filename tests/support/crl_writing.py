# SPDX-License-Identifier: Apache-2.0
"""A writer of a revocation store in a process of its own, to be killed or starved.

``python crl_writing.py STORE LIST STEP``: puts the list in and stops, for whoever kills it,
right before the STEP-th time that the store's folder is about to change. ``python
crl_writing.py STORE LIST full SIZE``: no file may grow beyond SIZE octets.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from jpki.certificate import Environment
from jpki.errors import CrlStoreError
from jpki.synth import SynthPki
from jpki.validation import TrustStore
from jpki.validation.crl_index.writer import StoreWriter

AT = datetime(2026, 11, 21, tzinfo=UTC)


def stop_before(step: int) -> None:
    """Waits to be killed before that change of any file; tells that it is there."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if writes or event in ("os.rename", "os.remove"):
            seen += 1
            if seen == step:
                print("here", flush=True)
                time.sleep(60)

    sys.addaudithook(watch)


def main(store: str, source: str, step: str, size: str = "") -> None:
    """Puts the list in; says «done», or why not."""
    trust = TrustStore(Environment.TEST, SynthPki(AT).trust_anchors())
    data = Path(source).read_bytes()
    if step == "full":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    else:
        stop_before(int(step))
    try:
        with StoreWriter(store, trust, now=AT) as writer:
            writer.add(data)
            writer.purge()
    except CrlStoreError as error:
        print(error.values["reason"])
    else:
        print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
