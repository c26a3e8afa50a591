# SPDX-License-Identifier: Apache-2.0
"""Selection, files and data objects: what the emulated card answers to each command.

Every handler takes the chip and a parsed command and returns the whole reply, data and
status word. Sources by command: SELECT, READ BINARY, READ RECORD [MC] [MY] [ISO4];
GET DATA [MC]; what a status word means, [JICSAP].
"""

from __future__ import annotations

from jpki.card_map import ISD_AID, FileKind
from jpki.emulator import words
from jpki.emulator.apdu import Command
from jpki.emulator.chip import Chip
from jpki.emulator.files import ApplicationImage, ElementaryFile
from jpki_apdu import tlv

_CONTACT_ATR = 0x5F51  # readable at card level and inside an application [MC]


def select(chip: Chip, c: Command) -> bytes:
    """SELECT: by AID (P1=04), EF (02), or the master file, which does nothing (00)."""
    if c.p1 == 0x02:
        return _select_file(chip, c)
    if c.p1 == 0x04:
        return _select_application(chip, c)
    if c.p1 == 0x00:
        return _select_master(chip, c)
    return words.WRONG_P1P2  # P1=09, by path, is refused [OS PR 801]


def _select_file(chip: Chip, c: Command) -> bytes:
    if c.p2 not in (0x0C, 0x00):
        return words.WRONG_P1P2
    if len(c.data) != 2:
        return words.WRONG_LENGTH
    application = chip.application
    files = chip.image.master_files if application is None else application.by_fid
    file = files.get(c.data[0] << 8 | c.data[1])
    if file is None:
        return words.NOT_FOUND
    chip.file = file
    return words.OK


def _select_application(chip: Chip, c: Command) -> bytes:
    if c.p2 not in (0x0C, 0x00, 0x0E, 0x02):
        return words.WRONG_P1P2
    if len(c.data) > 16:
        return words.WRONG_LENGTH
    if not c.data or c.data == ISD_AID:
        chip.clear()
        return _control_information(chip, c, ISD_AID)
    application = _by_name(chip, c.data, following=bool(c.p2 & 2))
    if application is None:
        return words.NOT_FOUND
    chip.enter(application)
    return _control_information(chip, c, application.aid)


def _by_name(chip: Chip, name: bytes, *, following: bool) -> ApplicationImage | None:
    """The first application whose AID begins with ``name``, or the next after the current."""
    matching = [app for app in chip.image.applications if app.aid.startswith(name)]
    if not following:
        return matching[0] if matching else None
    if chip.application in matching:
        del matching[: matching.index(chip.application) + 1]
    return matching[0] if matching else None


def _control_information(chip: Chip, c: Command, aid: bytes) -> bytes:
    """9000, or a file control template where P2 asks for one.

    What a real card puts into it is not published; the name alone is [ISO4] and [inferred].
    """
    if c.p2 & 0x0C or c.le is None:
        return words.OK
    return chip.reply(tlv.encode(0x6F, tlv.encode(0x84, aid)), c.le)


def _select_master(chip: Chip, c: Command) -> bytes:
    """No data: 6A86 at card level, 9000 without effect inside an application [MC]."""
    if c.data:
        return words.NOT_FOUND
    return words.WRONG_P1P2 if chip.application is None else words.OK


def read_binary(chip: Chip, c: Command) -> bytes:
    """READ BINARY: at most Le bytes, fewer at the end of the file."""
    if c.data or c.le is None:
        return words.WRONG_LENGTH
    file = chip.file
    offset = c.p1 << 8 | c.p2
    if c.p1 & 0x80:
        if c.p1 & 0x60:
            return words.WRONG_P1P2
        found = chip.find_short(c.p1 & 0x1F)
        if isinstance(found, bytes):
            return found
        file, offset = found, c.p2
    if file is None:
        return words.NO_CURRENT_FILE
    return _read(chip, file, offset, c.le)


def _read(chip: Chip, file: ElementaryFile, offset: int, le: int) -> bytes:
    if file.kind is not FileKind.TRANSPARENT:
        return words.SECURITY_STATUS if file.hidden else words.INCOMPATIBLE_FILE
    if not chip.opened(file):
        return words.SECURITY_STATUS
    data = file.content() if file.content is not None else b""
    quirks = chip.quirks
    if offset >= len(data):
        return bytes.fromhex(quirks.offset_past_end)
    end = offset + le
    if quirks.max_reply and le > quirks.max_reply:
        end = offset + quirks.max_reply
    if end > len(data) and quirks.end_of_file == "6282":
        return data[offset:] + words.END_OF_FILE
    return data[offset:end] + words.OK


def read_record(chip: Chip, c: Command) -> bytes:
    """READ RECORD by number; P2=05 (all from P1 on) is not supported."""
    if c.data or c.le is None:
        return words.WRONG_LENGTH
    if c.p2 & 7 == 5:
        return words.FUNCTION_UNSUPPORTED
    if c.p2 & 7 != 4:
        return words.WRONG_P1P2
    file = chip.file
    if c.p2 >> 3:
        found = chip.find_short(c.p2 >> 3)
        if isinstance(found, bytes):
            return found
        file = found
    if file is None:
        return words.NO_CURRENT_FILE
    if file.kind is not FileKind.RECORD:
        return words.INCOMPATIBLE_FILE
    if not chip.opened(file):
        return words.SECURITY_STATUS
    if not 0 < c.p1 <= len(file.records):
        return words.RECORD_NOT_FOUND
    return file.records[c.p1 - 1]()[: c.le] + words.OK


def get_challenge(chip: Chip, c: Command) -> bytes:
    """GET CHALLENGE: 1-256 random bytes, at every level; extended length is refused [MC]."""
    if c.extended:
        return words.CONDITIONS
    if c.p1 or c.p2:
        return words.WRONG_P1P2
    if c.data or c.le is None:
        return words.WRONG_LENGTH
    return chip.reply(chip.random(c.le), c.le)


def get_data(chip: Chip, c: Command) -> bytes:
    """GET DATA: card-level objects; one that is longer than a short Le can ask gives 6700."""
    tag = c.p1 << 8 | c.p2
    if c.data or c.le is None:
        return words.WRONG_LENGTH
    if chip.application is not None and tag != _CONTACT_ATR:
        return words.REFERENCE_NOT_FOUND
    found = chip.image.objects.get(tag)
    if found is None:
        return words.REFERENCE_NOT_FOUND
    return chip.reply(found(), c.le)


def get_response(chip: Chip, c: Command) -> bytes:
    """GET RESPONSE: what the reply limit kept back."""
    if c.p1 or c.p2:
        return words.WRONG_P1P2
    if c.data or c.le is None:
        return words.WRONG_LENGTH
    if not chip.pending:
        return words.CONDITIONS
    size = min(c.le, chip.quirks.max_reply or 256, len(chip.pending))
    part, chip.pending = chip.pending[:size], chip.pending[size:]
    return part + (words.more(len(chip.pending)) if chip.pending else words.OK)
