# SPDX-License-Identifier: Apache-2.0
"""Reads a card file (TOML) into a :class:`CardProfile`. Every fault names its place."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from jpki.card_map import PIN_RULES, PinKind, PinRule, TokenKind
from jpki.certificate.kinds import Family, Medium
from jpki.emulator.faults import Fault, fault_of
from jpki.emulator.free_area import parse_free_area
from jpki.emulator.licence_profile import LicenceProfile, licence_profile
from jpki.emulator.own_layout import OwnLayout, own_layout
from jpki.emulator.profile import (
    APPLICATION_NAMES,
    CONTACT_ATR,
    CONTACTLESS_ATR,
    SCHEMA,
    USUAL_APPLICATIONS,
    CardProfile,
    CertificateProfile,
    DateRule,
    Holder,
)
from jpki.emulator.quirks import CHOICES, Quirks
from jpki.emulator.timing import TIMINGS, Timing
from jpki.emulator.toml_table import Table
from jpki.errors import CardFileError, FaultSpecError
from jpki.synth import MUNICIPALITIES
from jpki.synth.people import check_digit
from jpki.toml_text import read_toml

MAX_SIZE = 65536  # bytes; a card file has about 1000
MAX_SLOT = 14
_SEX = {"male": "1", "female": "2", "other": "9"}
_REASONS = (
    "unspecified",
    "keyCompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
)
# The PINs a holder chooses, with the values of the built-in cards.
_DEFAULT_PINS = {
    PinKind.AUTH: "1234",
    PinKind.SIGN: "ABC123",
    PinKind.TEXT: "1234",
    PinKind.JUKI: "1234",
    PinKind.COMMON: "1234",
}
_CHOSEN = {**_DEFAULT_PINS, PinKind.LICENCE: "1234"}
_COUNTED = (*_DEFAULT_PINS, PinKind.NUMBER_A, PinKind.NUMBER_B, PinKind.BIRTH)


def load_profile(path: Path) -> CardProfile:
    """The card file at ``path``. Raises CardFileError."""
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise CardFileError(path=str(path), place="file", reason="unreadable") from exc
    return parse_profile(raw, str(path), path.parent)


def parse_profile(raw: bytes, path: str, folder: Path | None = None) -> CardProfile:
    """The bytes of a card file. ``folder``: where its own certificates are looked for."""
    if len(raw) > MAX_SIZE:
        raise CardFileError(path=path, place="file", reason="too_large")
    try:
        document = read_toml(raw)
    except ValueError:
        # No chaining: the message of the parser may quote the line, and with it a PIN.
        raise CardFileError(path=path, place="file", reason="not_toml") from None
    return _profile(Table(document, path), folder)


def _profile(top: Table, folder: Path | None) -> CardProfile:
    top.choice("schema", (SCHEMA,))
    name = _name(top)
    holder = _holder(top.table("holder", required=True))
    certificates = _certificates(top.table("certificates"), folder)
    applications, layout = _applications(top)
    chosen = _chosen(applications, layout, without_sign=not certificates[Family.SIGN].present)
    card = top.table("card")
    token = TokenKind(card.choice("token", [kind.value for kind in TokenKind], TokenKind.CARD))
    atr = _atr(card)
    security_code = _digits(card, "security_code", 4, "0000")
    card.done()
    slot = _slot(top.table("keys"))
    alter = top.table("alter")
    profile = CardProfile(
        name=name,
        holder=holder,
        municipality=_municipality(top.table("municipality", required=True)),
        dates=_dates(top.table("dates"), holder),
        security_code=security_code,
        token=token,
        atr=atr,
        applications=applications,
        certificates=certificates,
        pins=_pins(top.table("pins"), chosen, layout),
        tries=_tries(top.table("tries"), applications, layout),
        quirks=_quirks(top.table("quirks")),
        slot=slot,
        operating_slot=alter.number("keys", 0, MAX_SLOT, slot),
        text_name=alter.optional_text("text_name"),
        licence=_licence(top, applications),
        faults=tuple(_fault(table) for table in top.tables("faults")),
        free_area=parse_free_area(top.tables("free_area")),
    )
    alter.done()
    timing, timed = _timing(top.table("timing"))
    top.done()
    _contradictions(top, profile)
    return dataclasses.replace(profile, timing=timing, timed=timed, layout=layout)


def _name(top: Table) -> str:
    name = top.text("name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", name):
        top.fail("name", "bad_value")
    return name


def _applications(top: Table) -> tuple[tuple[str, ...], OwnLayout | None]:
    """Names of the applications; those of the card map unless the file has its own."""
    if not top.has("layout"):
        return top.texts("applications", APPLICATION_NAMES, USUAL_APPLICATIONS), None
    if top.has("applications"):
        top.fail("applications", "contradiction")
    layout = own_layout(top.table("layout"))
    return layout.names, layout


def _rules(layout: OwnLayout | None) -> Mapping[PinKind, PinRule]:
    return PIN_RULES if layout is None else layout.rules


def _slot(table: Table) -> int:
    slot = table.number("slot", 0, MAX_SLOT, MAX_SLOT)
    table.done()
    return slot


def _licence(top: Table, applications: tuple[str, ...]) -> LicenceProfile | None:
    if "licence" in applications:
        return licence_profile(top.table("licence"))
    if top.has("licence"):
        top.fail("licence", "contradiction")
    return None


def _contradictions(top: Table, profile: CardProfile) -> None:
    """What each key allows by itself and all of them together do not."""
    if "jpki" not in profile.applications:
        top.fail("applications", "contradiction")
    if profile.medium is Medium.PHONE and profile.applications != ("jpki",):
        top.fail("applications", "contradiction")
    if profile.medium is Medium.PHONE and profile.free_area:
        top.fail("free_area", "contradiction")
    if profile.text_name is not None and "text" not in profile.applications:
        top.fail("alter.text_name", "contradiction")
    for kind, tries in profile.tries.items():
        if tries and kind in _CHOSEN and kind not in profile.pins:
            top.fail(f"tries.{kind.value}", "contradiction")


def _holder(table: Table) -> Holder:
    name, address = table.text("name"), table.text("address")
    for key, value in (("name", name), ("address", address)):
        control = any(unicodedata.category(letter).startswith("C") for letter in value)
        if not value.strip() or len(value) > 200 or control:
            table.fail(key, "bad_text")
    birth = table.day("birth")
    if birth < date(1868, 1, 25):
        table.fail("birth", "bad_date")
    number = _digits(table, "number", 12)
    if check_digit(number[:11]) != number[11]:
        table.fail("number", "bad_check_digit")
    holder = Holder(
        name=name,
        address=address,
        birth=birth,
        sex=_SEX[table.choice("sex", _SEX)],
        number=number,
        name_flags=_flags(table, "name_flags", name),
        address_flags=_flags(table, "address_flags", address),
    )
    table.done()
    return holder


def _flags(table: Table, key: str, value: str) -> str | None:
    flags = table.optional_text(key)
    if flags is not None and (set(flags) - {"0", "1"} or len(flags) != len(value)):
        table.fail(key, "bad_value")
    return flags


def _digits(table: Table, key: str, size: int, default: str | None = None) -> str:
    value = table.text(key, default)
    if len(value) != size or not (value.isascii() and value.isdigit()):
        table.fail(key, "bad_digits")
    return value


def _municipality(table: Table) -> str:
    code = table.choice("code", MUNICIPALITIES)
    table.done()
    return code


def _dates(table: Table, holder: Holder) -> DateRule:
    issued, expires = table.optional_day("issued"), table.optional_day("expires")
    rule = table.optional_text("month_day")
    days = table.number("days_before", 0, 36500, 365)
    table.done()
    if issued is not None and rule is not None:
        table.fail("month_day", "contradiction")
    if issued is not None and issued < holder.birth:
        table.fail("issued", "contradiction")
    if issued is not None and expires is not None and expires <= issued:
        table.fail("expires", "contradiction")
    month_day = _month_day(table, rule or "10-27")
    return DateRule(issued=issued, month_day=month_day, days_before=days, expires=expires)


def _month_day(table: Table, rule: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d\d)-(\d\d)", rule, re.ASCII)
    try:
        # A day that every year has: 2001 is no leap year.
        day = date(2001, int(found[1]), int(found[2])) if found else None
    except ValueError:
        day = None
    if day is None:
        table.fail("month_day", "bad_date")
    return day.month, day.day


def _atr(table: Table) -> bytes:
    transport = table.choice("transport", ("contact", "contactless"), "contactless")
    text = table.optional_text("atr")
    if text is None:
        return CONTACT_ATR if transport == "contact" else CONTACTLESS_ATR
    try:
        atr = bytes.fromhex(text)
    except ValueError:
        table.fail("atr", "bad_value")
    if not 2 <= len(atr) <= 33 or atr[0] not in (0x3B, 0x3F):
        table.fail("atr", "bad_value")
    return atr


def _certificates(table: Table, folder: Path | None) -> dict[Family, CertificateProfile]:
    found = {family: _certificate(table.table(family.value), folder) for family in Family}
    table.done()
    return found


def _certificate(table: Table, folder: Path | None) -> CertificateProfile:
    own = [table.optional_text(key) for key in ("file", "key")]
    if (own[0] is None) != (own[1] is None):
        table.fail("key" if own[1] is None else "file", "missing")
    present = table.flag("present", True)
    generation = table.optional_number("generation", 1, 4)
    serial = table.optional_number("serial", 1, 2**159 - 1)
    revoked = table.choice("status", ("good", "revoked"), "good") == "revoked"
    reason = table.choice("reason", _REASONS) if revoked else None
    if table.has("reason") or (table.has("revoked_days") and not revoked):
        table.fail("reason" if table.has("reason") else "revoked_days", "contradiction")
    days = table.number("revoked_days", 0, 36500, 7)
    table.done()
    if own[0] is not None and (not present or generation or serial or revoked):
        table.fail("file", "contradiction")
    file, key = (None if name is None else (folder or Path()) / name for name in own)
    return CertificateProfile(present, generation, serial, reason, days, file, key)


def _chosen(
    applications: tuple[str, ...], layout: OwnLayout | None, *, without_sign: bool
) -> dict[PinKind, str | None]:
    """The PINs this card has, with their usual values; None: never set."""
    kinds: dict[PinKind, str | None] = dict(_DEFAULT_PINS)
    if layout is not None:
        there = {e.pin for a in layout.applications for e in a.files.values()}
        kinds = {kind: value for kind, value in kinds.items() if kind in there}
    if without_sign:
        kinds[PinKind.SIGN] = None
    if "licence" in applications:
        kinds[PinKind.LICENCE] = _CHOSEN[PinKind.LICENCE]
    return kinds


def _pins(
    table: Table, chosen: dict[PinKind, str | None], layout: OwnLayout | None
) -> dict[PinKind, str]:
    unset = table.texts("unset", [kind.value for kind in chosen], ())
    pins: dict[PinKind, str] = {}
    for kind, default in chosen.items():
        given = table.optional_text(kind.value)
        if default is None or kind.value in unset:
            if given is not None:
                table.fail(kind.value, "contradiction")
            continue
        value = default if given is None else given
        pins[kind] = _pin(table, _rules(layout)[kind], value)
    table.done()
    return pins


def _pin(table: Table, rule: PinRule, value: str) -> str:
    allowed = r"[0-9]+" if rule.digits else r"(?=.*[A-Z])(?=.*[0-9])[A-Z0-9]+"
    if not rule.min_length <= len(value) <= rule.max_length or not re.fullmatch(allowed, value):
        table.fail(rule.kind.value, "bad_pin")
    return value


def _tries(
    table: Table, applications: tuple[str, ...], layout: OwnLayout | None
) -> dict[PinKind, int]:
    licence = (PinKind.LICENCE,) if "licence" in applications else ()
    tries = {
        kind: table.number(kind.value, 0, _rules(layout)[kind].tries)
        for kind in (*_COUNTED, *licence)
        if table.has(kind.value)
    }
    table.done()
    return tries


def _fault(table: Table) -> Fault:
    kind, value, when = table.text("kind"), table.word("value"), table.word("when")
    table.done()
    try:
        return fault_of(kind, value, when)
    except FaultSpecError as error:
        table.fail(str(error.values["part"]), str(error.values["reason"]))


def _timing(table: Table) -> tuple[Timing | None, bool]:
    if not (table.has("link") or table.has("sleep")):
        table.done()
        return None, True
    link, timed = table.choice("link", TIMINGS), table.flag("sleep", True)
    table.done()
    return TIMINGS[link], timed


def _quirks(table: Table) -> Quirks:
    values: dict[str, object] = {}
    for item in dataclasses.fields(Quirks):
        if item.name in CHOICES:
            values[item.name] = table.choice(item.name, CHOICES[item.name], str(item.default))
        elif isinstance(item.default, bool):
            values[item.name] = table.flag(item.name, item.default)
        else:
            values[item.name] = table.number(item.name, 0, 65535, 0)
    table.done()
    return Quirks(**values)  # type: ignore[arg-type]
