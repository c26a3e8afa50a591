# SPDX-License-Identifier: Apache-2.0
"""The PINs of an emulated card: values and retry counters, in memory or in a state file."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from jpki.emulator.files import PinReference
from jpki.emulator.state import PinState, StateFile
from jpki.errors import CardFileError


class PinStore:
    """Counters and values of every PIN on one card. What costs a try is durable first."""

    def __init__(self, references: Iterable[PinReference], file: StateFile | None = None) -> None:
        self._references = {reference.key: reference for reference in references}
        self._pins = {key: PinState(r.tries, r.value) for key, r in self._references.items()}
        self._file = file
        if file is not None:
            self._attach(file)

    def tries(self, reference: PinReference) -> int:
        """Tries left (count)."""
        return self._pins[reference.key].tries

    def value(self, reference: PinReference) -> bytes:
        """The value that VERIFY compares with; empty if none was ever set."""
        return self._pins[reference.key].value

    def matches(self, reference: PinReference, presented: bytes) -> bool:
        """Compare in constant time. Costs no try by itself."""
        value = self._pins[reference.key].value
        return bool(value) and hmac.compare_digest(value, presented)

    def spend(self, reference: PinReference) -> int:
        """One try less; what is left (count). Raises OSError, the try being spent all the same."""
        pin = self._pins[reference.key]
        self._pins[reference.key] = PinState(max(pin.tries - 1, 0), pin.value)
        self._save()
        return self._pins[reference.key].tries

    def restore(self, reference: PinReference) -> None:
        """All tries back, after a correct value. Raises OSError, nothing being restored then."""
        pin = self._pins[reference.key]
        if pin.tries != reference.max_tries:
            self._put(reference, PinState(reference.max_tries, pin.value))

    def change(self, reference: PinReference, value: bytes) -> None:
        """A new value. Raises OSError, the old one being in force then."""
        self._put(reference, PinState(self._pins[reference.key].tries, value))

    def _put(self, reference: PinReference, new: PinState) -> None:
        old = self._pins[reference.key]
        self._pins[reference.key] = new
        try:
            self._save()
        except OSError:
            self._pins[reference.key] = old
            raise

    def _save(self) -> None:
        if self._file is not None:
            self._file.save(self._pins)

    def _attach(self, file: StateFile) -> None:
        """Take over what the file says, or begin it. Raises CardFileError."""
        loaded = file.load()
        if loaded is None:
            try:
                file.save(self._pins)
            except OSError as exc:
                raise CardFileError(path=str(file.path), place="file", reason="unwritable") from exc
            return
        if loaded.keys() != self._pins.keys():
            raise CardFileError(path=str(file.path), place="pins", reason="damaged")
        for key, pin in loaded.items():
            if pin.tries > self._references[key].max_tries or len(pin.value) > 16:
                raise CardFileError(path=str(file.path), place=f"pins.{key}", reason="damaged")
        self._pins = loaded
