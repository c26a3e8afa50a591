# SPDX-License-Identifier: Apache-2.0
"""A terminal that speaks hex to an emulated card, and the files of the built-in cards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources

from jpki.emulator import EmulatedCard

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

AIDS = {
    "jpki": "D392F000260100000001",
    "surface": "D3921000310001010402",
    "text": "D3921000310001010408",
    "juki": "D3921000310001010401",
    "common": "D3921000310001010100",
    "licence": "A0000002310600000000000000000000",
}


class Terminal:
    """Sends hex, gives (data as bytes, status word as hex)."""

    def __init__(self, card: EmulatedCard) -> None:
        self.card = card

    def send(self, apdu: str) -> tuple[bytes, str]:
        answer = self.card.transmit(bytes.fromhex(apdu))
        return answer[:-2], answer[-2:].hex().upper()

    def sw(self, apdu: str) -> str:
        return self.send(apdu)[1]

    def application(self, name: str) -> str:
        aid = AIDS[name]
        return self.sw(f"00A4040C{len(aid) // 2:02X}{aid}")

    def file(self, fid: str) -> str:
        return self.sw("00A4020C02" + fid)

    def verify(self, value: str) -> str:
        return self.sw(f"00200080{len(value):02X}{value.encode('ascii').hex()}")

    def open(self, application: str, fid: str, value: str | None = None) -> str:
        """Select the application and a PIN file of it, and present ``value``."""
        assert self.application(application) == "9000"
        assert self.file(fid) == "9000"
        return "9000" if value is None else self.verify(value)

    def read(self, fid: str) -> bytes:
        """The whole file, in one extended read."""
        assert self.file(fid) == "9000"
        data, sw = self.send("00B00000000000")
        assert sw == "9000", sw
        return data


def built_in_text(name: str) -> str:
    return (resources.files("jpki.emulator") / "cards" / f"{name}.toml").read_text("utf-8")


MakeCard = Callable[..., Terminal]
