# SPDX-License-Identifier: Apache-2.0
"""The volatile state of the emulated card: what is selected, what has been verified."""

from __future__ import annotations

import os
from collections.abc import Callable

from jpki.emulator import words
from jpki.emulator.files import ApplicationImage, CardImage, ElementaryFile
from jpki.emulator.pins import PinStore
from jpki.emulator.quirks import Quirks
from jpki.emulator.secure_messaging import SmSession


class Chip:
    """One application and one file are current; ``verified`` holds the file ids of PINs.

    No application current is the state after power-up and after SELECT of the card
    manager: the level at which GET DATA answers. Source: [MC].
    """

    __slots__ = (
        "application",
        "file",
        "image",
        "pending",
        "pins",
        "quirks",
        "random",
        "session",
        "verified",
    )

    def __init__(
        self,
        image: CardImage,
        pins: PinStore,
        quirks: Quirks,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.image = image
        self.pins = pins
        self.quirks = quirks
        self.random = random
        self.application: ApplicationImage | None = None
        self.file: ElementaryFile | None = None
        self.verified: set[int] = set()
        self.session: SmSession | None = None
        self.pending = b""

    def clear(self) -> None:
        """Forget selection, verifications and session: power-up, or the card manager."""
        self.application = None
        self.file = None
        self.session = None
        self.pending = b""
        self.verified.clear()

    def enter(self, application: ApplicationImage) -> None:
        """Make an application current; another one's verifications are lost [MC]."""
        if application is not self.application or self.quirks.reselect_clears_status:
            self.verified.clear()
        self.application = application
        self.file = None
        self.session = None

    def opened(self, file: ElementaryFile) -> bool:
        """Whether reading the file, or using the key, is allowed now."""
        return not file.opened_by or not file.opened_by.isdisjoint(self.verified)

    def find_short(self, sfi: int) -> ElementaryFile | bytes:
        """The file with that short identifier, made current; or the refusing status word."""
        if not self.quirks.sfi or not 0 < sfi < 0x1F:
            return words.WRONG_P1P2
        if self.application is None:
            return words.NO_CURRENT_FILE
        file = self.application.by_sfi.get(sfi)
        if file is None:
            return words.NOT_FOUND
        self.file = file
        return file

    def find_reference(self, p2: int) -> ElementaryFile | bytes:
        """The file that P2 names: 80 the current one, 80|sfi by short identifier."""
        if p2 == 0x80:
            return self.file if self.file is not None else words.NO_CURRENT_FILE
        if p2 & 0xE0 == 0x80:
            return self.find_short(p2 & 0x1F)
        return words.WRONG_P1P2

    def reply(self, data: bytes, le: int | None) -> bytes:
        """``data`` and 9000; 6Cxx if the reader asked for less; 61xx beyond the reply limit.

        Le absent is answered directly: over T=0 readers leave it out [testbed, OS].
        """
        if le is not None and le < len(data):
            return words.exact_length(len(data)) if len(data) <= 256 else words.WRONG_LENGTH
        limit = self.quirks.max_reply
        if limit and len(data) > limit:
            self.pending = data[limit:]
            return data[:limit] + words.more(len(self.pending))
        return data + words.OK
