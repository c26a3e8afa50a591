# SPDX-License-Identifier: Apache-2.0
"""Reads OCSP answers; one of a form that was read before takes a tenth of the time.

A responder's answers are the same bytes except for serial, times, nonce and signature. Where
an answer is as long as one that was read carefully and differs from it in nothing but the
values of these fields, every length in it is the same and it reads the same; the values
themselves are checked. Whatever is unusual is read carefully.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from jpki.certificate import der
from jpki.certificate.serial import RefKind, SerialRef
from jpki.validation.ocsp import NONCE, BasicAnswer, CertId, SingleAnswer, parse_ocsp

# Lengths of answers that are known, and forms kept of each: of some responders.
_MAX_LENGTHS: Final = 64
_MAX_FORMS: Final = 8
_Place = slice


@dataclass(frozen=True, slots=True)
class _Form:
    """What the answers of one form share. ``fixed``: where, and which octets. The rest: where
    the values are that each has of its own."""

    answer: BasicAnswer
    fixed: tuple[tuple[int, bytes], ...] = field(repr=False)
    tbs: _Place
    produced_at: _Place
    serial: _Place
    this_update: _Place
    next_update: _Place
    nonce: _Place | None
    signature: _Place

    def read(self, data: bytes) -> BasicAnswer | None:
        """An answer of this form; None for any other. Raises DerError."""
        for start, octets in self.fixed:
            if not data.startswith(octets, start):
                return None
        serial = data[self.serial]
        der.integer(der.Node(serial, der.INTEGER, 0, 0, len(serial)))
        like, (single,) = self.answer, self.answer.answers
        asked = single.cert_id
        ref = SerialRef(RefKind.CERTIFICATE_SERIAL, serial)
        own = SingleAnswer(
            CertId(asked.hash_name, asked.name_hash, asked.key_hash, ref),
            single.status,
            None,
            single.reason,
            _time(data[self.this_update]),
            _time(data[self.next_update]),
            single.critical,
        )
        return BasicAnswer(
            data[self.tbs],
            like.algorithm,
            data[self.signature],
            like.name,
            like.key_hash,
            _time(data[self.produced_at]),
            (own,),
            None if self.nonce is None else data[self.nonce],
            like.critical,
            like.certificates,
        )


class OcspReader:
    """Reads as ``parse_ocsp`` does, and remembers forms. Safe to use from several threads:
    forms are put in whole and never changed."""

    def __init__(self) -> None:
        self._forms: dict[int, tuple[_Form, ...]] = {}

    def read(self, data: bytes) -> BasicAnswer | str:
        """The answer, or the word for an unsuccessful status. Raises RevocationDataError."""
        for form in self._forms.get(len(data), ()):
            try:
                known = form.read(data)
            except der.DerError:
                break  # the careful way says what is wrong
            if known is not None:
                return known
        parsed = parse_ocsp(data)
        if isinstance(parsed, BasicAnswer):
            self._learn(bytes(data), parsed)
        return parsed

    def _learn(self, data: bytes, parsed: BasicAnswer) -> None:
        form = _form(data, parsed)
        if form is None or form.read(data) != parsed:
            return
        if len(self._forms) >= _MAX_LENGTHS:
            self._forms.clear()
        earlier = self._forms.get(len(data), ())
        self._forms[len(data)] = (form, *earlier[: _MAX_FORMS - 1])


def _form(data: bytes, parsed: BasicAnswer) -> _Form | None:
    """The form of an answer that was read; None unless it is «good», for one certificate, and
    has an end."""
    if [single.status for single in parsed.answers] != ["good"]:
        return None
    wrapped = der.whole(data).reader().rest()
    *_, body = der.only([*wrapped][1], der.SEQUENCE).reader().rest()
    basic = der.only(body, der.SEQUENCE).reader()
    tbs, _, bits, *_ = basic.rest()
    _, produced_at, responses, *after = tbs.reader().rest()
    cert_id, _, this_update, *rest = der.only(responses, der.SEQUENCE).reader().rest()
    *_, serial = cert_id.reader().rest()
    if not rest or rest[0].tag != 0xA0:
        return None
    next_update = der.only(rest[0], der.GENERALIZED_TIME)
    nonce = None if parsed.nonce is None else _nonce(after[0])
    signature = slice(bits.value_start + 1, bits.end)
    own = [_value(node) for node in (produced_at, serial, this_update, next_update)]
    cut = [*own, *([nonce] if nonce else []), signature]
    starts = [0, *(place.stop for place in cut)]
    ends = [*(place.start for place in cut), len(data)]
    return _Form(
        answer=parsed,
        fixed=tuple((a, data[a:b]) for a, b in zip(starts, ends, strict=True)),
        tbs=slice(tbs.start, tbs.end),
        produced_at=own[0],
        serial=own[1],
        this_update=own[2],
        next_update=own[3],
        nonce=nonce,
        signature=signature,
    )


def _nonce(node: der.Node) -> _Place:
    """Where the nonce is in the extensions of an answer that has one."""
    inside = der.only(node, der.SEQUENCE)
    for extension in inside.reader().rest():
        parts = [*extension.reader().rest()]
        if der.oid(parts[0]) == NONCE:
            return _value(der.only(parts[-1], der.OCTET_STRING))
    raise AssertionError("it has one")


def _value(node: der.Node) -> _Place:
    return slice(node.value_start, node.end)


@functools.lru_cache(maxsize=4096)
def _time(value: bytes) -> datetime:
    """A GeneralizedTime. Raises DerError."""
    node = der.Node(value, der.GENERALIZED_TIME, 0, 0, len(value))
    return der.time(node, generalized_only=True)
