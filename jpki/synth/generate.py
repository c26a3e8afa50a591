# SPDX-License-Identifier: Apache-2.0
"""Make the stored test keys: ``python -m jpki.synth.generate``.

Keeps the keys that are there (certificates and fixtures depend on their bytes) and adds
those that are missing. Takes about 0.1 s a key.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jpki.synth.keystore import CARD_ROLES, CARD_SLOTS, KEY_FILE
from jpki.synth.municipalities import MUNICIPALITIES

if TYPE_CHECKING:
    from jpki.synth.keystore import PrivateKey

HEADER = """\
# origin: synthetic   made-by: python -m jpki.synth.generate
# TEST KEYS. They are published in this file, belong to nobody and protect nothing.
# They sign the JPKI-SYNTH test PKI and live in emulated cards. Never trust them.
# One key a line: name, base64 of the PKCS#8 DER.
"""

NEXT_KEYS = ("sign-ca-4", "auth-ca-4", "ocsp-sign-4", "ocsp-auth-4")
EC_KEYS = ("nextgen-auth", "nextgen-sign", "document-issuer", *NEXT_KEYS)
WEAK_KEYS = ("weak-1024",)  # RSA 1024, to be refused


def wanted() -> list[str]:
    """Names of all keys, in the order of the file."""
    generations = (1, 2, 3)
    names = [f"{family}-ca-{n}" for family in ("sign", "auth") for n in generations]
    names += [f"ocsp-{family}-{n}" for family in ("sign", "auth") for n in generations]
    names += ["cv-mf", "cv-surface", "cv-text"]
    names += [f"municipality-{place.key_number}" for place in MUNICIPALITIES.values()]
    names += ["tsa", "licence-signer", "rogue-ca", "rogue-cv", *WEAK_KEYS, *EC_KEYS]
    names += [f"card-{slot:02}-{role}" for slot in range(CARD_SLOTS) for role in CARD_ROLES]
    return names


def make(name: str) -> PrivateKey:
    """A new key of the kind that ``name`` stands for."""
    if name in EC_KEYS:
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, 1024 if name in WEAK_KEYS else 2048)


def line(name: str) -> str:
    """The file's line for a new key."""
    der = make(name).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return f"{name} {base64.b64encode(der).decode()}\n"


def main() -> None:
    """Write the file anew: known keys as they were, missing ones made."""
    kept = {}
    if KEY_FILE.exists():
        lines = KEY_FILE.read_text("ascii").splitlines(keepends=True)
        kept = {text.split()[0]: text for text in lines if not text.startswith("#")}
    made = [kept.get(name) or line(name) for name in wanted()]
    KEY_FILE.parent.mkdir(exist_ok=True)
    KEY_FILE.write_text(HEADER + "".join(made), "ascii")
    print(f"{KEY_FILE.name}: {len(made)} keys, {len(made) - len(kept)} new")


if __name__ == "__main__":
    main()
