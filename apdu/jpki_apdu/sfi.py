# SPDX-License-Identifier: Apache-2.0
"""Which applications take short EF identifiers: learnt by trying once, remembered per channel."""

from __future__ import annotations

READ_BINARY = 0xB0


class ShortIds:
    """What is known of short EF identifiers (SFI) on one card.

    ``mode``: None = try and remember; True = always; False = never.
    A refusal is taken for the whole application if it was READ BINARY, or if no command
    there was ever answered by SFI; else only for that command.
    """

    __slots__ = ("_answered", "_mode", "_refused", "_taken")

    def __init__(self, mode: bool | None) -> None:
        self._mode = mode
        self._taken: set[bytes | None] = set()
        self._answered: set[bytes | None] = set()
        self._refused: set[tuple[bytes | None, int]] = set()

    @property
    def forced(self) -> bool:
        """The caller will have it no other way."""
        return self._mode is True

    def wanted(self, aid: bytes | None, ins: int, fid: int) -> bool:
        """Whether to try; only files 0001-001E have an identifier that is known [MC]."""
        if self._mode is False or not 1 <= fid <= 30:
            return False
        refused = (aid, ins) in self._refused or (aid, READ_BINARY) in self._refused
        return self.forced or not refused

    def settled(self, aid: bytes | None) -> bool:
        """The application is known to take them, so a refusal means something else."""
        return self.forced or aid in self._taken

    def take(self, aid: bytes | None) -> None:
        """READ BINARY by SFI was answered."""
        self._taken.add(aid)
        self._answered.add(aid)

    def answer(self, aid: bytes | None) -> None:
        """A command other than READ BINARY was answered by SFI."""
        self._answered.add(aid)

    def refuse(self, aid: bytes | None, ins: int) -> None:
        """By SFI it was refused, by name it was answered."""
        self._refused.add((aid, ins if aid in self._answered else READ_BINARY))
