# SPDX-License-Identifier: Apache-2.0
"""The revocation lists of the test PKI over HTTP, one path for each list.

The real lists reach registered verifiers by ways that are not public; the paths are ours.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

from jpki.certificate.kinds import Family
from jpki.synth import SynthPki
from jpki.synth.authority import GENERATIONS
from jpki.synth.crl import Entry, number_of, published
from jpki.synth.municipalities import MUNICIPALITIES, Municipality
from jpki.synth.overrides import CrlOverrides
from jpki.testing.http import Answer, LocalServer, Request

PKIX_CRL = "application/pkix-crl"
ALL = "all"
_LIFE = timedelta(days=2)
_DAY = timedelta(days=1)


class CrlMode(StrEnum):
    """What the server does; the last six are lies of the transport."""

    CURRENT = "current"  # the list of the last publication, by the PKI's record
    STALE = "stale"  # a list whose nextUpdate has passed
    FUTURE = "future"  # a list of tomorrow
    ROLLED_BACK = "rolled_back"  # yesterday's list, still good by its dates
    EMPTY = "empty"  # nothing is revoked: what an attacker would serve, but signed
    WRONG_SIGNER = "wrong_signer"  # right names, another key
    WRONG_PARTITION = "wrong_partition"  # says it is another municipality's
    BAD_SIGNATURE = "bad_signature"
    NO_304 = "no_304"  # never answers «not modified»
    SLOW = "slow"
    UNAVAILABLE = "unavailable"
    HTML = "html"
    OVERSIZE = "oversize"
    REDIRECT = "redirect"
    TRUNCATED = "truncated"


class _List(NamedTuple):
    family: Family
    generation: int
    place: Municipality | None
    of_cas: bool = False

    @property
    def path(self) -> str:
        """Where it is, without a slash in front."""
        if self.of_cas:
            return f"arl/{self.family.value}/{self.generation}.crl"
        code = ALL if self.place is None else self.place.code
        return f"crl/{self.family.value}/{self.generation}/{code}.crl"


class CrlServer(LocalServer[CrlMode]):
    """Serves the current lists of ``pki``: ``crl/FAMILY/GENERATION/MUNICIPALITY.crl``.

    MUNICIPALITY is the five-digit code, or ``all`` for the list of all users; the list of CA
    certificates is ``arl/FAMILY/GENERATION.crl``, and ``/`` an index in JSON. ``places``:
    municipalities besides the built-in ones. A list is made when it is asked for, so a
    revocation recorded with a date before the last publication (06:00 in Japan) is on it.
    """

    modes = CrlMode

    def __init__(
        self,
        pki: SynthPki,
        mode: CrlMode | str = CrlMode.CURRENT,
        *,
        places: Iterable[Municipality] = (),
        delay: float = 2.0,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(pki.at, mode, delay=delay, clock=clock)
        self.pki = pki
        self._places = MUNICIPALITIES | {place.code: place for place in places}

    def list_url(self, family: Family, generation: int, place: Municipality | str = ALL) -> str:
        """Where the list of a municipality (or its code) is; ``all``: the list of all users."""
        code = place.code if isinstance(place, Municipality) else place
        return f"{self.url}crl/{family.value}/{generation}/{code}.crl"

    def respond(self, request: Request, mode: CrlMode) -> Answer:
        """The list at a path, the index, 304, 404 or 405."""
        if request.method not in ("GET", "HEAD"):
            return Answer(b"GET only\n", status=405, headers=(("Allow", "GET, HEAD"),))
        path = request.path.partition("?")[0]
        if path == "/":
            return Answer(self._index(), "application/json")
        wanted = self._find(path)
        if wanted is None:
            return Answer(b"there is no such list\n", status=404, shown="?")
        body, this_update, next_update = self._make(wanted, mode)
        headers = (
            ("Last-Modified", _http_date(this_update)),
            ("Expires", _http_date(next_update)),
            ("ETag", f'"{hashlib.sha256(body).hexdigest()[:32]}"'),
        )
        shown = f"/{wanted.path}"
        if mode is not CrlMode.NO_304 and _unchanged(request.headers, headers[2][1], this_update):
            return Answer(status=304, headers=headers, shown=shown)
        return Answer(body, PKIX_CRL, headers=headers, shown=shown)

    def _lists(self) -> list[_List]:
        places: list[Municipality | None] = [*self._places.values(), None]
        roots = [(family, n) for family in Family for n in GENERATIONS]
        found = [_List(family, n, place) for family, n in roots for place in places]
        return found + [_List(family, n, None, True) for family, n in roots]

    def _find(self, path: str) -> _List | None:
        return next((one for one in self._lists() if f"/{one.path}" == path), None)

    def _index(self) -> bytes:
        this_update = published(self.now())
        lists = [
            {
                "family": one.family.value,
                "generation": one.generation,
                "covers": "ca" if one.of_cas else "user",
                "municipality": one.place.code if one.place else None,
                "name": f"{one.place.prefecture}/{one.place.name}" if one.place else None,
                "path": f"/{one.path}",
            }
            for one in self._lists()
        ]
        index = {
            "environment": "test",
            "number": number_of(this_update),
            "this_update": _rfc3339(this_update),
            "next_update": _rfc3339(this_update + _LIFE),
            "lists": lists,
        }
        return json.dumps(index, ensure_ascii=False).encode() + b"\n"

    def _make(self, wanted: _List, mode: CrlMode) -> tuple[bytes, datetime, datetime]:
        """DER of the list, its thisUpdate and nextUpdate."""
        days = {CrlMode.STALE: -5, CrlMode.FUTURE: 1, CrlMode.ROLLED_BACK: -1}.get(mode, 0)
        view = copy.copy(self.pki)
        view.at = self.now() + days * _DAY
        this_update = published(view.at)
        wrong = _overrides(wanted, mode, [*self._places.values()])
        if wanted.of_cas:
            body = view.arl(wanted.family, wanted.generation, overrides=wrong)
        else:
            revoked: list[Entry] | None = [] if mode is CrlMode.EMPTY else None
            body = view.crl(wanted.family, wanted.generation, wanted.place, revoked, wrong)
        return body, this_update, this_update + _LIFE


def _overrides(wanted: _List, mode: CrlMode, places: list[Municipality]) -> CrlOverrides | None:
    if mode is CrlMode.WRONG_SIGNER:
        return CrlOverrides(signer="rogue-ca")
    if mode is CrlMode.WRONG_PARTITION:
        return CrlOverrides(partition=next(p for p in places if p != wanted.place))
    if mode is CrlMode.BAD_SIGNATURE:
        return CrlOverrides(damage_signature=True)
    return None


def _unchanged(headers: dict[str, str], tag: str, changed: datetime) -> bool:
    """Whether the client has this list already. A tag outweighs a date (RFC 9110, 13.2.2)."""
    tags = headers.get("if-none-match")
    if tags is not None:
        known = {one.strip().removeprefix("W/") for one in tags.split(",")}
        return "*" in known or tag in known
    try:
        since = parsedate_to_datetime(headers.get("if-modified-since", ""))
    except (ValueError, TypeError):
        return False
    since = since.replace(tzinfo=UTC) if since.tzinfo is None else since
    return changed <= since


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
