# SPDX-License-Identifier: Apache-2.0
"""The server half's own file of its desks: what opens their queues, and of each desk the place
and what it signs with. A desk that is not in it any longer is refused.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from jpki.errors import ConfigurationError
from jpki.kiosk.shelter.files import write_whole
from jpki.kiosk.shelter.queue import DeskKeys

SCHEMA: Final = "jpki.shelter_office/1"


@dataclass(frozen=True, slots=True)
class OfficeDesk:
    """Where a desk stands, and what its queue is signed with."""

    place: str
    signing: Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class ShelterOffice:
    """``key``: opens queues. ``desks``: by name, which is the terminal's and the policy's."""

    key: X25519PrivateKey = field(repr=False)
    desks: Mapping[str, OfficeDesk] = field(default_factory=dict)

    @classmethod
    def new(cls) -> ShelterOffice:
        """An office without desks."""
        return cls(X25519PrivateKey.generate())

    def with_desk(
        self, name: str, place: str, city: X25519PublicKey | None = None
    ) -> tuple[ShelterOffice, DeskKeys]:
        """One desk more, and the keys it gets. ``city``: who opens the list of those without
        registration. Raises ConfigurationError (``desk_known``)."""
        if name in self.desks:
            raise ConfigurationError("desk_known", path=name)
        signing = Ed25519PrivateKey.generate()
        desks = {**self.desks, name: OfficeDesk(place, signing.public_key())}
        return replace(self, desks=desks), DeskKeys(name, signing, self.key.public_key(), city)

    def without_desk(self, name: str) -> ShelterOffice:
        """One desk less. Raises ConfigurationError (``desk_unknown``)."""
        if name not in self.desks:
            raise ConfigurationError("desk_unknown", path=name)
        return replace(self, desks={n: desk for n, desk in self.desks.items() if n != name})


def write_office(path: Path, office: ShelterOffice) -> None:
    """Write the file whole, readable for its owner alone. Raises OSError."""
    desks = {
        name: {"place": desk.place, "signing": _text(desk.signing.public_bytes_raw())}
        for name, desk in office.desks.items()
    }
    members = {"schema": SCHEMA, "key": _text(office.key.private_bytes_raw()), "desks": desks}
    write_whole(path, json.dumps(members, ensure_ascii=False, indent=1).encode("utf-8") + b"\n")


def read_office(path: Path) -> ShelterOffice:
    """Raises ConfigurationError (``shelter_office``)."""
    try:
        raw = json.loads(path.read_bytes())
        if raw["schema"] != SCHEMA:
            raise ValueError
        desks = {
            str(name): OfficeDesk(
                str(desk["place"]),
                Ed25519PublicKey.from_public_bytes(base64.b64decode(desk["signing"])),
            )
            for name, desk in raw["desks"].items()
        }
        key = X25519PrivateKey.from_private_bytes(base64.b64decode(raw["key"]))
        return ShelterOffice(key, desks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError("shelter_office", path=str(path)) from None


def read_city_key(path: Path) -> X25519PublicKey:
    """The city's public key (PEM). Raises ConfigurationError (``city_key``)."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey):
        raise ConfigurationError("city_key", path=str(path))
    return key


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
