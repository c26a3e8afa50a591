# SPDX-License-Identifier: Apache-2.0
"""CV certificates of the 券面 applications, under test roots numbered 9… Source: [MC]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jpki.synth import der
from jpki.synth.keystore import any_stored_key, stored_key
from jpki.synth.signing import sign

if TYPE_CHECKING:
    from jpki.synth.keystore import PrivateKey

# Chain: stored key, CA number. Production roots begin with 5, J-LIS's test roots with 6.
CHAINS = {"mf": "9000020", "surface": "9000023", "text": "9000033"}
MF_PADDING = bytes.fromhex("000000a8")


def key_id(number: str, version: str, padding: bytes | None = None) -> bytes:
    """The 16-byte key id of ``number/version``: 7 digits, 08 05, 3 digits, 4 bytes.

    The padding is zero, and 000000A8 for the roots of the MF chain (…000020).
    """
    if padding is None:
        padding = MF_PADDING if number.endswith("000020") else bytes(4)
    return number.encode("ascii") + b"\x08\x05" + version.encode("ascii") + padding


def ca_key_id(chain: str) -> bytes:
    """Key id of the root of ``chain`` (mf, surface, text)."""
    return key_id(CHAINS[chain], "001")


def cv_ca_keys() -> dict[bytes, tuple[int, int]]:
    """The test roots: key id to modulus and exponent."""
    found = {}
    for chain in CHAINS:
        numbers = stored_key(f"cv-{chain}").public_key().public_numbers()
        found[ca_key_id(chain)] = (numbers.n, numbers.e)
    return found


def card_public_key(modulus: int, exponent: int = 65537) -> bytes:
    """``90`` exponent (3 bytes), ``91`` modulus (256 bytes): 265 bytes, as cards store keys."""
    return der.tlv(0x90, exponent.to_bytes(3, "big")) + der.tlv(0x91, modulus.to_bytes(256, "big"))


def cv_certificate(
    chain: str,
    subject_key_id: bytes,
    public_numbers: tuple[int, int],
    *,
    issuer_key_id: bytes | None = None,
    signer: PrivateKey | str | None = None,
    damage_signature: bool = False,
) -> bytes:
    """The 568 bytes of EF 0004: 7F21 { 5F4E body, 5F37 signature over the body's 297 bytes }.

    ``public_numbers`` is (modulus, exponent). Another ``signer`` or issuer makes a forgery.
    """
    body = (
        (ca_key_id(chain) if issuer_key_id is None else issuer_key_id)
        + subject_key_id
        + card_public_key(*public_numbers)
    )
    if signer is None:
        signer = f"cv-{chain}"
    key = any_stored_key(signer) if isinstance(signer, str) else signer
    signature = sign(key, body)
    if damage_signature:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    inner = b"\x5f" + der.tlv(0x4E, body) + b"\x5f" + der.tlv(0x37, signature)
    return b"\x7f" + der.tlv(0x21, inner)
