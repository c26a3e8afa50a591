# SPDX-License-Identifier: Apache-2.0
"""What an emulated card does instead of simply answering, told to whoever carries its bytes."""

from __future__ import annotations


class Mishap(Exception):
    """Raised by a card's ``transmit`` to the card's side of a link; never reaches a reader.

    ``reply``: bytes that arrive all the same, of any length; None = no answer. ``seconds``:
    time before that. ``leaves``: afterwards the card is out of the reader; ``returns``: and
    at once in again, without having been noticed, and blank. ``reset``: another program
    reset the card before the command arrived.
    """

    def __init__(
        self,
        reply: bytes | None = None,
        *,
        seconds: float = 0.0,
        leaves: bool = False,
        returns: bool = False,
        reset: bool = False,
    ) -> None:
        self.reply = reply
        self.seconds = seconds
        self.leaves = leaves
        self.returns = returns
        self.reset = reset
        super().__init__("mishap")
