# SPDX-License-Identifier: Apache-2.0
"""Applications in the card's free area (条例利用): what they are, and one reader for all of them.

A municipality may put an application of its own on the card (番号利用条例, 公的個人認証法
has nothing to do with it): a library card, a sports hall. Their AIDs and files are not
public, so none is built in. Who runs one writes it down in a registry file
(:mod:`jpki.card.free_area_file`); only what is listed there is ever selected.

This reader is the one to copy: :func:`read_free_area` for a free file, the same with
``pin`` for one that a PIN of the application opens.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from jpki.card.records import Place, text
from jpki.card.selection import select_application
from jpki.card_map import ISD_AID, Application, FileKind
from jpki.errors import ApplicationPinError, PinFormatError
from jpki_apdu.channel import Channel
from jpki_apdu.errors import (
    CardError,
    FileNotFoundOnCardError,
    MalformedResponseError,
    SecurityStatusError,
    StatusWordError,
    TransportError,
)
from jpki_apdu.status import StatusWord
from jpki_apdu.tlv import Tlv

if TYPE_CHECKING:
    from jpki.card.card import Card

_log = logging.getLogger(__name__)

_BLOCKED = frozenset((0x6983, 0x6984, 0x63C0))
_UNLIMITED = 0x6300
_NO_SUCH_PIN = frozenset((0x6A82, 0x6A88))
_VERIFY = 0x20


class ContentKind(StrEnum):
    """What a file holds."""

    TEXT = "text"  # UTF-8, filler after it
    DIGITS = "digits"  # ASCII digits, filler after them
    BYTES = "bytes"  # as they are


@dataclass(frozen=True, slots=True)
class FreeAreaPin:
    """A PIN of such an application: characters, digits only or capital letters too."""

    id: str
    fid: int
    ja: str
    en: str
    min_length: int
    max_length: int
    letters: bool = False


@dataclass(frozen=True, slots=True)
class FreeAreaFile:
    """A file. ``opened_by``: ids of the PINs any of which opens it; empty = free to read.

    ``size``: bytes to read, None = all there is. ``record``: which, of a record file.
    """

    id: str
    fid: int
    ja: str
    en: str
    kind: FileKind = FileKind.TRANSPARENT
    content: ContentKind = ContentKind.TEXT
    size: int | None = None
    record: int = 1
    opened_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FreeAreaApplication:
    """One application as its registry file describes it. ``ja``, ``en``: its names."""

    id: str
    aid: bytes
    ja: str
    en: str
    files: tuple[FreeAreaFile, ...] = ()
    pins: tuple[FreeAreaPin, ...] = ()

    def name(self, lang: str) -> str:
        """Its name in ``lang`` (ja, en)."""
        return self.ja if lang == "ja" else self.en

    def file(self, id: str) -> FreeAreaFile:
        """The file called ``id``. Raises KeyError."""
        return _called(self.files, id)

    def pin(self, id: str) -> FreeAreaPin:
        """The PIN called ``id``. Raises KeyError."""
        return _called(self.pins, id)

    @property
    def entry(self) -> Application:
        """The same as the card map would have it, to select it by."""
        return Application(self.id, self.aid, "-", "registry")


_T = TypeVar("_T", FreeAreaFile, FreeAreaPin)


def _called(items: Iterable[_T], id: str) -> _T:
    for item in items:
        if item.id == id:
            return item
    raise KeyError(id)


@dataclass(frozen=True, slots=True)
class FreeAreaRecord:
    """What a file held. Whether it is genuine only the application's operator can say."""

    application: str
    file: FreeAreaFile
    data: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """What a ``text`` or ``digits`` file says. Raises CardDataError, ValueError for bytes."""
        if self.file.content is ContentKind.BYTES:
            raise ValueError("this file holds bytes")
        place = Place(self.application, self.file.fid)
        content = self.data.rstrip(b"\xff\x00")
        if not content:
            raise place.error("filler_only" if self.data else "truncated", 0)
        if self.file.content is ContentKind.DIGITS and not content.isdigit():
            raise place.error("bad_digits", 0)
        return text(Tlv(0, content, 0, 0, len(content)), place)


def is_present(card: Card, application: FreeAreaApplication) -> bool:
    """Whether the card has ``application``: one SELECT, which makes it forget other PINs."""
    try:
        select_application(card.channel, application.entry)
    except StatusWordError:
        return False
    return True


def read_free_area(
    card: Card,
    application: FreeAreaApplication,
    file: FreeAreaFile | str,
    *,
    pin: bytearray | None = None,
    last_try: bool = False,
) -> FreeAreaRecord:
    """Read one file of an application in the free area.

    ``pin``: presented once, if the file wants one; the counter is read before, and with
    one try left nothing is presented unless ``last_try``. It is wiped. Afterwards the card
    forgets it: the card manager is selected before anybody else may talk to the card.
    Raises FileNotFoundOnCardError ``application_absent`` or ``file_absent``,
    SecurityStatusError ``free_area_needs_pin``, ApplicationPinError, CardDataError.
    """
    channel = card.channel
    wanted = application.file(file) if isinstance(file, str) else file
    if pin is None:
        return _read(channel, application, wanted)
    try:
        reference = _pin_of(application, wanted, pin)
        with channel.connection.exclusive():
            try:
                _present(channel, application, reference, pin, last_try=last_try)
                return _read(channel, application, wanted)
            finally:
                _forget(channel)
    finally:
        pin[:] = bytes(len(pin))


def _read(channel: Channel, application: FreeAreaApplication, file: FreeAreaFile) -> FreeAreaRecord:
    select_application(channel, application.entry)
    try:
        if file.kind is FileKind.RECORD:
            data = channel.read_record(application.aid, file.fid, file.record)
        else:
            data = channel.read_file(application.aid, file.fid, file.size or _whole)
    except (SecurityStatusError, FileNotFoundOnCardError) as exc:
        closed = isinstance(exc, SecurityStatusError)
        code = "free_area_needs_pin" if closed else "file_absent"
        error = type(exc)(exc.sw, exc.ins, code)
        error.values.update(application=application.id, record=file.id)
        raise error from exc
    _log.debug("free area: %d bytes of file %04X", len(data), file.fid)
    return FreeAreaRecord(application.id, file, data)


def _whole(head: bytes) -> int | None:
    return None


def _pin_of(application: FreeAreaApplication, file: FreeAreaFile, value: bytearray) -> FreeAreaPin:
    """The PIN that opens ``file``, its form being right. Raises PinFormatError, ValueError."""
    if not isinstance(value, bytearray):
        raise TypeError("a PIN is a bytearray, so that it can be wiped")
    if not file.opened_by:
        raise ValueError("this file is free to read: no PIN is presented for it")
    reference = application.pin(min(file.opened_by))
    allowed = b"0123456789" + (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" if reference.letters else b"")
    fits = reference.min_length <= len(value) <= reference.max_length
    if not fits or any(byte not in allowed for byte in value):
        rule = "letters_digits" if reference.letters else "digits"
        lengths = f"{reference.min_length}-{reference.max_length}"
        raise PinFormatError(kind=reference.id, rule=rule if fits else "length", lengths=lengths)
    return reference


def _present(
    channel: Channel,
    application: FreeAreaApplication,
    pin: FreeAreaPin,
    value: bytearray,
    *,
    last_try: bool,
) -> None:
    """The counter, then exactly one VERIFY; raises unless the card says 9000."""
    select_application(channel, application.entry)
    sw = channel.query_reference(application.aid, pin.fid)
    left = _left(sw)
    if sw in _NO_SUCH_PIN:
        raise _refused(application, pin, "pin_of_application_absent", None)
    if left == 0:
        raise _refused(application, pin, "pin_of_application_blocked", 0)
    if left == 1 and not last_try:
        raise _refused(application, pin, "pin_of_application_last_try", 1)
    if left is None and sw not in (_UNLIMITED, 0x9000):
        raise _refused(application, pin, "pin_of_application_refused", None, sw=str(sw))
    try:
        sw = channel.verify(application.aid, pin.fid, value)
    except (TransportError, MalformedResponseError) as exc:
        raise _refused(application, pin, "pin_of_application_unknown", None) from exc
    _log.debug("VERIFY in free area: %s", sw)
    if sw == 0x9000:
        return
    if _left(sw) == 0:
        raise _refused(application, pin, "pin_of_application_blocked", 0)
    if _left(sw) is not None or sw == _UNLIMITED:
        raise _refused(application, pin, "pin_of_application", _left(sw))
    raise _refused(application, pin, "pin_of_application_refused", None, sw=str(sw))


def _left(sw: StatusWord) -> int | None:
    return 0 if sw in _BLOCKED else sw.attempts_left


def _refused(
    application: FreeAreaApplication, pin: FreeAreaPin, code: str, left: int | None, **more: str
) -> ApplicationPinError:
    return ApplicationPinError(
        code, application=application.id, pin=pin.id, attempts_left=left, **more
    )


def _forget(channel: Channel) -> None:
    """Make the card forget the PIN. If it cannot be told to, its power is cut."""
    try:
        channel.select(ISD_AID)
    except CardError as exc:
        _log.debug("card manager: %s", exc.code)
        with contextlib.suppress(CardError):  # a card that left has forgotten it
            channel.power_off()
