# SPDX-License-Identifier: Apache-2.0
"""Secure messaging of the 券面事項入力補助AP, the reader's side. Source: [MC], grade B throughout.

It keeps from a listener what is read, and no more. No command or reply carries a MAC, so an
altered one is noticed only where its form tells (padding, TLV, the record inside, the
municipality's signature over the digests); the key in EF 0006 is signed by nobody, so
somebody who can change what is sent can put a key of his own in its place; and the PIN goes
before all this, in the clear, because the card wants it so.

A session ends with the selection of an application, with the card's power, and with the
first data object that is not what it should be. What was begun under it is then never
continued in the clear: reads raise SecureMessagingError until it is begun anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from jpki.card.records import RsaNumbers
from jpki.card.selection import file_error
from jpki.card_map import Application
from jpki.errors import SecureMessagingError
from jpki_apdu import tlv
from jpki_apdu.channel import Channel, SizeOf
from jpki_apdu.command import CommandApdu
from jpki_apdu.errors import StatusWordError, TlvError, status_error
from jpki_apdu.status import StatusWord

_log = logging.getLogger(__name__)

_SECURED: Final = 0x08  # CLA; 0C is refused with 6987
_SELECT, _READ_BINARY, _SET_SESSION_KEY = 0xA4, 0xB0, 0xAE
_CRYPTOGRAM, _EXPECTED, _PLAIN = 0x86, 0x96, 0x01
_BLOCK: Final = 16  # bytes of AES
_SEED_HEAD: Final = bytes.fromhex("a0228020")  # A0 { 80 <32-byte seed> }
_SEED_SIZE: Final = 32
_KEY_BITS: Final = 2048
_WHOLE_REPLY: Final = 65536  # Le; needs a reader that carries extended length

# How the card answers SET SESSION KEY where there is no secure messaging [MC], and in general.
_NOT_SUPPORTED = frozenset((0x66F1, 0x6D00, 0x6E00, 0x6881, 0x6882, 0x6A81))
_ENDS = {
    0x6987: "sm_objects_missing",
    0x6988: "sm_objects_wrong",
    0x69FC: "sm_ended",
    0x6882: "sm_ended",  # to SELECT outside a session
}


class SecureMessaging:
    """One session with one application: key, counter, and whether it still stands."""

    __slots__ = ("_application", "_channel", "_counter", "_key", "_open")

    def __init__(self, channel: Channel, application: Application, key: bytes) -> None:
        self._channel = channel
        self._application = application
        self._key = key
        self._counter = 0
        self._open = True

    @property
    def is_open(self) -> bool:
        """Whether it stands as far as is known here: the application is still current."""
        return self._open and self._channel.selection.aid == self._application.aid

    @classmethod
    def begin(
        cls,
        channel: Channel,
        application: Application,
        public: RsaNumbers,
        random: Callable[[int], bytes],
    ) -> SecureMessaging:
        """SET SESSION KEY (80 AE): a fresh seed for the card under ``public``, the key it gave.

        The application is selected and its PIN verified. Raises SecureMessagingError.
        """
        seed = random(_SEED_SIZE)
        command = CommandApdu(0x80, _SET_SESSION_KEY, 0, 0, _encrypted(public, _SEED_HEAD + seed))
        _, sw = channel.transmit(command)
        _log.debug("SET SESSION KEY: %s", sw)
        if not sw.is_ok:
            raise _refusal(sw)
        return cls(channel, application, seed[:_BLOCK])

    def read_file(self, name: str, size: SizeOf | int | None = None) -> bytes:
        """The file called ``name`` in the card map: SELECT and READ BINARY, both encrypted.

        Raises SecureMessagingError, after which the session is over, and what reading in the
        clear raises for a refused file (StatusWordError), after which it is not.
        """
        if not self.is_open:
            self._open = False
            raise SecureMessagingError("sm_ended")
        entry = self._application.file(name)
        try:
            self._select(entry.fid)
            data = self._read()
        except StatusWordError as exc:
            raise file_error(exc, self._application, name) from exc
        total = size(data) if callable(size) else size
        return data if total is None else data[:total]

    def _select(self, fid: int) -> None:
        self._counter += 1
        body = bytes((_PLAIN,)) + self._encrypt(fid.to_bytes(2, "big"))
        self._send(_SELECT, 0x02, 0x0C, tlv.encode(_CRYPTOGRAM, body), None)

    def _read(self) -> bytes:
        """The whole current file. A reply without data is an empty file."""
        self._counter += 1
        wanted = tlv.encode(_EXPECTED, bytes(3))
        reply = self._send(_READ_BINARY, 0, 0, wanted, _WHOLE_REPLY)
        if not reply:
            return b""
        try:
            found = tlv.parse_one(reply)
        except TlvError as exc:
            raise self._garbled() from exc
        body = found.value
        if found.tag != _CRYPTOGRAM or found.end != len(reply) or body[:1] != b"\x01":
            raise self._garbled()
        return self._decrypt(body[1:])

    def _send(self, ins: int, p1: int, p2: int, data: bytes, le: int | None) -> bytes:
        reply, sw = self._channel.transmit(CommandApdu(_SECURED, ins, p1, p2, data, le))
        code = _ENDS.get(sw)
        if code is not None:
            self._open = False
            raise SecureMessagingError(code, sw=str(sw))
        if sw not in (0x9000, 0x6282):
            raise status_error(sw, ins)
        return reply

    def _garbled(self) -> SecureMessagingError:
        self._open = False
        return SecureMessagingError("sm_garbled")

    def _encrypt(self, plain: bytes) -> bytes:
        padded = plain + b"\x80"
        encryptor = self._cipher().encryptor()
        padded += bytes(-len(padded) % _BLOCK)
        return encryptor.update(padded) + encryptor.finalize()

    def _decrypt(self, ciphertext: bytes) -> bytes:
        """Plain data; ISO 7816-4 padding is always there. Raises SecureMessagingError."""
        if not ciphertext or len(ciphertext) % _BLOCK:
            raise self._garbled()
        decryptor = self._cipher().decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        plain = padded.rstrip(b"\0")
        if plain[-1:] != b"\x80" or len(padded) - len(plain) >= _BLOCK:
            raise self._garbled()
        return plain[:-1]

    def _cipher(self) -> Cipher[modes.CBC]:
        """AES-128-CBC; the initial vector is the counter (16 bytes) under the key itself."""
        key = algorithms.AES128(self._key)
        # One block of a counter that never repeats under this key: what ECB is for.
        block = Cipher(key, modes.ECB()).encryptor()  # noqa: S305
        vector = block.update(self._counter.to_bytes(_BLOCK, "big")) + block.finalize()
        return Cipher(key, modes.CBC(vector))


def _encrypted(public: RsaNumbers, plain: bytes) -> bytes:
    """RSA-OAEP, SHA-256 and MGF1-SHA-256, empty label: 256 bytes."""
    if public.n.bit_length() != _KEY_BITS:
        raise SecureMessagingError("sm_bad_key")
    try:
        key = rsa.RSAPublicNumbers(public.e, public.n).public_key()
    except ValueError as exc:
        raise SecureMessagingError("sm_bad_key") from exc
    sha256 = hashes.SHA256()
    return key.encrypt(plain, padding.OAEP(padding.MGF1(sha256), sha256, None))


def _refusal(sw: StatusWord) -> SecureMessagingError:
    code = "sm_needs_pin" if sw == 0x6982 else "sm_refused"
    return SecureMessagingError("sm_not_supported" if sw in _NOT_SUPPORTED else code, sw=str(sw))
