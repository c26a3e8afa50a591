# SPDX-License-Identifier: Apache-2.0
"""What pyHanko needs to sign with one of our keys. Needs the extra ``pdf``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from pyhanko.keys.pemder import load_certs_from_pemder_data
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko_certvalidator.registry import SimpleCertificateStore

from jpki.signing.signer import DigestSigner


class PdfCmsSigner(Signer):
    """A pyHanko signer over any key of ours: one signature is one digest given to the key.

    The signer's own certificates go into the file, the CA's too.
    """

    def __init__(self, key: DigestSigner) -> None:
        certificates = SimpleCertificateStore()
        for der in key.chain:
            certificates.register_multiple(load_certs_from_pemder_data(der))
        [own] = load_certs_from_pemder_data(key.certificate)
        super().__init__(signing_cert=own, cert_registry=certificates)
        self._key = key

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """The signature over ``data``; a dry run asks only how long it may be."""
        if dry_run:
            return bytes(self._key.max_size)
        digest = hashlib.new(digest_algorithm, data).digest()
        return self._key.sign_digest(digest, digest_algorithm)
