# SPDX-License-Identifier: Apache-2.0
"""The certification authorities: two families, three generations each, one DN per family.

A fourth generation, P-384 with SHA-384, is invented: of the next one only the algorithm is
public [TF2024], and no law allows it yet (施行規則2条). It is kept apart from the others.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jpki.certificate.kinds import Family
from jpki.synth import der, names
from jpki.synth import extensions as ext
from jpki.synth.certificate import Fields, certificate, key_of
from jpki.synth.keystore import any_stored_key
from jpki.synth.overrides import Overrides
from jpki.synth.signing import key_id, public_key_info

if TYPE_CHECKING:
    from jpki.synth.keystore import PrivateKey

GENERATIONS = (1, 2, 3)
NEXT_GENERATION = 4


@dataclass(frozen=True, slots=True)
class _Root:
    serial: int
    not_before: datetime
    not_after: datetime


def _root(serial: int, begin: str, end: str) -> _Root:
    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    return _Root(serial, moment(begin), moment(f"{end}T14:59:59"))


# Absolute dates, whatever the day of the test. Seconds are those of the real roots [CA-DER];
# serials have their shape and are not theirs. The third generation lasts 20 years where the
# real one lasts 10, so that built-in cards and fixtures stay valid.
_ROOTS = {
    (Family.SIGN, 1): _root(1, "2015-10-20T02:40:28", "2025-10-19"),
    (Family.SIGN, 2): _root(0x0132A001, "2019-09-14T23:41:56", "2029-09-14"),
    (Family.SIGN, 3): _root(0x067CA003, "2023-07-16T00:50:27", "2043-07-15"),
    (Family.AUTH, 1): _root(1, "2015-10-20T03:08:13", "2025-10-19"),
    (Family.AUTH, 2): _root(0x0133A002, "2019-09-14T23:41:59", "2029-09-14"),
    (Family.AUTH, 3): _root(0x06D1A004, "2023-07-16T01:01:04", "2043-07-15"),
    # Invented, and begun in the past so that a card under it can exist today.
    (Family.SIGN, 4): _root(0x0A10A005, "2024-04-01T00:30:16", "2044-03-31"),
    (Family.AUTH, 4): _root(0x0A20A006, "2024-04-01T00:45:24", "2044-03-31"),
}


@dataclass(frozen=True, slots=True)
class Authority:
    """One root: family, generation, and the O of its DN."""

    family: Family
    generation: int
    organisation: str = names.SYNTH

    @property
    def name(self) -> bytes:
        """DER of the DN, the same for every generation of the family."""
        return names.ca_name(self.family, self.organisation)

    @property
    def serial(self) -> int:
        """Serial of the root's certificate."""
        return _ROOTS[self.family, self.generation].serial

    @property
    def not_before(self) -> datetime:
        """First second of the root."""
        return _ROOTS[self.family, self.generation].not_before

    @property
    def not_after(self) -> datetime:
        """Last second of the root."""
        return _ROOTS[self.family, self.generation].not_after

    def key(self) -> PrivateKey:
        """The root's key: RSA, and P-384 in the fourth generation."""
        return any_stored_key(f"{self.family.value}-ca-{self.generation}")

    @property
    def key_id(self) -> bytes:
        """subjectKeyIdentifier of the root."""
        return _key_id(self.family, self.generation)

    def certificate(
        self, overrides: Overrides | None = None, key: PrivateKey | str | None = None
    ) -> bytes:
        """The self-signed certificate; another ``key`` makes an impostor of the same name."""
        if overrides is None and key is None:
            return _certificate(self)
        own = key_of(key, self.key())
        return certificate(self._fields(own), own, overrides)

    def _fields(self, key: PrivateKey) -> Fields:
        return Fields(
            serial=self.serial,
            issuer=self.name,
            not_before=self.not_before,
            not_after=self.not_after,
            subject=self.name,
            public_key_info=public_key_info(key.public_key()),
            extensions=(
                ext.key_usage(b"\x06", 1),
                ext.Extension(
                    "subjectAltName", names.general_names(names.japanese_name(self.family))
                ),
                ext.Extension("basicConstraints", der.sequence(der.TRUE), critical=True),
                ext.distribution_point(self.name),
                ext.subject_key_id(key_id(key.public_key())),
            ),
        )


@functools.cache
def _certificate(authority: Authority) -> bytes:
    key = authority.key()
    return certificate(authority._fields(key), key)


@functools.cache
def _key_id(family: Family, generation: int) -> bytes:
    return key_id(Authority(family, generation).key().public_key())
