# SPDX-License-Identifier: Apache-2.0
"""Scripts for a PIN guard: SELECT commands of every application, counters, one VERIFY."""

from __future__ import annotations

from card_script import Answer, ScriptedConnection, line
from jpki.card.pin import PinGuard
from jpki_apdu.channel import Channel

OK = "9000"
JPKI = "00A4040C0AD392F000260100000001"
TEXT = "00A4040C0AD3921000310001010408"
SURFACE = "00A4040C0AD3921000310001010402"
COMMON = "00A4040C0AD3921000310001010100"
JUKI = "00A4040C0AD3921000310001010401"
LICENCE = "00A4040C10A0000002310600000000000000000000"
QUERY_AUTH, QUERY_SIGN = "00200098", "0020009B"
VERIFY_AUTH = "002000980431323334"

Script = list[tuple[bytes, Answer]]


def guard(*script: tuple[bytes, Answer]) -> tuple[PinGuard, ScriptedConnection]:
    connection = ScriptedConnection(script)
    return PinGuard(Channel(connection)), connection


def auth(query: str, *answers: str | Exception) -> Script:
    """SELECT, the counter, then VERIFY of 1234 and what follows it."""
    asked = 2 if query == OK else 1  # an answer without a count is asked for again
    script = [line(JPKI, OK), *[line(QUERY_AUTH, query)] * asked]
    for index, answer in enumerate(answers):
        script.append(line(VERIFY_AUTH if index == 0 else QUERY_AUTH, answer))
    return script
