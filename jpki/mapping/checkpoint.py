# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: how far the ledger went, signed, for keeping elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from jpki.mapping.errors import LedgerDamagedError
from jpki.mapping.keys import is_signed
from jpki.mapping.times import from_micros, micros

SCHEMA: Final = "jpki.map.checkpoint/1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The chain up to ``seq`` (count), signed. Kept elsewhere it proves what stood then."""

    map_id: str
    environment: str
    seq: int
    at: datetime
    hash: bytes
    signature: bytes = field(default=b"", repr=False)

    def signed_text(self) -> bytes:
        """What is signed."""
        lines = (
            SCHEMA, self.map_id, self.environment,
            str(self.seq), str(micros(self.at)), self.hash.hex(),
        )  # fmt: skip
        return "\n".join(lines).encode("utf-8")

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether the ledger key, of which this is the public half, made the signature."""
        return is_signed(public_key, self.signature, self.signed_text())

    def to_object(self) -> dict[str, object]:
        """The JSON object, ``jpki.map.checkpoint/1``."""
        return {
            "schema": SCHEMA,
            "map": self.map_id,
            "environment": self.environment,
            "entries": self.seq,
            "at_us": micros(self.at),
            "hash": self.hash.hex(),
            "signature": self.signature.hex(),
        }


def parse_checkpoint(data: bytes) -> Checkpoint:
    """Read a checkpoint that was kept elsewhere. Raises LedgerDamagedError (``checkpoint``)."""
    try:
        raw = json.loads(data.decode("utf-8"))
        if not isinstance(raw, dict) or raw["schema"] != SCHEMA:
            raise ValueError
        return Checkpoint(
            map_id=str(raw["map"]),
            environment=str(raw["environment"]),
            seq=int(raw["entries"]),
            at=from_micros(int(raw["at_us"])),
            hash=bytes.fromhex(raw["hash"]),
            signature=bytes.fromhex(raw["signature"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise LedgerDamagedError(reason="checkpoint") from None
