# SPDX-License-Identifier: Apache-2.0
"""A wrapped identifier that follows a person: serial, hash, CN, token serial, 製造番号.

公的個人認証法 52, 53 and 63条 forbid other uses of the issue number of a certificate, and
whatever stands for it just as well (certificate hash, key hash, CN) is treated the same. So
there is no way to print, order, hash, copy or serialise one by accident.
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import Final, NoReturn, final


class RefKind(StrEnum):
    """What is wrapped."""

    CERTIFICATE_SERIAL = "certificate_serial"
    CERTIFICATE_HASH = "certificate_hash"
    KEY_HASH = "key_hash"
    SUBJECT_CN = "subject_cn"
    TOKEN_SERIAL = "token_serial"  # noqa: S105 - a card's number, no password
    CARD_NUMBER = "card_number"  # 製造番号


@final
class SerialRef:
    """Wraps ``value``. Two are equal when kind and bytes are (compared in constant time)."""

    __slots__ = ("__value", "_kind")
    __hash__: Final = None  # type: ignore[assignment]

    def __init__(self, kind: RefKind, value: bytes) -> None:
        self._kind = kind
        self.__value = bytes(value)

    @property
    def kind(self) -> RefKind:
        return self._kind

    def reveal(self) -> bytes:
        """The bytes. Only for: looking the serial up in a CRL or OCSP answer, the mapping's
        keyed index, and a display the holder asked for (``--reveal serial``)."""
        return self.__value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SerialRef):
            return NotImplemented
        return self._kind is other._kind and hmac.compare_digest(self.__value, other.__value)

    def __repr__(self) -> str:
        return f"<{self._kind.value}>"

    def __str__(self) -> NoReturn:
        raise TypeError("a SerialRef has no text; see SerialRef.reveal")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a SerialRef has no text; see SerialRef.reveal")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a SerialRef is neither copied nor pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a SerialRef is neither copied nor pickled")
