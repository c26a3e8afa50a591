# SPDX-License-Identifier: Apache-2.0
"""The test PKI as one object: certificates, lists and answers as of a day, from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jpki.certificate.kinds import Family, Medium
from jpki.synth import crl, cv, names, ocsp
from jpki.synth.authority import GENERATIONS, NEXT_GENERATION, Authority
from jpki.synth.crl import Entry
from jpki.synth.end_entity import POLICIES, EndEntityRequest, Issue, end_entity
from jpki.synth.keystore import stored_key
from jpki.synth.municipalities import MUNICIPALITIES, Municipality, municipality
from jpki.synth.overrides import CrlOverrides, Overrides
from jpki.synth.people import fifth_birthday

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

    from jpki.synth.keystore import PrivateKey

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Place = Municipality | str


class SynthPki:
    """JPKI-SYNTH as of ``at`` (default: now). Equal ``at`` and ``seed`` give equal bytes.

    Certificates do not depend on ``at``, unless their dates are left to be invented; lists
    are those of the last 06:00 in Japan, answers those of the last quarter hour.
    ``faithful_dn`` writes O=JPKI for byte comparison: the roots are still ours, and no real one.
    """

    def __init__(
        self,
        at: datetime | None = None,
        seed: int = 0,
        *,
        faithful_dn: bool = False,
        policies: Mapping[tuple[Family, Medium], str] | None = None,
    ) -> None:
        at = datetime.now(UTC) if at is None else at
        if at.tzinfo is None:
            raise ValueError("a time needs its zone")
        self.at = at.astimezone(UTC)
        self.seed = seed
        self.organisation = names.REAL if faithful_dn else names.SYNTH
        self.policies = {**POLICIES, **(policies or {})}
        # (family, generation, municipality code) -> serial -> (date, reason)
        self._revoked: dict[tuple[Family, int, str], dict[int, tuple[datetime, int | None]]] = {}

    # --- roots -------------------------------------------------------------------------

    def authority(self, family: Family, generation: int) -> Authority:
        """The root: name, key, key id, dates."""
        return Authority(family, generation, self.organisation)

    def authorities(self) -> Iterator[Authority]:
        """All six roots, sign before auth, oldest first."""
        for family in (Family.SIGN, Family.AUTH):
            for generation in GENERATIONS:
                yield self.authority(family, generation)

    def next_authorities(self) -> Iterator[Authority]:
        """The two P-384 roots of an invented fourth generation, sign before auth."""
        for family in (Family.SIGN, Family.AUTH):
            yield self.authority(family, NEXT_GENERATION)

    def ca_certificate(
        self,
        family: Family,
        generation: int,
        *,
        overrides: Overrides | None = None,
        key: PrivateKey | str | None = None,
    ) -> bytes:
        """DER of a root; another ``key`` (or stored key's name) makes an impostor."""
        return self.authority(family, generation).certificate(overrides, key)

    def ca_key(self, family: Family, generation: int) -> RSAPrivateKey:
        """Private key of one of the six roots. Raises KeyError for the next generation."""
        return stored_key(f"{family.value}-ca-{generation}")

    def trust_anchors(self) -> list[bytes]:
        """DER of all six roots."""
        return [authority.certificate() for authority in self.authorities()]

    def next_trust_anchors(self) -> list[bytes]:
        """DER of the two P-384 roots. Apart from the six, for programs that know RSA only."""
        return [authority.certificate() for authority in self.next_authorities()]

    # --- holders -----------------------------------------------------------------------

    def end_entity(self, request: EndEntityRequest) -> bytes:
        """DER of a holder's certificate. Raises ValueError if a sign request has no holder."""
        authority = self.authority(request.family, request.generation)
        begin = request.not_before or self._issue_time(request)
        return end_entity(
            Issue(
                request=request,
                authority=authority,
                policy=self.policies[request.family, request.medium],
                serial=self._serial(request) if request.serial is None else request.serial,
                not_before=begin,
                not_after=request.not_after or _expiry(request, begin),
                subject_cn=request.subject_cn or self._common_name(request, begin),
            )
        )

    def random_bytes(self, label: str, size: int = 32) -> bytes:
        """Bytes that look random and follow from the seed and ``label`` (at most 64)."""
        return hashlib.sha512(f"jpki-synth {self.seed} {label}".encode()).digest()[:size]

    def _label(self, request: EndEntityRequest) -> str:
        from jpki.synth.signing import key_id

        key = key_id(request.public_key).hex()
        return f"{request.family} {request.generation} {request.medium} {key}"

    def _serial(self, request: EndEntityRequest) -> int:
        """A number between the generation's root and the next, as the one counter ran."""
        value = int.from_bytes(self.random_bytes("serial " + self._label(request), 4), "big")
        begin = self.authority(request.family, request.generation).serial + 1
        end = begin + 0x03000000
        if request.generation < GENERATIONS[-1]:
            end = self.authority(request.family, request.generation + 1).serial
        return begin + value % (end - begin)

    def _issue_time(self, request: EndEntityRequest) -> datetime:
        """A year before ``at``, or within the time in which the generation issued."""
        own = self.authority(request.family, request.generation).not_before
        moment = self.at.replace(hour=2, minute=3, second=4, microsecond=0) - timedelta(days=365)
        if request.generation < GENERATIONS[-1]:
            successor = self.authority(request.family, request.generation + 1).not_before
            moment = min(moment, successor - timedelta(days=30))
        return max(moment, own + timedelta(days=30))

    def _common_name(self, request: EndEntityRequest, begin: datetime) -> str:
        """Opaque, in the shape seen: 23 characters (auth), 28 digits (sign)."""
        octets = self.random_bytes("cn " + self._label(request))
        code = request.municipality.code
        if request.family is Family.AUTH:
            letters = "".join(_LETTERS[octet % 36] for octet in octets[:14])
            return f"{letters}{code}{octets[14] % 10:03}A"
        number = int.from_bytes(octets[:8], "big") % 10**9
        return f"{begin:%Y%m%d%H%M%S}{code}{number:09}"

    # --- revocation --------------------------------------------------------------------

    def revoke(
        self,
        family: Family,
        generation: int,
        place: Place,
        serial: int,
        at: datetime,
        reason: int | None,
    ) -> None:
        """Record a revocation. Lists published after ``at``, and answers, tell of it."""
        key = (family, generation, municipality(place).code)
        self._revoked.setdefault(key, {})[serial] = (at, reason)

    def status(self, family: Family, generation: int, serial: int) -> ocsp.Status:
        """Status of a serial at ``self.at`` by the record; what is not on it is good."""
        for (of_family, of_generation, _), entries in self._revoked.items():
            if (of_family, of_generation) == (family, generation) and serial in entries:
                when, reason = entries[serial]
                if when <= self.at:
                    return ocsp.Status(word="revoked", revoked_at=when, reason=reason)
        return ocsp.Status()

    def _entries(
        self, family: Family, generation: int, code: str | None, until: datetime
    ) -> list[Entry]:
        return [
            (serial, when, reason)
            for key, entries in self._revoked.items()
            if key[:2] == (family, generation) and code in (None, key[2])
            for serial, (when, reason) in sorted(entries.items())
            if when <= until
        ]

    def crl(
        self,
        family: Family,
        generation: int,
        place: Place | None,
        revoked: Iterable[Entry] | None = None,
        overrides: CrlOverrides | None = None,
    ) -> bytes:
        """DER of the list of a municipality, or of all users of the generation (None).

        ``revoked`` (serial, date, reason or None) stands in for the record, as it is given.
        """
        found = None if place is None else municipality(place)
        this_update = crl.published(self.at)
        if revoked is None:
            code = None if found is None else found.code
            revoked = self._entries(family, generation, code, this_update)
        return crl.crl_bytes(
            self.authority(family, generation),
            crl.user_scope(family, found, self.organisation),
            revoked,
            this_update,
            overrides,
        )

    def arl(
        self,
        family: Family,
        generation: int,
        revoked: Iterable[Entry] = (),
        overrides: CrlOverrides | None = None,
    ) -> bytes:
        """DER of the list of CA certificates, published at the CA's own name."""
        authority = self.authority(family, generation)
        scope = crl.Scope(authority.name, "ca")
        return crl.crl_bytes(authority, scope, revoked, crl.published(self.at), overrides)

    def crls(self) -> list[bytes]:
        """The current lists of every built-in municipality below every root."""
        return self._lists(self.authorities())

    def next_crls(self) -> list[bytes]:
        """The current lists of every built-in municipality below the two P-384 roots."""
        return self._lists(self.next_authorities())

    def _lists(self, authorities: Iterable[Authority]) -> list[bytes]:
        return [
            self.crl(authority.family, authority.generation, place)
            for authority in authorities
            for place in MUNICIPALITIES.values()
        ]

    # --- OCSP --------------------------------------------------------------------------

    def ocsp_response(
        self,
        cert_der: bytes,
        status: str | None = None,
        *,
        reason: int | None = None,
        revoked_at: datetime | None = None,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        produced_at: datetime | None = None,
        nonce: bytes | None = None,
        responder: str = "delegated",
        cert_id_hash: str = "sha1",
        serial: int | None = None,
        damage_signature: bool = False,
    ) -> bytes:
        """DER of an answer about a certificate of this PKI.

        ``status`` None asks the record. ``serial`` answers about another one than was asked.
        """
        from cryptography.x509 import load_der_x509_certificate

        certificate = load_der_x509_certificate(cert_der)
        authority = self._issuer_of(certificate)
        serial = certificate.serial_number if serial is None else serial
        known = self.status(authority.family, authority.generation, serial)
        if status is not None:
            when = revoked_at or self.at - timedelta(days=1)
            known = ocsp.Status(word=status, revoked_at=when, reason=reason)
        this_update = this_update or ocsp.data_time(self.at)
        single = ocsp.Single(
            cert_id=ocsp.cert_id(authority, serial, cert_id_hash),
            status=known,
            this_update=this_update,
            next_update=next_update or this_update + ocsp.DATA_AGE,
        )
        return ocsp.answer(
            ocsp.responder(authority, self.at, responder),
            [single],
            produced_at or self.at,
            nonce,
            damage_signature=damage_signature,
        )

    def ocsp_answer(
        self,
        request_der: bytes,
        status_of: Callable[[int], ocsp.Status] | None = None,
        *,
        responder: str = "delegated",
    ) -> bytes:
        """DER of the answer to a request (one certificate); its nonce is echoed.

        ``status_of`` stands in for the record. A foreign issuer's certificate is unknown; what
        is no request gets malformedRequest.
        """
        from cryptography.x509.ocsp import load_der_ocsp_request

        try:
            request = load_der_ocsp_request(request_der)
        except ValueError:
            return ocsp.error("malformedRequest")
        asked = ocsp.cert_id_of(request)
        serial = request.serial_number
        hash_name = request.hash_algorithm.name
        owner = next(
            (a for a in self._everyone() if ocsp.cert_id(a, serial, hash_name) == asked), None
        )
        if owner is None:
            owner, known = self.authority(Family.AUTH, 3), ocsp.Status(word="unknown")
        elif status_of is not None:
            known = status_of(serial)
        else:
            known = self.status(owner.family, owner.generation, serial)
        this_update = ocsp.data_time(self.at)
        single = ocsp.Single(
            cert_id=asked,
            status=known,
            this_update=this_update,
            next_update=this_update + ocsp.DATA_AGE,
        )
        signer = ocsp.responder(owner, self.at, responder)
        return ocsp.answer(signer, [single], self.at, ocsp.nonce_of(request))

    def _everyone(self) -> Iterator[Authority]:
        yield from self.authorities()
        yield from self.next_authorities()

    def _issuer_of(self, certificate: Certificate) -> Authority:
        """The root a certificate names by key id. Raises ValueError for a foreign one."""
        from cryptography.x509 import AuthorityKeyIdentifier

        key_id = certificate.extensions.get_extension_for_class(AuthorityKeyIdentifier)
        for authority in self._everyone():
            if authority.key_id == key_id.value.key_identifier:
                return authority
        raise ValueError("not a certificate of this PKI")

    # --- CV ----------------------------------------------------------------------------

    def cv_ca_keys(self) -> dict[bytes, tuple[int, int]]:
        """CV roots: 16-byte key id to (modulus, exponent)."""
        return cv.cv_ca_keys()

    def cv_certificate(
        self,
        chain: str,
        subject_key_id: bytes,
        public_numbers: tuple[int, int],
        *,
        issuer_key_id: bytes | None = None,
        signer: PrivateKey | str | None = None,
        damage_signature: bool = False,
    ) -> bytes:
        """The 568 bytes of a CV certificate of ``chain``: mf, surface or text."""
        return cv.cv_certificate(
            chain,
            subject_key_id,
            public_numbers,
            issuer_key_id=issuer_key_id,
            signer=signer,
            damage_signature=damage_signature,
        )

    def municipality_key(self, place: Place) -> RSAPrivateKey:
        """Key with which a municipality signs 券面 records."""
        return stored_key(f"municipality-{municipality(place).key_number}")

    def municipality_key_id(self, place: Place) -> bytes:
        """Key id of that key, for one ``1322121/000``."""
        return cv.key_id(municipality(place).key_number, "000")


def _expiry(request: EndEntityRequest, begin: datetime) -> datetime:
    """The fifth birthday; without a holder, the end of the day five years on less 90 days."""
    if request.holder is not None:
        return fifth_birthday(begin, request.holder.birth)
    end = begin + timedelta(days=5 * 365 - 90)
    return end.replace(hour=14, minute=59, second=59, microsecond=0)
