# SPDX-License-Identifier: Apache-2.0
"""PINs and keys: VERIFY, change, signature, authentication, session key.

Sources: VERIFY and its query [MY] [OS PR 959] [MC]; change [MY] [MC]; COMPUTE DIGITAL
SIGNATURE P1 01-05, INTERNAL AUTHENTICATE and SET SESSION KEY [MC], grade B.
"""

from __future__ import annotations

import logging

from jpki.card_map import FileKind
from jpki.emulator import words
from jpki.emulator.apdu import Command
from jpki.emulator.chip import Chip
from jpki.emulator.ecdsa import DIGEST_SIZE, EcKey
from jpki.emulator.files import ChangeCommand, ElementaryFile, KeyUse, PinReference
from jpki.emulator.rsa import SigningKey
from jpki.emulator.secure_messaging import SmSession, seed_of

_log = logging.getLogger(__name__)

_MAX_RAW = 245  # bytes that PKCS#1 type 1 leaves room for in 2048 bits
_DIGEST = 32  # bytes of a SHA-256 hash


def verify(chip: Chip, c: Command) -> bytes:
    """VERIFY; without data, the query of the counter, which costs and grants nothing."""
    if c.p1:
        return words.WRONG_P1P2
    file = chip.find_reference(c.p2)
    if isinstance(file, bytes):
        return file
    if file.pin is None:
        return words.INCOMPATIBLE_FILE
    if not c.data:
        return _query(chip, file, file.pin)
    if len(c.data) > 16:
        return words.WRONG_LENGTH
    return _present(chip, file, file.pin, c.data)


def _query(chip: Chip, file: ElementaryFile, pin: PinReference) -> bytes:
    left = chip.pins.tries(pin)
    if not left:
        return bytes.fromhex(chip.quirks.blocked_query)
    if file.fid in chip.verified and chip.quirks.verified_query == "9000":
        return words.OK
    return words.tries(left)


def _present(chip: Chip, file: ElementaryFile, pin: PinReference, value: bytes) -> bytes:
    """Compare a value. The counter is durable before the answer leaves the card."""
    if not chip.pins.tries(pin):
        return bytes.fromhex(chip.quirks.blocked_verify)
    try:
        if not chip.pins.matches(pin, value):
            chip.verified.discard(file.fid)
            return words.tries(chip.pins.spend(pin))
        chip.pins.restore(pin)
    except OSError:
        _log.warning("state file of the emulated card cannot be written")
        return words.MEMORY_FAILURE
    chip.verified.add(file.fid)
    return words.OK


def change_reference(chip: Chip, c: Command) -> bytes:
    """CHANGE REFERENCE DATA of JPKI and text: the new value only, old one verified before."""
    if c.p1 != 0x01:
        return words.WRONG_P1P2
    return _change(chip, c, ChangeCommand.ISO)


def change_key(chip: Chip, c: Command) -> bytes:
    """CHANGE KEY of JICSAP, in the common and juki applications."""
    if c.p1:
        return words.WRONG_P1P2
    return _change(chip, c, ChangeCommand.JICSAP)


def _change(chip: Chip, c: Command, form: ChangeCommand) -> bytes:
    file = chip.find_reference(c.p2)
    if isinstance(file, bytes):
        return file
    pin = file.pin
    if pin is None:
        return words.INCOMPATIBLE_FILE
    if pin.change is not form:
        return words.CONDITIONS if pin.change is ChangeCommand.NONE else words.INS_UNSUPPORTED
    if file.fid not in chip.verified:
        return words.SECURITY_STATUS
    # Whether the card looks at the characters is not known; the length is kept [inferred].
    if not pin.min_length <= len(c.data) <= pin.max_length:
        return words.WRONG_LENGTH
    try:
        chip.pins.change(pin, c.data)
    except OSError:
        _log.warning("state file of the emulated card cannot be written")
        return words.MEMORY_FAILURE
    return words.OK


_OPERATIONS = {
    0x00: (SigningKey.raw_pkcs1, 1, _MAX_RAW),
    0x01: (SigningKey.bare_hash, 1, 255),
    0x02: (SigningKey.pkcs1_digest, _DIGEST, _DIGEST),
    0x03: (SigningKey.pkcs1, 1, 255),
    0x04: (SigningKey.pss_digest, _DIGEST, _DIGEST),
    0x05: (SigningKey.pss, 1, 255),
}


def compute_signature(chip: Chip, c: Command) -> bytes:
    """COMPUTE DIGITAL SIGNATURE (80 2A), with the key that P2 names, or the default key."""
    operation = _OPERATIONS.get(c.p1)
    if operation is None:
        return words.WRONG_P1P2
    found = _signing_file(chip, c.p2)
    if isinstance(found, bytes):
        return found
    if found.kind is not FileKind.KEY:
        return words.INCOMPATIBLE_FILE
    if found.ec_key is not None:
        return _compute_ecdsa(chip, c, found, found.ec_key())
    if found.use is not KeyUse.SIGN or found.key is None:
        return words.CONDITIONS
    compute, shortest, longest = operation
    if not c.data or len(c.data) > 255:
        return words.WRONG_LENGTH
    if not shortest <= len(c.data) <= longest:
        return words.CONDITIONS
    if not chip.opened(found):
        return words.SECURITY_STATUS
    key = found.key()
    if c.le is not None and c.le < key.size:
        return words.exact_length(key.size)
    return chip.reply(compute(key, c.data), c.le)


def _compute_ecdsa(chip: Chip, c: Command, file: ElementaryFile, key: EcKey) -> bytes:
    """With a P-384 key: a SHA-384 hash in, a signature out. Our invention: no card has such
    a key, and whether one will be used this way is not known.
    """
    if c.p1 != key.p1:
        return words.WRONG_P1P2
    if len(c.data) != DIGEST_SIZE:
        return words.CONDITIONS if c.data else words.WRONG_LENGTH
    if not chip.opened(file):
        return words.SECURITY_STATUS
    return chip.reply(key.sign(c.data), c.le)


def _signing_file(chip: Chip, p2: int) -> ElementaryFile | bytes:
    if p2:
        return chip.find_reference(p2)
    if chip.application is None or chip.application.default_key is None:
        return words.REFERENCE_NOT_FOUND
    return chip.application.default_key


def internal_authenticate(chip: Chip, c: Command) -> bytes:
    """INTERNAL AUTHENTICATE: only the common application's key answers [MC]."""
    if c.p1:
        return words.WRONG_P1P2
    file = chip.find_reference(c.p2)
    if isinstance(file, bytes):
        return file
    if file.kind is not FileKind.KEY:
        return words.INCOMPATIBLE_FILE
    if not chip.opened(file):
        return words.SECURITY_STATUS
    if file.use is not KeyUse.INTERNAL_AUTHENTICATE or file.key is None:
        return words.CONDITIONS
    if not 1 <= len(c.data) <= 255:
        return words.WRONG_LENGTH
    key = file.key()
    if c.le is not None and c.le < key.size:
        return words.exact_length(key.size)
    return chip.reply(key.pkcs1(c.data), c.le)


def set_session_key(chip: Chip, c: Command) -> bytes:
    """SET SESSION KEY (80 AE): the text application only, after its PIN [MC]."""
    application = chip.application
    if application is None:
        return words.INS_UNSUPPORTED
    if application.session_key is None:
        return application.session_refusal
    if c.p1 or c.p2:
        return words.WRONG_P1P2
    key = application.session_key()
    if len(c.data) != key.size:
        return words.WRONG_LENGTH
    if int.from_bytes(c.data, "big") >= key.public_numbers[0]:
        return words.INTERNAL
    try:
        seed = seed_of(key.decrypt_oaep(c.data))
    except ValueError:
        seed = None
    if seed is None:
        return words.BAD_DATA
    if application.session_pin not in chip.verified:
        return words.SECURITY_STATUS
    chip.session = SmSession(seed[:16])
    return words.OK
