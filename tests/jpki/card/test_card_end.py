# SPDX-License-Identifier: Apache-2.0
"""Whether an emulated card is genuine, and what a presentation leaves behind: nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from card_bench import AUTH_PIN, TEXT_PIN, opened, read_all
from card_files import NUMBER
from card_script import ScriptedConnection, line
from jpki.card import (
    Card,
    check_card_present,
    check_text,
)
from jpki.card_map import TEXT_AP, PinKind
from jpki.emulator import EmulatedCard, load_card
from jpki.errors import (
    PinIncorrectError,
)
from jpki.synth import SynthPki
from jpki.verdict import Outcome
from jpki_apdu.errors import (
    CardRemovedError,
    SecurityStatusError,
)

SELECT_JPKI = "00A4040C0AD392F000260100000001"


@pytest.mark.parametrize(
    ("name", "data", "present"),
    [
        ("hanako", "text_data_genuine", "challenge_answered"),
        ("old-g1", "text_data_genuine", "challenge_answered"),
        ("forged", "digest_mismatch", "challenge_answered"),
        ("copied", "text_data_genuine", "challenge_wrong"),
    ],
)
def test_genuineness(name: str, data: str, present: str) -> None:
    emulated = load_card(name)
    with opened(emulated) as card:
        card.pins.verify(PinKind.TEXT, bytearray(emulated.pins()["text"].encode()))
        result = check_text(read_all(card), SynthPki().cv_ca_keys())
        assert result.checks[0].code == data
        check = check_card_present(card.channel, TEXT_AP, result.key, problem=result.key_problem)
        assert check.code == present
        unknown = check_text(read_all(card), {})
        assert unknown.checks[0].outcome is Outcome.CANNOT_TELL


# What it leaves behind.


def test_closing_powers_off_then_lets_others_in(hanako: EmulatedCard) -> None:
    script = [
        line(SELECT_JPKI, "9000"),
        line("00200098", "63C3"),
        line("002000980431323334", "9000"),
    ]
    connection = ScriptedConnection(script)
    with Card(connection) as card:
        card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN))
    assert connection.events[-3:] == ["power_off", "shared", "close"]
    card.close()
    assert connection.events.count("shared") == 1
    with opened(hanako) as one:
        one.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
    with opened(hanako) as two, pytest.raises(SecurityStatusError):
        two.text.attributes()


class _Broken(ScriptedConnection):
    def power_off(self) -> None:
        super().power_off()
        raise CardRemovedError

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        self.events.append("exclusive")
        yield
        raise CardRemovedError


def test_closing_never_raises() -> None:
    script = [line(SELECT_JPKI, "9000"), line("00200098", "63C3")]
    connection = _Broken([*script, line("002000980431323334", "9000")])
    card = Card(connection)
    assert card.connection is connection
    card.pins.verify(PinKind.AUTH, bytearray(AUTH_PIN))
    card.close()
    assert connection.events[-2:] == ["power_off", "close"]
    assert not card.pins.holds_card


def test_nothing_is_logged_or_shown(
    hanako: EmulatedCard, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    pin = b"7351"
    with opened(hanako) as card:
        info = card.info()
        with pytest.raises(PinIncorrectError) as caught:
            card.pins.verify(PinKind.TEXT, bytearray(pin))
        card.pins.verify(PinKind.TEXT, bytearray(TEXT_PIN))
        evidence = read_all(card)
        result = check_text(evidence, SynthPki().cv_ca_keys())
        check = check_card_present(card.channel, TEXT_AP, result.key)
        record = card.common.card_record()
        shown = f"{info} {caught.value!r} {evidence} {result} {check} {record} {card!r}"
    assert evidence.attributes is not None
    captured = capfd.readouterr()
    everything = shown + caplog.text + captured.out + captured.err
    secrets = [pin.decode(), pin.hex(), NUMBER, NUMBER.encode().hex(), "花子", "清瀬市", "1980"]
    secrets += [record.serial.reveal(), evidence.attributes.name.encode().hex()]
    for secret in secrets:
        assert secret not in everything
    assert not captured.out
    assert not captured.err


def test_importing_is_light() -> None:
    code = "import sys, jpki.card; print([m for m in sys.modules if 'crypto' in m or m == 'click'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
