# SPDX-License-Identifier: Apache-2.0
"""The OCSP responder of the test PKI over HTTP. Source: [RFC6960 4, A.1]."""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from jpki.certificate.kinds import Family
from jpki.synth import SynthPki, der, ocsp
from jpki.synth.signing import hash_algorithm
from jpki.testing.http import Answer, LocalServer, Request

if TYPE_CHECKING:
    from jpki.synth.authority import Authority

REQUEST, RESPONSE = "application/ocsp-request", "application/ocsp-response"


class OcspMode(StrEnum):
    """What the server does; the last six are lies of the transport."""

    GOOD = "good"  # as the PKI's record says: good, revoked or unknown
    REVOKED = "revoked"  # whatever the record says
    UNKNOWN = "unknown"
    LYING = "lying"  # good for everything, also for what is revoked
    STALE = "stale"  # an answer of the day before yesterday
    FUTURE = "future"  # data of tomorrow
    WRONG_NONCE = "wrong_nonce"
    NO_NONCE = "no_nonce"
    WRONG_CERTIFICATE = "wrong_certificate"  # the answer is about another serial
    WRONG_RESPONDER = "wrong_responder"  # delegated by another generation of the CA
    ROGUE = "rogue"  # encloses the right certificate, signs with another key
    NO_EKU = "no_eku"  # the responder's certificate is not for OCSP
    EXPIRED_RESPONDER = "expired_responder"
    BAD_SIGNATURE = "bad_signature"
    TRY_LATER = "try_later"
    UNAUTHORIZED = "unauthorized"
    SLOW = "slow"
    UNAVAILABLE = "unavailable"
    HTML = "html"
    OVERSIZE = "oversize"
    REDIRECT = "redirect"
    TRUNCATED = "truncated"


_RESPONDERS = {
    OcspMode.WRONG_RESPONDER: "other-generation",
    OcspMode.ROGUE: "rogue",
    OcspMode.NO_EKU: "no-eku",
    OcspMode.EXPIRED_RESPONDER: "expired",
}
_AGES = {OcspMode.STALE: timedelta(days=2), OcspMode.FUTURE: -timedelta(days=1)}
_ERRORS = {OcspMode.TRY_LATER: "tryLater", OcspMode.UNAUTHORIZED: "unauthorized"}


class _Asked(NamedTuple):
    """What a request asks about."""

    cert_id: bytes
    hash_name: str
    serial: int
    nonce: bytes | None


class OcspServer(LocalServer[OcspMode]):
    """Answers POST, and GET with the request in base64 as the path, about one certificate.

    Who is revoked is what ``pki`` knows at the moment of the request. An answer's data are
    those of the last quarter hour and good for half an hour, so that none is stale as it
    arrives. What is no request gets malformedRequest, as does one about several certificates.
    """

    modes = OcspMode

    def __init__(
        self,
        pki: SynthPki,
        mode: OcspMode | str = OcspMode.GOOD,
        *,
        delay: float = 2.0,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(pki.at, mode, delay=delay, clock=clock)
        self.pki = pki

    def respond(self, request: Request, mode: OcspMode) -> Answer:
        """The answer to a request, or 405, 415."""
        if request.method == "POST":
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != REQUEST:
                return Answer(b"this is an OCSP responder\n", status=415)
            asked = request.body
        elif request.method == "GET":
            asked = _from_path(request.path)
        else:
            return Answer(b"GET or POST\n", status=405, headers=(("Allow", "GET, POST"),))
        return Answer(self._answer(asked, mode), RESPONSE, headers=(("Cache-Control", "no-store"),))

    def _answer(self, request: bytes, mode: OcspMode) -> bytes:
        if mode in _ERRORS:
            return ocsp.error(_ERRORS[mode])
        asked = _read(request)
        if asked is None:
            return ocsp.error("malformedRequest")
        now = self.now()
        age = _AGES.get(mode, timedelta())
        data_time = ocsp.data_time(now) - age
        owner = self._owner(asked)
        single = ocsp.Single(
            cert_id=self._cert_id(asked, owner, mode),
            status=self._status(asked, owner, mode, now),
            this_update=data_time,
            next_update=data_time + 2 * ocsp.DATA_AGE,
        )
        # Of a stale answer everything is old; data of tomorrow come with today's signature.
        produced_at = now - max(age, timedelta())
        signer = ocsp.responder(
            owner or self.pki.authority(Family.AUTH, 3), now, _RESPONDERS.get(mode, "delegated")
        )
        return ocsp.answer(
            signer,
            [single],
            produced_at,
            _nonce(asked.nonce, mode),
            damage_signature=mode is OcspMode.BAD_SIGNATURE,
        )

    def _owner(self, asked: _Asked) -> Authority | None:
        """The root that issued the certificate, or None for a foreign one."""
        for root in self.pki.authorities():
            if ocsp.cert_id(root, asked.serial, asked.hash_name) == asked.cert_id:
                return root
        return None

    def _cert_id(self, asked: _Asked, owner: Authority | None, mode: OcspMode) -> bytes:
        if mode is OcspMode.WRONG_CERTIFICATE and owner is not None:
            return ocsp.cert_id(owner, asked.serial ^ 1, asked.hash_name)
        return asked.cert_id

    def _status(
        self, asked: _Asked, owner: Authority | None, mode: OcspMode, now: datetime
    ) -> ocsp.Status:
        if mode is OcspMode.REVOKED:
            since = (now - timedelta(days=1)).replace(microsecond=0)
            return ocsp.Status(word="revoked", revoked_at=since, reason=4)
        if mode is OcspMode.LYING:
            return ocsp.Status()
        if owner is None or mode is OcspMode.UNKNOWN:
            return ocsp.Status(word="unknown")
        view = copy.copy(self.pki)
        view.at = now
        return view.status(owner.family, owner.generation, asked.serial)


def _from_path(path: str) -> bytes:
    """The request in the path of a GET; nothing for what is no base64."""
    try:
        return base64.b64decode(unquote_to_bytes(path[1:]), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(request_der: bytes) -> _Asked | None:
    """What is asked, or None for what is no request about one certificate."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import ExtensionNotFound, OCSPNonce
    from cryptography.x509.ocsp import load_der_ocsp_request

    try:
        request = load_der_ocsp_request(request_der)
        serial, name = request.serial_number, request.hash_algorithm.name
        cert_id = der.sequence(
            hash_algorithm(name),
            der.octet_string(request.issuer_name_hash),
            der.octet_string(request.issuer_key_hash),
            der.integer(serial),
        )
        try:
            nonce = request.extensions.get_extension_for_class(OCSPNonce).value.nonce
        except ExtensionNotFound:
            nonce = None
    except (ValueError, KeyError, NotImplementedError, UnsupportedAlgorithm):
        return None
    return _Asked(cert_id, name, serial, nonce)


def _nonce(sent: bytes | None, mode: OcspMode) -> bytes | None:
    if mode is OcspMode.NO_NONCE:
        return None
    if mode is OcspMode.WRONG_NONCE:
        return hashlib.sha256(b"not " + (sent or b"")).digest()
    return sent
