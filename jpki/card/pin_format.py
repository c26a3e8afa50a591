# SPDX-License-Identifier: Apache-2.0
"""The form of every PIN, checked before a byte is sent, and the keys made from printed facts."""

from __future__ import annotations

from datetime import date

from jpki.card.my_number import MyNumber, has_check_digit, is_ascii_digits
from jpki.card_map import PIN_RULES, PinKind, PinRule
from jpki.dates import era_year
from jpki.errors import PinFormatError

DEFAULT_LICENCE_PIN = b"****"
"""«No PIN set» on conventional licence cards [NPA v009]; on a My Number card unverified."""


def wipe(buffer: bytearray) -> None:
    """Overwrite ``buffer`` with zeros, in place and at its full length."""
    for index in range(len(buffer)):
        buffer[index] = 0


def check_format(
    kind: PinKind, value: bytearray, *, setting: bool = False, rule: PinRule | None = None
) -> None:
    """Check ``value`` against the rule for ``kind``; fold a sign password to upper case in place.

    ``setting``: a new value is being set; the sign password then needs a letter and a
    digit (the official rule; a card may hold an older one without, so it is not demanded
    of a value that is only presented). ``rule``: that of another layout.
    Raises PinFormatError with ``kind``, ``rule`` and ``lengths``, never the value; nothing
    was sent, no try was spent.
    """
    form = rule or PIN_RULES[kind]
    if not form.digits:
        _fold(value)
    broken = _broken_rule(form, value, setting)
    if broken:
        raise format_error(kind, broken, form)


def format_error(kind: PinKind, rule: str, form: PinRule | None = None) -> PinFormatError:
    """The error for a broken rule; ``lengths``: how many characters are right."""
    form = form or PIN_RULES[kind]
    least, most = form.min_length, form.max_length
    lengths = f"{least}" if least == most else f"{least}-{most}"
    return PinFormatError(kind=kind.value, rule=rule, lengths=lengths)


def _fold(value: bytearray) -> None:
    # In place: bytearray.upper() would leave a copy that nobody wipes.
    for index, byte in enumerate(value):
        if 0x61 <= byte <= 0x7A:
            value[index] = byte - 0x20


def _broken_rule(rule: PinRule, value: bytearray, setting: bool) -> str | None:
    if not value:
        return "empty"  # VERIFY without data would be a status query
    if not value.isascii():
        return "full_width"
    if rule.kind is PinKind.LICENCE and not setting and value == DEFAULT_LICENCE_PIN:
        return None
    if rule.digits and not value.isdigit():
        return "digits"
    if not rule.digits and not value.isalnum():
        return "letters_digits"
    if not rule.min_length <= len(value) <= rule.max_length:
        return "length"
    if rule.kind is PinKind.NUMBER_A and not has_check_digit(value.decode("ascii")):
        return "check_digit"  # no card holds such a number: the try would be wasted
    if setting and not rule.digits and (value.isdigit() or value.isalpha()):
        return "letter_and_digit"
    return None


def _built(kind: PinKind, text: str) -> bytearray:
    value = bytearray(text, "utf-8")
    try:
        check_format(kind, value)
    except PinFormatError:
        wipe(value)
        raise
    return value


def reference_number_a(my_number: MyNumber | str) -> bytearray:
    """照合番号A: the 12 digits of the 個人番号. Raises PinFormatError without showing them."""
    return _built(
        PinKind.NUMBER_A, my_number.reveal() if isinstance(my_number, MyNumber) else my_number
    )


def reference_number_b(birth: date, expiry_year: int, security_code: str) -> bytearray:
    """照合番号B: birth YYMMDD with the year of the era, expiry year, 4-digit security code.

    ``expiry_year``: Gregorian, as printed on the card's face. Source: [MC], checked on a
    card; era year grade B. Raises PinFormatError.
    """
    if len(security_code) != 4 or not is_ascii_digits(security_code):
        raise format_error(PinKind.NUMBER_B, "security_code")
    if not 1000 <= expiry_year <= 9999:
        raise format_error(PinKind.NUMBER_B, "expiry_year")
    return _built(
        PinKind.NUMBER_B, f"{_era_digits(birth, PinKind.NUMBER_B)}{expiry_year}{security_code}"
    )


def birth_key(birth: date) -> bytearray:
    """生年月日 key of the 券面事項確認AP: YYMMDD with the year of the era. Source: [MC], B."""
    return _built(PinKind.BIRTH, _era_digits(birth, PinKind.BIRTH))


def _era_digits(birth: date, kind: PinKind) -> str:
    try:
        return f"{era_year(birth):02}{birth.month:02}{birth.day:02}"
    except ValueError:
        raise format_error(kind, "birth_date") from None
