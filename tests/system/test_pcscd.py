# SPDX-License-Identifier: Apache-2.0
"""Our command line on an emulated card behind a real pcscd, through pyscard."""

from __future__ import annotations

import json
import sys

import pytest

from pcsc_bed import PcscBed

PINS = {"auth": "1234", "sign": "ABC123", "text": "1234"}

# A client that is not ours: bare pyscard. Prints the status word of each command.
RAW_CLIENT = """
import sys
from smartcard.System import readers
from smartcard.scard import SCARD_LEAVE_CARD
connection = readers()[0].createConnection()
connection.connect(disposition=SCARD_LEAVE_CARD)
for word in sys.argv[1:]:
    data, sw1, sw2 = connection.transmit(list(bytes.fromhex(word)))
    print("%02X%02X" % (sw1, sw2))
connection.disconnect()
"""
SELECT_JPKI = "00A4040C0AD392F000260100000001"
READ_SIGN_CERTIFICATE = (SELECT_JPKI, "00A4020C020001", "00B0000010")
USE_AUTH_KEY = (SELECT_JPKI, "00A4020C020017", "802A00800454455354" + "00")
VERIFY_SIGN = (SELECT_JPKI, "00A4020C02001B", "0020008006414243313233")
VERIFY_AUTH = (SELECT_JPKI, "00A4020C020018", "002000800431323334")


def raw(bed: PcscBed, *commands: str) -> list[str]:
    """Status words that another program gets for these commands."""
    return bed.run(sys.executable, "-c", RAW_CLIENT, *commands).stdout.split()


def jpki(bed: PcscBed, *arguments: str, status: int = 0, stdin: str = "") -> dict[str, object]:
    """Run ``jpki … --json`` on the bed; the object it printed."""
    done = bed.run("jpki", *arguments, "--json", status=status, stdin=stdin)
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def test_reader_list_names_the_reader_and_no_identifier(bed: PcscBed) -> None:
    text = bed.run("jpki", "reader", "list").stdout
    assert "Virtual PCD 00 00" in text
    assert "Virtual PCD 00 01" in text


def test_card_check_is_valid_through_pcscd(bed: PcscBed) -> None:
    verdict = jpki(
        bed, "card", "check", "--with", "text,auth,sign", "--pin-fd", "0", "--trust", "test",
        stdin="1234\n1234\nABC123\n",
    )  # fmt: skip
    assert verdict["schema"] == "jpki.verdict/1"
    assert (verdict["outcome"], verdict["genuine"], verdict["in_force"]) == ("valid", "yes", "yes")
    assert verdict["environment"] == "test"


def test_card_read_gives_the_four_attributes(bed: PcscBed) -> None:
    text = bed.run(
        "jpki", "card", "read", "attributes", "--pin-fd", "0", "--lang", "ja", stdin="1234\n"
    ).stdout
    assert "花子" in text


def test_wrong_pin_costs_one_try_and_says_so(bed: PcscBed) -> None:
    error = jpki(bed, "pin", "check", "auth", "--pin-fd", "0", status=4, stdin="9999\n")
    assert (error["exit"], error["attempts_left"]) == (4, 2)
    assert raw(bed, SELECT_JPKI, "00A4020C020018", "00200080")[-1] == "63C2"


def test_no_card(empty_bed: PcscBed) -> None:
    error = jpki(empty_bed, "card", "info", status=3)
    assert error["code"] == "no_card"


def test_no_daemon(empty_bed: PcscBed) -> None:
    empty_bed.environment["PCSCLITE_CSOCK_NAME"] = str(empty_bed.folder / "nobody")
    error = jpki(empty_bed, "card", "info", status=3)
    assert error["code"] == "no_service"


def test_control_a_client_that_leaves_the_card_alone_leaks(bed: PcscBed) -> None:
    """Without this, the tests below could not fail: state does outlive a careless client."""
    assert raw(bed, *VERIFY_SIGN)[-1] == "9000"
    assert raw(bed, *READ_SIGN_CERTIFICATE)[-1] == "9000"


@pytest.mark.parametrize(
    ("kind", "afterwards"), [("sign", READ_SIGN_CERTIFICATE), ("auth", USE_AUTH_KEY)]
)
def test_no_security_state_is_left_to_the_next_process(
    bed: PcscBed, kind: str, afterwards: tuple[str, ...]
) -> None:
    bed.run("jpki", "pin", "check", kind, "--pin-fd", "0", stdin=PINS[kind] + "\n")
    assert raw(bed, *afterwards)[-1] == "6982"


def test_no_security_state_is_left_after_a_failure(bed: PcscBed) -> None:
    """The second PIN is wrong: the first one's state must still be gone afterwards."""
    bed.run(
        "jpki", "card", "check", "--with", "sign,auth", "--pin-fd", "0", "--trust", "test",
        stdin="ABC123\n9999\n", status=4,
    )  # fmt: skip
    assert raw(bed, *READ_SIGN_CERTIFICATE)[-1] == "6982"


def test_busy_reader_is_told_apart(bed: PcscBed) -> None:
    holder = """
import sys, subprocess
from smartcard.System import readers
from smartcard.scard import SCARD_SHARE_EXCLUSIVE
connection = readers()[0].createConnection()
connection.connect(mode=SCARD_SHARE_EXCLUSIVE)
sys.exit(subprocess.call(sys.argv[1:]))
"""
    done = bed.run(sys.executable, "-c", holder, "jpki", "card", "info", "--json", status=3)
    assert json.loads(done.stdout)["code"] == "reader_busy"


def test_wait_sees_a_card_that_comes_later(empty_bed: PcscBed) -> None:
    waiting = """
import subprocess, sys
waiter = subprocess.Popen(["jpki", "card", "info", "--wait=20", "--json"], stdout=subprocess.PIPE)
card = subprocess.Popen(["jpki", "emulate", "--card", "hanako", "--vpcd", sys.argv[1]])
out, _ = waiter.communicate(timeout=30)
card.terminate()
card.wait()
print(out.decode())
sys.exit(waiter.returncode)
"""
    done = empty_bed.run(sys.executable, "-c", waiting, f"127.0.0.1:{empty_bed.port}")
    assert json.loads(done.stdout)["token"]


def test_two_cards_and_a_pin_is_refused_without_a_choice(bed: PcscBed) -> None:
    bed.plug_in("taro-moved", slot=1)
    error = jpki(bed, "pin", "check", "auth", "--pin-fd", "0", status=3, stdin="1234\n")
    assert error["code"] == "several_readers"
    bed.run(
        "jpki", "pin", "check", "auth", "--pin-fd", "0", "--reader", "pcsc:00 01", stdin="1234\n"
    )
