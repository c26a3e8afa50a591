# SPDX-License-Identifier: Apache-2.0
"""What is where on a card: AIDs, file ids, PIN references, who may read what.

The one place for these numbers, shared by the reader side and the emulator. Each line
carries its grade (A two independent code bases or re-checked bytes, B one careful
source, C one untested source) and the source's key; the keys are listed in
``hardware.md``. Short EF identifiers are the low five bits of the file id
([MC], grade B).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class PinKind(StrEnum):
    """The PINs and keys a person may present; the values are the words of the command line."""

    AUTH = "auth"  # 利用者証明用電子証明書の暗証番号
    SIGN = "sign"  # 署名用電子証明書の暗証番号 (パスワード)
    TEXT = "text"  # 券面事項入力補助用の暗証番号
    JUKI = "juki"  # 住民基本台帳用の暗証番号, 住基AP
    COMMON = "common"  # the same, 共通カードAP
    NUMBER_A = "number-a"  # 照合番号A: the 個人番号 itself
    NUMBER_B = "number-b"  # 照合番号B: birth date, expiry year, security code
    BIRTH = "birth"  # 生年月日 key of the 券面事項確認AP
    LICENCE = "licence"  # マイナ免許証 PIN


class FileKind(StrEnum):
    """What an elementary file is to the card."""

    TRANSPARENT = "transparent"
    RECORD = "record"
    PIN = "pin"
    KEY = "key"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PinRule:
    """Form of a PIN: ``digits`` only or upper-case letters and digits; length; tries (count)."""

    kind: PinKind
    min_length: int
    max_length: int
    tries: int
    digits: bool = True


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One elementary file. ``opened_by`` empty means free to read."""

    fid: int
    name: str
    kind: FileKind
    grade: str
    source: str
    opened_by: frozenset[PinKind] = frozenset()
    pin: PinKind | None = None
    readable: bool = True

    @property
    def sfi(self) -> int:
        """Short EF identifier (1-30): the low five bits of the file id."""
        return self.fid & 0x1F


@dataclass(frozen=True, slots=True)
class Application:
    """One application. ``files`` by file id."""

    name: str
    aid: bytes
    grade: str
    source: str
    files: dict[int, FileEntry] = field(default_factory=dict)

    def file(self, name: str) -> FileEntry:
        """The file of that name. Raises KeyError."""
        for entry in self.files.values():
            if entry.name == name:
                return entry
        raise KeyError(name)

    def pin_file(self, kind: PinKind) -> FileEntry:
        """The internal EF that holds that PIN. Raises KeyError."""
        for entry in self.files.values():
            if entry.pin is kind:
                return entry
        raise KeyError(kind.value)


PIN_RULES: dict[PinKind, PinRule] = {
    rule.kind: rule
    for rule in (
        PinRule(PinKind.AUTH, 4, 4, 3),  # A
        PinRule(PinKind.SIGN, 6, 16, 5, digits=False),  # A
        PinRule(PinKind.TEXT, 4, 4, 3),  # A
        PinRule(PinKind.JUKI, 4, 4, 3),  # A
        PinRule(PinKind.COMMON, 4, 4, 3),  # A
        PinRule(PinKind.NUMBER_A, 12, 12, 10),  # A; tries B [MC]
        PinRule(PinKind.NUMBER_B, 14, 14, 10),  # A; tries B [MC]
        PinRule(
            PinKind.BIRTH, 6, 6, 10
        ),  # B; tries unknown, 10 by analogy with 照合番号 [inferred]
        PinRule(PinKind.LICENCE, 4, 4, 10),  # A [HM]
    )
}


def _free(fid: int, name: str, grade: str, source: str) -> FileEntry:
    return FileEntry(fid, name, FileKind.TRANSPARENT, grade, source)


def _guarded(fid: int, name: str, grade: str, source: str, *by: PinKind) -> FileEntry:
    return FileEntry(fid, name, FileKind.TRANSPARENT, grade, source, frozenset(by))


def _pin(fid: int, kind: PinKind, grade: str, source: str) -> FileEntry:
    return FileEntry(
        fid, f"pin-{kind.value}", FileKind.PIN, grade, source, pin=kind, readable=False
    )


def _key(fid: int, name: str, grade: str, source: str, *by: PinKind) -> FileEntry:
    return FileEntry(fid, name, FileKind.KEY, grade, source, frozenset(by), readable=False)


def _unknown(fid: int, grade: str, source: str, kind: FileKind = FileKind.UNKNOWN) -> FileEntry:
    return FileEntry(fid, f"unknown-{fid:04x}", kind, grade, source, readable=False)


def _application(name: str, aid: str, grade: str, source: str, *files: FileEntry) -> Application:
    return Application(name, bytes.fromhex(aid), grade, source, {f.fid: f for f in files})


_A, _B, _T = PinKind.NUMBER_A, PinKind.NUMBER_B, PinKind.TEXT

JPKI_AP = _application(
    "jpki", "D392F000260100000001", "A", "[MY] [OS] [MC]",
    _guarded(0x0001, "sign-certificate", "A", "[MY] [MC] [OS] [NU]", PinKind.SIGN),
    _free(0x0002, "sign-ca-certificate", "A", "[MY] [MC] [OS] [PM]"),
    _unknown(0x0005, "C", "[JS]"),
    _free(0x0006, "token-info", "B", "[MC]; first 32 bytes A"),
    _free(0x0008, "certificate-availability", "B", "[MC]"),
    _unknown(0x0009, "C", "[MC] [JS]"),
    _free(0x000A, "auth-certificate", "A", "all; behind the auth PIN on phones [MY issue 6]"),
    _free(0x000B, "auth-ca-certificate", "A", "all"),
    _unknown(0x0010, "C", "[MC]"),
    _key(0x0016, "terminal-ca-key", "B", "[MC] [PY]"),
    _key(0x0017, "auth-key", "A", "all", PinKind.AUTH),
    _pin(0x0018, PinKind.AUTH, "A", "all"),
    _unknown(0x0019, "C", "[JS]"),
    _key(0x001A, "sign-key", "A", "all", PinKind.SIGN),
    _pin(0x001B, PinKind.SIGN, "A", "all"),
    _unknown(0x001C, "C", "[JS]"),
    _unknown(0x001E, "C", "[JS]"),
)  # fmt: skip

SURFACE_AP = _application(
    "surface", "D3921000310001010402", "A", "[MY] [MC]",
    _guarded(0x0001, "age-record", "B", "[MC]", PinKind.BIRTH),
    _guarded(0x0002, "face", "A", "[MY] [MC]", _A, _B),
    _free(0x0003, "basic-info", "A", "[MY] [MC]"),
    _free(0x0004, "cv-certificate", "B", "[MC]"),
    _guarded(0x0005, "number-image", "B", "[MC]", _A),
    _guarded(0x0006, "filler", "B", "[MC]", _A, _B),
    _pin(0x0011, PinKind.BIRTH, "B", "[MC]"),
    _pin(0x0012, PinKind.NUMBER_B, "A", "[MY] [MC] [PY]"),
    _pin(0x0013, PinKind.NUMBER_A, "A", "[MY] [MC] [PY]"),
    _unknown(0x0014, "C", "[MC]", FileKind.PIN),
    _unknown(0x0015, "C", "[MC]", FileKind.PIN),
    _key(0x001A, "ap-key", "B", "[MC]"),
    _unknown(0x001C, "C", "[JS]"),
    _unknown(0x001E, "C", "[JS]"),
)  # fmt: skip

TEXT_AP = _application(
    "text", "D3921000310001010408", "A", "[MY] [MC] [PM]",
    _guarded(0x0001, "number", "A", "[MY] [MC] [PM]", _T, _A),
    _guarded(0x0002, "attributes", "A", "[MY] [MC] [PM]", _T, _B),
    _guarded(0x0003, "digests", "A", "[MC] [PM]; access B", _T, _A, _B),
    _free(0x0004, "cv-certificate", "A", "[MC] [PM]"),
    _free(0x0005, "basic-info", "A", "[MY] [PM]"),
    _guarded(0x0006, "session-key", "B", "[MC]", _T, _A, _B),
    _guarded(0x0007, "ap-public-key", "B", "[MC]", _T, _A, _B),
    _unknown(0x0008, "B", "[MC]"),
    _unknown(0x0010, "C", "[MC]"),
    _pin(0x0011, PinKind.TEXT, "A", "[MY] [MC] [PM]"),
    _unknown(0x0012, "B", "[MC]; blocked key reference, 63C0 and 6984", FileKind.PIN),
    _key(0x0013, "ap-key", "B", "[MC]"),
    _pin(0x0014, PinKind.NUMBER_A, "A", "[MY] [MC]"),
    _pin(0x0015, PinKind.NUMBER_B, "A", "[MY] [MC]"),
    _unknown(0x001C, "C", "[JS]"),
    _unknown(0x001E, "C", "[JS]"),
)  # fmt: skip

COMMON_AP = _application(
    "common", "D3921000310001010100", "A", "[MY] [MC]",
    FileEntry(0x0001, "card-record", FileKind.RECORD, "A", "[MY] [MC]"),
    _free(0x0002, "key-reference", "B", "[MC]"),
    _key(0x0019, "internal-authentication-key", "B", "[MC]"),
    _pin(0x001C, PinKind.COMMON, "A", "[TR] [MC]"),
    _unknown(0x001E, "B", "[MC]", FileKind.PIN),
)  # fmt: skip

JUKI_AP = _application(
    "juki", "D3921000310001010401", "A", "[MC] [PY]",
    _free(0x0002, "key-reference", "B", "[MC]"),
    _pin(0x001C, PinKind.JUKI, "A", "[PY] [MC]"),
)  # fmt: skip

LICENCE_AP = _application(
    "licence", "A0000002310600000000000000000000", "A", "[HM]",
    _pin(0x0006, PinKind.LICENCE, "A", "[HM]"),
    _free(0x001A, "pin-set", "A", "[HM]"),
    _guarded(0x001B, "licence", "B", "[HM]", PinKind.LICENCE),
    _guarded(0x001C, "licence-signature", "B", "[HM]", PinKind.LICENCE),
)  # fmt: skip

ISD_AID = bytes.fromhex("A0000001510000")  # GlobalPlatform card manager, B [MC]


@dataclass(frozen=True, slots=True)
class DataObject:
    """One GET DATA object of the card level. ``signed``: its content carries a signature."""

    tag: int
    name: str
    grade: str
    source: str
    signed: bool = False


# Readable with the card manager selected, without a PIN. 00F3 may be a second card
# identification number ([PY], C) and is not asked for.
CARD_OBJECTS: dict[int, DataObject] = {
    entry.tag: entry
    for entry in (
        DataObject(0x0042, "issuer-key", "B", "[MC]"),
        DataObject(0x0045, "card-number", "B", "[MC]"),
        DataObject(0x0066, "recognition", "B", "[MC] [GP]"),
        DataObject(0x00F0, "municipality", "B", "[MC]"),
        DataObject(0x00F2, "expiry", "B", "[MC]"),
        DataObject(0x00F7, "intermediate-key", "B", "[MC]"),
        DataObject(0x00F8, "intermediate-certificate", "B", "[MC]", signed=True),
        DataObject(0x7F21, "lower-certificate", "B", "[MC]; absent on older cards", signed=True),
        DataObject(0x5F51, "contact-atr", "B", "[MC]"),
    )
}


@dataclass(frozen=True, slots=True)
class ForeignApplication:
    """An application of another kind of card, by which that card is named and never read.

    ``fci``: SELECT asks for the control information, as that kind of card expects.
    """

    name: str
    aid: bytes
    grade: str
    source: str
    fci: bool = False


# In the order in which they are tried, each with one SELECT.
FOREIGN_APPLICATIONS: tuple[ForeignApplication, ...] = (
    ForeignApplication(
        "residence_card", bytes.fromhex("D392F0004F0200000000000000000000"), "B", "[LJ]"
    ),
    ForeignApplication(
        "licence_card", bytes.fromhex("A0000002310100000000000000000000"), "A", "[HM]"
    ),
    ForeignApplication("passport", bytes.fromhex("A0000002471001"), "A", "[LJ]"),
    ForeignApplication("payment_card", b"2PAY.SYS.DDF01", "B", "[GK]", fci=True),
    ForeignApplication("payment_card", b"1PAY.SYS.DDF01", "B", "[GK]", fci=True),
    ForeignApplication("juki_card", bytes.fromhex("D3921000310001010401"), "C", "[inferred]"),
)

APPLICATIONS: tuple[Application, ...] = (
    JPKI_AP, SURFACE_AP, TEXT_AP, COMMON_AP, JUKI_AP, LICENCE_AP,
)  # fmt: skip

# The application a PIN is presented to when the command line names only the kind. The
# 照合番号 exist twice, with a counter each ([MC], assumed separate); ``pin status`` asks both.
PIN_HOME: dict[PinKind, Application] = {
    PinKind.AUTH: JPKI_AP,
    PinKind.SIGN: JPKI_AP,
    PinKind.TEXT: TEXT_AP,
    PinKind.JUKI: JUKI_AP,
    PinKind.COMMON: COMMON_AP,
    PinKind.NUMBER_A: SURFACE_AP,
    PinKind.NUMBER_B: SURFACE_AP,
    PinKind.BIRTH: SURFACE_AP,
    PinKind.LICENCE: LICENCE_AP,
}


class TokenKind(StrEnum):
    """What carries the JPKI application. Source: label in EF 0006 [MY] [MC], grade A, iPhone B."""

    CARD = "JPKIAPICCTOKEN2"
    JUKI_CARD = "JPKIAPICCTOKEN"
    ANDROID = "JPKIAPGPSETOKEN"
    IPHONE = "JPKIAPIOSTOKEN"
    NEXTGEN = "JPKINEXTGENTEST"  # invented, for the emulated card nextgen; no card has it
