# SPDX-License-Identifier: Apache-2.0
"""A platform operator (and the J-LIS behind it) of the test PKI over HTTP, to ask and to lie.

It answers what :class:`jpki.mapping.platform_http.HttpPlatform` asks: 有効性確認, 新旧, 対応番号,
4情報 with consent, and a service provider's registration, login and replacement. It knows only
holders of the test PKI that it was told of.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from jpki.certificate import parse_certificate
from jpki.certificate.kinds import Environment, Family, Medium
from jpki.mapping.index import CertificateRef, certificate_ref, reference_from, reference_object
from jpki.mapping.policy import LinkKind
from jpki.synth import SynthPki, stored_key
from jpki.testing.http import Answer, LocalServer, Request
from jpki.validation.named import name_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from jpki.certificate.certificate import Certificate
    from jpki.synth.authority import Authority

_JSON = "application/json"
_REASONS = {
    1: "key_compromise",
    2: "ca_compromise",
    3: "affiliation_changed",
    4: "superseded",
    5: "cessation_of_operation",
    6: "certificate_hold",
}


class PlatformMode(StrEnum):
    """What the server does; from ``slow`` on they are lies of the transport."""

    GOOD = "good"  # as the PKI's record and what it was told say
    LYING = "lying"  # good for everything, also for what is revoked
    UNKNOWN = "unknown"  # cannot tell of anything
    WRONG_KIND = "wrong_kind"  # links of another kind than was asked for
    MORE_ITEMS = "more_items"  # 4情報 that nobody asked for
    GARBAGE = "garbage"  # JSON of another shape
    REFUSING = "refusing"  # 401 for everything
    SLOW = "slow"
    UNAVAILABLE = "unavailable"
    HTML = "html"
    OVERSIZE = "oversize"
    REDIRECT = "redirect"
    TRUNCATED = "truncated"


@dataclass(slots=True)
class _Holder:
    """One person, as J-LIS knows them. ``certificates``: oldest first."""

    certificates: list[CertificateRef]
    info: dict[str, str] = field(repr=False)
    consented: frozenset[str]
    users: dict[str, str] = field(default_factory=dict, repr=False)  # token to user id
    signed: dict[str, CertificateRef] = field(default_factory=dict)  # token to its sign certificate


class _Refusal(Exception):
    """Answered with ``status`` and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class PlatformServer(LocalServer[PlatformMode]):
    """``with PlatformServer(pki) as server: HttpPlatform(server.url, server.key)``.

    :meth:`know` tells it of a holder; who is revoked is what ``pki`` knows at the moment of
    the enquiry. User ids are random, one for each service provider (token) and holder.
    """

    modes = PlatformMode

    def __init__(
        self,
        pki: SynthPki,
        mode: PlatformMode | str = PlatformMode.GOOD,
        *,
        delay: float = 2.0,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(pki.at, mode, delay=delay, clock=clock)
        self.pki = pki
        self._holders: list[_Holder] = []
        self._enquiries = 0

    @property
    def key(self) -> bytes:
        """The key to encrypt for it: DER SubjectPublicKeyInfo."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = _own_key().public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def know(
        self,
        *certificates: bytes,
        info: Mapping[str, str] | None = None,
        consented: Iterable[str] = (),
    ) -> None:
        """These certificates (DER, oldest first) are one holder's, who consented to ``consented``.

        ``info``: 4情報 by item. Raises CertificateError, ValueError for what is no certificate
        of this PKI.
        """
        refs = [self._certificate(der)[0] for der in certificates]
        self._holders.append(_Holder(refs, dict(info or {}), frozenset(consented)))

    def known(self) -> tuple[CertificateRef, ...]:
        """All certificates it was told of, as references: to ask about them."""
        return tuple(ref for holder in self._holders for ref in holder.certificates)

    def respond(self, request: Request, mode: PlatformMode) -> Answer:
        """The answer to one enquiry. The log has its path, which holds nothing of a person."""
        ask = {
            "/status": self._status,
            "/link": self._link,
            "/latest-info": self._latest_info,
            "/verify/registration": self._register,
            "/verify/login": self._login,
            "/verify/replacement": self._replace,
        }.get(request.path)
        if ask is None or request.method != "POST":
            return Answer(b"no such enquiry\n", status=404 if ask is None else 405)
        if mode is PlatformMode.REFUSING:
            return Answer(b"{}", _JSON, 401, shown=request.path)
        if mode is PlatformMode.GARBAGE:
            return Answer(b'{"validity": 7, "user": null}', _JSON, shown=request.path)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            body = json.loads(request.body.decode("utf-8"))
            with self._lock:
                found = ask(body, mode, token)
                self._enquiries += 1
                found |= {"reference": f"TEST-{self._enquiries}", "at": self.now().isoformat()}
        except _Refusal as refusal:
            return Answer(b"{}", _JSON, refusal.status, shown=request.path)
        except (KeyError, TypeError, ValueError, AttributeError):
            return Answer(b"{}", _JSON, 400, shown=request.path)
        return Answer(json.dumps(found).encode("utf-8"), _JSON, shown=request.path)

    # --- a verifier's enquiries ----------------------------------------------------------

    def _status(self, body: Any, mode: PlatformMode, token: str) -> dict[str, object]:
        ref = _reference(body)
        if mode is PlatformMode.LYING:
            return {"validity": "good", "reason": ""}
        if mode is PlatformMode.UNKNOWN:
            return {"validity": "unknown", "reason": ""}
        reason = self._revoked(ref)
        if reason is None:
            return {"validity": "good", "reason": ""}
        return {"validity": "revoked", "reason": reason}

    def _link(self, body: Any, mode: PlatformMode, token: str) -> dict[str, object]:
        ref, kind = _reference(body), LinkKind(body["kind"])
        holder = self._holder(ref)
        other = None if holder is None else _counterpart(holder.certificates, ref, kind)
        if other is None:
            raise _Refusal(404)
        if mode is PlatformMode.WRONG_KIND:
            kind = LinkKind.OLD_NEW if kind is not LinkKind.OLD_NEW else LinkKind.SIGN_AUTH
        return {"kind": kind.value, "other": reference_object(other)}

    def _latest_info(self, body: Any, mode: PlatformMode, token: str) -> dict[str, object]:
        """Not delivered without consent to every item, nor without a good sign certificate."""
        ref, items = _reference(body), frozenset(body["items"])
        holder = self._holder(ref)
        if holder is None:
            raise _Refusal(404)
        if not items <= holder.consented:
            raise _Refusal(403)
        signs = [r for r in holder.certificates if r.family is Family.SIGN]
        if not signs or self._revoked(signs[-1]) is not None:
            raise _Refusal(410)
        given = holder.info if mode is PlatformMode.MORE_ITEMS else items
        return {"items": {name: holder.info[name] for name in given if name in holder.info}}

    # --- a service provider's enquiries --------------------------------------------------

    def _register(self, body: Any, mode: PlatformMode, token: str) -> dict[str, object]:
        ref = self._proven(body, Family.SIGN)
        holder = self._holder(ref)
        if holder is None:
            holder = _Holder([ref], {}, frozenset())
            self._holders.append(holder)
        if token in holder.users:
            raise _Refusal(409)
        holder.users[token], holder.signed[token] = secrets.token_hex(16), ref
        return {"user": holder.users[token]}

    def _login(self, body: Any, mode: PlatformMode, token: str) -> dict[str, object]:
        holder = self._holder(self._proven(body, Family.AUTH))
        if holder is None or token not in holder.users:
            raise _Refusal(404)
        if self._revoked(holder.signed[token]) is not None:
            raise _Refusal(410)
        return {"user": holder.users[token]}

    def _replace(self, body: Any, mode: PlatformMode, token: str) -> dict[str, object]:
        ref = self._proven(body, Family.SIGN)
        holder = self._holder(ref)
        if holder is None or token not in holder.users:
            raise _Refusal(404)
        if holder.signed[token] == ref:
            raise _Refusal(409)
        holder.signed[token] = ref
        return {"user": holder.users[token]}

    def _proven(self, body: Any, family: Family) -> CertificateRef:
        """The certificate that signed, if it is this PKI's and in force; else 401."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.hashes import SHA256

        ref, certificate = self._certificate(_decrypt(body["certificate"]))
        data, signature = base64.b64decode(body["data"]), base64.b64decode(body["signature"])
        key = certificate.public_key
        in_time = certificate.not_before <= self.now() <= certificate.not_after
        if not isinstance(key, RSAPublicKey) or ref.family is not family or not in_time:
            raise _Refusal(401)
        try:
            key.verify(signature, data, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise _Refusal(401) from None
        if self._revoked(ref) is not None:
            raise _Refusal(401)
        return ref

    # --- what the PKI knows --------------------------------------------------------------

    def _certificate(self, der: bytes) -> tuple[CertificateRef, Certificate]:
        """A certificate of this PKI, by its issuer's signature; else 401."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.hashes import SHA256

        certificate = parse_certificate(der)
        family, medium = certificate.family, certificate.medium
        if family is None:
            raise _Refusal(401)
        # A phone's policy is not in the table of those that were read from a certificate.
        named = name_of(certificate)
        ref = certificate_ref(named, Environment.TEST, family, medium or Medium.PHONE)
        issuer = self._authority(ref)
        key = None if issuer is None else issuer.key().public_key()
        if not isinstance(key, RSAPublicKey):
            raise _Refusal(401)
        try:
            key.verify(certificate.signature, certificate.tbs, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise _Refusal(401) from None
        return ref, certificate

    def _authority(self, ref: CertificateRef) -> Authority | None:
        for root in self.pki.authorities():
            if (hashlib.sha256(root.name).digest(), root.key_id) == (ref.issuer, ref.key_id):
                return root
        return None

    def _revoked(self, ref: CertificateRef) -> str | None:
        """The reason, None while it is good; 404 for what is not of this PKI."""
        issuer = self._authority(ref)
        if issuer is None or ref.environment is not Environment.TEST:
            raise _Refusal(404)
        number = int.from_bytes(ref.serial.reveal(), "big")
        status = self.pki.status(issuer.family, issuer.generation, number)
        if status.word != "revoked":
            return None
        return _REASONS.get(status.reason or 0, "unspecified")

    def _holder(self, ref: CertificateRef) -> _Holder | None:
        return next((h for h in self._holders if ref in h.certificates), None)


def _counterpart(
    known: list[CertificateRef], ref: CertificateRef, kind: LinkKind
) -> CertificateRef | None:
    """The newest certificate that ``ref`` is linked to in that way; of old-new, the one before."""
    place = known.index(ref)
    if kind is LinkKind.OLD_NEW:
        alike = [r for r in known[:place] if (r.family, r.medium) == (ref.family, ref.medium)]
    elif kind is LinkKind.SIGN_AUTH:
        alike = [r for r in known if r.family is not ref.family and r.medium is ref.medium]
    else:
        alike = [r for r in known if r.family is ref.family and r.medium is not ref.medium]
    return alike[-1] if alike else None


def _reference(body: Any) -> CertificateRef:
    return reference_from(json.loads(_decrypt(body["reference"])))


def _own_key() -> RSAPrivateKey:
    return stored_key("card-15-session")


def _decrypt(text: str) -> bytes:
    """What is in a JWE for this server. Raises ValueError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256

    head, *rest = text.split(".")
    wrapped, nonce, sealed, tag = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in rest
    )
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if header != {"alg": "RSA-OAEP-256", "enc": "A256GCM"}:
        raise ValueError("another way of encryption")
    key = _own_key().decrypt(wrapped, OAEP(MGF1(SHA256()), SHA256(), None))
    try:
        return AESGCM(key).decrypt(nonce, sealed + tag, head.encode("ascii"))
    except InvalidTag:
        raise ValueError("altered on the way") from None
