# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: what comes from a card or from the virtual reader's wire."""

from __future__ import annotations

import contextlib
import functools
import io
import socket
import threading
from dataclasses import replace
from typing import cast, get_args

from fuzz_targets import FindingError, calls
from jpki.card import (
    common_ap,
    jpeg2000,
    licence_records,
    mf,
    png,
    surface_records,
    text_records,
    token,
)
from jpki.card import images as pictures
from jpki.card.cv_certificate import (
    CV_HEAD,
    CV_HEAD_SIZE,
    CvChain,
    issuer_in_head,
    key_name,
    parse_cv_certificate,
    parse_cv_contents,
)
from jpki.card.records import Place, record_size
from jpki_apdu import tlv as ber
from jpki_apdu import vpcd
from jpki_apdu.replay import parse_replay
from jpki_apdu.transcript import TRACE, compare, parse_trace
from jpki_apdu.vpcd_frames import Frames
from vpcd_card import Card

PLACE = Place("fuzz", 0x0001)


def tlv(data: bytes) -> None:
    """Read, written again: every shortest form comes back as it was."""

    def again(raw: bytes) -> None:
        one = ber.parse_one(raw)
        if one.end > len(raw) or ber.total_length(raw) != one.end:
            raise FindingError("length")
        made = ber.parse_one(ber.encode(one.tag, one.value))
        if (made.tag, made.value) != (one.tag, one.value):
            raise FindingError("round trip")

    def written(raw: bytes) -> None:
        """The first bytes as a tag, the rest as its value: refused, or read as they were."""
        tag, value = int.from_bytes(raw[:3], "big"), raw[3:]
        made = ber.parse_one(ber.encode(tag, value))
        if (made.tag, made.value) != (tag, value):
            raise FindingError("round trip")

    def outside(raw: bytes) -> None:
        for parse in (ber.parse_one, ber.parse_all):
            with contextlib.suppress(ValueError):
                parse(raw, len(raw) + 1)
                raise FindingError("read past the end")

    every = (outside, ber.parse_all, lambda raw: ber.parse_all(raw, filler=True), ber.total_length)
    calls((again, written, *every), data)


def ef_text(data: bytes) -> None:
    calls(
        (
            text_records.parse_number, text_records.parse_attributes, text_records.parse_digests,
            text_records.parse_basic_info, text_records.parse_session_key,
            text_records.parse_ap_key, record_size,
        ),
        data,
    )  # fmt: skip


def ef_surface(data: bytes) -> None:
    calls(
        (
            surface_records.parse_surface_info, surface_records.parse_age,
            surface_records.parse_face, surface_records.parse_number_image,
            surface_records.parse_filler,
        ),
        data,
    )  # fmt: skip


def ef_others(data: bytes) -> None:
    calls(
        (
            common_ap.parse_card_record, token.parse_token_info, token.parse_availability,
            *(
                lambda raw, parse=parse: parse(raw, PLACE)
                for parse in (
                    mf.parse_key_reference, mf.parse_card_number, mf.parse_day,
                    mf.parse_contact_atr, mf.parse_recognition,
                )
            ),
        ),
        data,
    )  # fmt: skip


def ef_licence(data: bytes) -> None:
    calls(
        (
            licence_records.parse_pin_set, licence_records.parse_licence,
            licence_records.parse_signature,
        ),
        data,
    )  # fmt: skip


def cv_certificate(data: bytes) -> None:
    calls(
        (
            *(
                lambda raw, chain=chain: parse_cv_certificate(raw, chain)
                for chain in get_args(CvChain)
            ),
            lambda raw: parse_cv_contents(raw, PLACE),
        ),
        data,
    )
    for head in (data[:CV_HEAD_SIZE], CV_HEAD + data[:16]):
        for chain in get_args(CvChain):
            issuer_in_head(head, chain)
    with contextlib.suppress(ValueError):
        key_name(data)


def images(data: bytes) -> None:
    """Pictures of a card: looked at, and made PNG with whatever Pillow makes of them."""
    calls(
        (
            lambda raw: pictures.inspect(raw, PLACE),
            lambda raw: pictures.to_png(raw, PLACE),
            lambda raw: pictures.grey(raw, PLACE, 40, 40),
        ),
        data,
    )
    for examine in (png.examine, jpeg2000.examine):
        with contextlib.suppress(png.ImageFaultError):
            examine(data, pictures.MAX_SIDE)


class _Peer:
    """The other end of the wire, in pieces of a size that the first byte tells."""

    def __init__(self, data: bytes) -> None:
        self._size = data[0] % 40 + 1 if data else 1
        self._data = io.BytesIO(data[1:])

    def recv(self, most: int) -> bytes:
        return self._data.read(min(self._size, most))

    def sendall(self, data: bytes) -> None:
        if len(data) < 3:
            raise FindingError("an empty frame was sent")

    def setsockopt(self, *_: object) -> None: ...
    def settimeout(self, _: float) -> None: ...
    def shutdown(self, _: int) -> None: ...
    def close(self) -> None: ...


def vpcd_frames(data: bytes) -> None:
    """The card's end serves a reader that sends anything, the reader's end such a card."""
    side = vpcd.VpcdCardSide("127.0.0.1", 9, Card())
    side._frames = Frames(cast(socket.socket, _Peer(data)))
    reader = _reader()
    reader._frames = Frames(cast(socket.socket, _Peer(data)))
    reader._timeout = 0 if data[:1] == _SILENT else 60
    try:
        calls((lambda _: side.serve(threading.Event()), lambda _: _spoken_to(reader)), b"")
    finally:
        side.close()
        reader._drop()


_SILENT = b"\xff"
"""First byte: the card is not waited for."""


@functools.cache
def _reader() -> vpcd.VpcdReaderSide:
    return vpcd.VpcdReaderSide("127.0.0.1", 0)


def _spoken_to(reader: vpcd.VpcdReaderSide) -> None:
    """Power on, then commands until the card is gone. Raises TransportError."""
    reader._power_on()
    while True:
        reader.transmit(b"\x00\xb0\x00\x00\x00")


def transcripts(data: bytes) -> None:
    """Read, written again, and compared with itself: what was read comes back."""

    def again(raw: bytes) -> None:
        trace = parse_trace(raw)
        rows = [f"# {TRACE}", *map(str, trace.entries), ""]
        made = parse_trace("\n".join(rows).encode())
        for lengths in (True, False):
            if compare(trace, made, lengths=lengths):
                raise FindingError("round trip")
            str(compare(trace, replace(trace, entries=trace.entries[1:]), lengths=lengths))

    calls((again,), data)


def replays(data: bytes) -> None:
    calls((parse_replay,), data)
