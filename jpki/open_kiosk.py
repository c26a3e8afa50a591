# SPDX-License-Identifier: Apache-2.0
"""Composition root of a terminal: its reader, its flows, and the process of a presentation.

``python -m jpki.open_kiosk`` is that process. It is started by a terminal and by nobody else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from jpki.card import Card
from jpki.open import open_card

if TYPE_CHECKING:
    from jpki.kiosk.visit import Flow

MODULE: Final = "jpki.open_kiosk"


def flows_of(settings: Mapping[str, Any]) -> dict[str, Flow]:
    """The flows of a terminal, by id.

    Settings: ``server`` (url), ``token``, ``ca`` (PEM file or None), ``policy`` (preset or
    file), ``flows`` (ids).
    """
    import ssl

    from jpki.kiosk.flows.konbini import Konbini, StubCoins
    from jpki.kiosk.server.client import HttpServerHalf
    from jpki.mapping.policy_file import load_policy

    ca = settings.get("ca")
    context = ssl.create_default_context(cafile=ca) if ca else None
    server = HttpServerHalf(settings["server"], settings["token"], context=context)
    policy = load_policy(settings["policy"])
    made: dict[str, Flow] = {}
    if "konbini" in settings["flows"]:
        made["konbini"] = Konbini(server, policy, StubCoins())
    return made


@contextmanager
def _opened(uri: str) -> Iterator[Card]:
    # As long as it takes a card to be put down properly; a ``vpcd:`` card has to dial in.
    with open_card(uri, wait=5.0).card as card:
        yield card


def main() -> None:
    """Be the process of one presentation."""
    from jpki.kiosk.worker import run

    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints does not reach the pipe
    run(_opened, flows_of, sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
