# SPDX-License-Identifier: Apache-2.0
"""Asks an OCSP responder whether a certificate is in force."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from http.client import HTTPException

from jpki.certificate import Certificate
from jpki.validation import Anchor, OcspAnswer, build_ocsp_request

LARGEST = 64 * 1024
SECONDS = 1.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A responder has one address; whoever sends us elsewhere is not it."""


# No proxy: the responder is reached directly, or not at all.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


def ask(url: str, certificate: Certificate, issuer: Anchor) -> list[OcspAnswer]:
    """The responder's answer, or none if it gives none in time that could be one."""
    nonce = secrets.token_bytes(32)
    request = urllib.request.Request(
        url,
        build_ocsp_request(certificate, issuer, nonce),
        {"Content-Type": "application/ocsp-request"},
    )
    try:
        with _direct.open(request, timeout=SECONDS) as answer:
            body = answer.read(LARGEST + 1)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return []
    except (OSError, HTTPException):
        return []
    return [] if len(body) > LARGEST else [OcspAnswer(body, nonce)]
