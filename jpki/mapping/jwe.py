# SPDX-License-Identifier: Apache-2.0
"""Encrypts what goes to a platform operator, as JWE: RSA-OAEP-256, A256GCM. Source: [RFC7516]."""

from __future__ import annotations

import base64
import json
import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

HEADER: Final = {"alg": "RSA-OAEP-256", "enc": "A256GCM"}
_NONCE = 12  # bytes [RFC7518 5.3]
_TAG = 16


def encrypt(data: bytes, key: RSAPublicKey) -> str:
    """``data`` for the holder of ``key`` alone, in compact form."""
    header = _text(json.dumps(HEADER, separators=(",", ":")).encode("ascii"))
    content_key, nonce = AESGCM.generate_key(256), os.urandom(_NONCE)
    sealed = AESGCM(content_key).encrypt(nonce, data, header.encode("ascii"))
    wrapped = key.encrypt(content_key, OAEP(MGF1(SHA256()), SHA256(), None))
    parts = (wrapped, nonce, sealed[:-_TAG], sealed[-_TAG:])
    return ".".join((header, *map(_text, parts)))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
