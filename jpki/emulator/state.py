# SPDX-License-Identifier: Apache-2.0
"""Counters and changed PINs in a file, so that a card remembers across processes.

The file is written, flushed to the disk and renamed into place before the answer to a
VERIFY leaves the card: ending the process at any moment never gives a try back. One
process at a time. A damaged file, or that of another card, is refused and left alone.
It holds the PINs of an invented card in the clear, with mode 0600.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jpki.errors import CardFileError

SCHEMA = "jpki.card-state/1"


@dataclass(frozen=True, slots=True)
class PinState:
    """What is remembered of one PIN: ``tries`` left (count) and its ``value`` now."""

    tries: int
    value: bytes = field(repr=False)


class StateFile:
    """The state of one card in one file. ``identity`` ties the file to the card."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self._identity = identity

    def load(self) -> dict[str, PinState] | None:
        """What the file holds; None if there is none yet. Raises CardFileError."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise self._error("unreadable") from exc
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError) as exc:
            raise self._error("damaged") from exc
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise self._error("damaged", "schema")
        if document.get("card") != self._identity:
            raise self._error("other_card", "card")
        pins = document.get("pins")
        if not isinstance(pins, dict) or set(document) != {"schema", "card", "pins"}:
            raise self._error("damaged", "pins")
        return {key: self._pin(key, entry) for key, entry in pins.items()}

    def save(self, pins: Mapping[str, PinState]) -> None:
        """Write all of it, durably. Raises OSError."""
        document = {
            "schema": SCHEMA,
            "card": self._identity,
            "pins": {
                key: {"tries": pin.tries, "value": pin.value.decode("latin-1")}
                for key, pin in sorted(pins.items())
            },
        }
        text = json.dumps(document, indent=1).encode("ascii") + b"\n"
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Make the new name durable too, where folders can be opened (not on Windows)."""
        if os.name != "posix":
            return
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _pin(self, key: str, entry: object) -> PinState:
        if not isinstance(entry, dict) or set(entry) != {"tries", "value"}:
            raise self._error("damaged", f"pins.{key}")
        tries, value = entry["tries"], entry["value"]
        if type(tries) is not int or not 0 <= tries <= 255 or not isinstance(value, str):
            raise self._error("damaged", f"pins.{key}")
        try:
            return PinState(tries, value.encode("latin-1"))
        except UnicodeEncodeError as exc:
            raise self._error("damaged", f"pins.{key}") from exc

    def _error(self, reason: str, place: str = "file") -> CardFileError:
        return CardFileError(path=str(self.path), place=place, reason=reason)
