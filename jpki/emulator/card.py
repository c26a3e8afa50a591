# SPDX-License-Identifier: Apache-2.0
"""The emulated card: bytes in, bytes out, no input or output of its own.

``transmit`` takes any bytes and never raises; what the card does is in the tables below.
Serves the in-process connection and the virtual reader alike.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from jpki.card_map import PinKind
from jpki.emulator import commands, security_commands, sm_commands, words
from jpki.emulator.apdu import Command, parse
from jpki.emulator.chip import Chip
from jpki.emulator.fault_player import FaultPlayer
from jpki.emulator.faults import Fault, FaultKind, faults_of
from jpki.emulator.files import CardImage, Once
from jpki.emulator.pins import PinStore
from jpki.emulator.quirks import Quirks
from jpki.emulator.timing import TIMINGS, Timing, exchange_seconds

_log = logging.getLogger(__name__)

Handler = Callable[[Chip, Command], bytes]


class ApduTrace(NamedTuple):
    """One exchange without data: header (4 bytes or fewer), Lc, Le, reply bytes, status word."""

    header: bytes
    lc: int
    le: int | None
    reply: int
    sw: int


_WRONG_FILES = (
    (FaultKind.WRONG_AUTH_CERTIFICATE, 0x000A),
    (FaultKind.WRONG_SIGN_CERTIFICATE, 0x0001),
)


def _constant(answer: bytes) -> Handler:
    return lambda chip, command: answer


def _last_command(chip: Chip, command: Command) -> bytes:
    """80 FC: only the iPhone token knows it; a card answers 6700 [MC]."""
    return words.OK if chip.image.last_command_indicator else words.WRONG_LENGTH


def _manage_attributes(chip: Chip, command: Command) -> bytes:
    """80 8A: P1 22 and 24 get as far as the issuer's security check [MC]."""
    return words.SECURITY_STATUS if command.p1 in (0x22, 0x24) else words.WRONG_P1P2


_HANDLERS: dict[int, Handler] = {
    0x00A4: commands.select,
    0x00B0: commands.read_binary,
    0x00B2: commands.read_record,
    0x0020: security_commands.verify,
    0x0024: security_commands.change_reference,
    0x0084: commands.get_challenge,
    0x0088: security_commands.internal_authenticate,
    0x00C0: commands.get_response,
    0x00CA: commands.get_data,
    0x802A: security_commands.compute_signature,
    0x8032: security_commands.change_key,
    0x80AE: security_commands.set_session_key,
    0x80A2: _constant(words.WRONG_P1P2),  # terminal certificate; nobody has completed it
    0x80FC: _last_command,
    0x808A: _manage_attributes,
    # Commands of the issuer: refused for want of its authentication [JICSAP], grade C.
    0x002C: _constant(words.SECURITY_STATUS),
    0x8006: _constant(words.SECURITY_STATUS),
    0x8050: _constant(words.SECURITY_STATUS),
    0x8052: _constant(words.SECURITY_STATUS),
    0x8054: _constant(words.SECURITY_STATUS),
}


def _without_handler(chip: Chip, command: Command) -> bytes:
    """Secure messaging, logical channels, and what does not exist."""
    cla = command.cla
    if cla in (0x00, 0x80):
        return words.INS_UNSUPPORTED
    if cla & 0x40 and cla < 0x80:
        return words.CHANNEL_UNSUPPORTED
    if cla & 0x70:
        return words.CLA_UNSUPPORTED
    if cla & 0x03:
        return words.CHANNEL_UNSUPPORTED
    return sm_commands.secured(chip, command)


class EmulatedCard:
    """One virtual card.

    ``log``: called with an :class:`ApduTrace` after every command, for tests.
    ``apdus``: commands carried out since the card was made (count).
    ``modelled``: seconds the commands would have taken, with ``timing``. ``sleep``: how that
    time, and in process that of a late answer, is spent; None = not at all.
    ``others``: another holder's certificates, by the file id they stand in here.
    """

    def __init__(
        self,
        image: CardImage,
        pins: PinStore,
        quirks: Quirks | None = None,
        *,
        random: Callable[[int], bytes] = os.urandom,
        others: Mapping[int, Once[bytes]] | None = None,
    ) -> None:
        self._chip = Chip(image, pins, quirks or Quirks(), random)
        self._image = image
        self._others = others or {}
        self._player: FaultPlayer | None = None
        self._powered = False
        self._fresh = True
        self.apdus = 0
        self.log: Callable[[ApduTrace], None] | None = None
        self._timing: Timing | None = None
        self.modelled = 0.0
        self.sleep: Callable[[float], None] | None = time.sleep

    def __repr__(self) -> str:
        return f"<TEST CARD {self.name}>"

    @property
    def name(self) -> str:
        """The name of the profile."""
        return self._chip.image.name

    @property
    def atr(self) -> bytes:
        """Answer to reset."""
        return self._chip.image.atr

    @property
    def quirks(self) -> Quirks:
        """The switches this card was made with."""
        return self._chip.quirks

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong with this card. Settable; lines such as ``pull:before@12`` are taken
        too (FaultSpecError). Setting them begins the count of commands anew.
        """
        return self._player.faults if self._player is not None else ()

    @faults.setter
    def faults(self, faults: Iterable[Fault | str]) -> None:
        player = FaultPlayer(faults_of(faults))
        self._player = player if player.faults else None
        wrong = {
            fid: data
            for kind, fid in _WRONG_FILES
            if player.holds(kind) and (data := self._others.get(fid)) is not None
        }
        image = self._image.with_contents(wrong) if wrong else self._image
        if image is not self._chip.image:
            self._chip.clear()
            self._chip.image = image

    @property
    def timing(self) -> Timing | None:
        """The link whose time is modelled; None = none. Settable, also by name (KeyError)."""
        return self._timing

    @timing.setter
    def timing(self, timing: Timing | str | None) -> None:
        self._timing = TIMINGS[timing] if isinstance(timing, str) else timing

    def has_fault(self, kind: FaultKind) -> bool:
        """Whether a fault that stands all the time was set."""
        return self._player is not None and self._player.holds(kind)

    def pins(self) -> dict[str, str]:
        """The PINs as they are now, for ``--show-pins``; kinds never set are left out."""
        found: dict[str, str] = {}
        order = {kind: number for number, kind in enumerate(PinKind)}
        known = [(r.kind, r) for r in self._chip.image.pins() if r.kind is not None]
        for kind, reference in sorted(known, key=lambda pair: order[pair[0]]):
            value = self._chip.pins.value(reference)
            if value:
                found.setdefault(kind.value.replace("-", "_"), value.decode("ascii", "replace"))
        return found

    def tries(self) -> Mapping[str, int]:
        """Tries left (count) of every PIN reference, by its key (``jpki/0018``)."""
        return {r.key: self._chip.pins.tries(r) for r in self._chip.image.pins()}

    def power_on(self) -> None:
        """Give the card power: nothing selected, nothing verified."""
        if not self._powered:
            self._powered = True
            self._fresh = True
            self._chip.clear()

    def power_off(self) -> None:
        """Take the power away: the card forgets every verification."""
        self._powered = False
        self._chip.clear()
        if self._player is not None:
            self._player.forget()

    def reset(self) -> None:
        """Warm reset. What was verified survives it, as measured [MC], unless the quirk says no."""
        if self._chip.quirks.reset_clears_status:
            self._chip.clear()

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """The reply to any bytes. A reader powers a card before it speaks to it.

        Raises nothing but Mishap, and that only with ``faults``.
        """
        if not self._powered:
            self.power_on()
        raw = bytes(apdu)
        if self._player is not None:
            return self._player.play(raw, self._execute)
        return self._execute(raw)

    def _execute(self, raw: bytes) -> bytes:
        """Carry a command out, as the card does when nothing goes wrong on the way."""
        self.apdus += 1
        command = parse(raw)
        answer = self._answer(command)
        if self.log is not None or self._timing is not None:
            lc, le = (len(command.data), command.le) if command else (0, None)
            sw = int.from_bytes(answer[-2:], "big")
            trace = ApduTrace(raw[:4], lc, le, len(answer) - 2, sw)
            if self.log is not None:
                self.log(trace)
            if self._timing is not None:
                self._take_time(exchange_seconds(trace, self._timing))
        return answer

    def _take_time(self, seconds: float) -> None:
        self.modelled += seconds
        if self.sleep is not None:
            self.sleep(seconds)

    def _answer(self, command: Command | None) -> bytes:
        chip = self._chip
        if self._fresh:
            self._fresh = False
            if chip.quirks.first_apdu_6f00 or self.has_fault(FaultKind.CARD_6F00):
                return words.INTERNAL
        if command is None or (command.extended and not chip.quirks.extended_length):
            return words.WRONG_LENGTH
        if chip.pending and command.ins != 0xC0:
            chip.pending = b""
        handler = _HANDLERS.get(command.cla << 8 | command.ins, _without_handler)
        try:
            return handler(chip, command)
        except Exception as exc:
            # A defect of ours must not take the reader's thread down: a chip says 6F00.
            _log.error("emulated card failed: INS %02X, %s", command.ins, type(exc).__name__)
            return words.INTERNAL
