# SPDX-License-Identifier: Apache-2.0
"""Faults as data: the one line, the card file, Python; and what cannot be understood."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpki.emulator import Fault, FaultKind, When, load_card, parse_fault
from jpki.emulator import faults as module
from jpki.emulator.faults import COMMANDS, faults_of
from jpki.errors import CardFileError, FaultSpecError
from virtual_terminal import AT, MakeCard

PARSED = [
    ("pull:before@12", Fault(FaultKind.PULL_BEFORE, None, When(None, 12))),
    ("pull:during@verify", Fault(FaultKind.PULL_DURING, None, When("verify"))),
    ("pull:after@read#3", Fault(FaultKind.PULL_AFTER, None, When("read", 3))),
    ("reply:cut=100@7", Fault(FaultKind.REPLY_CUT, 100, When(None, 7))),
    ("reply:flip@sign", Fault(FaultKind.REPLY_FLIP, None, When("sign"))),
    ("reply:flip=0@sign", Fault(FaultKind.REPLY_FLIP, 0, When("sign"))),
    ("reply:delay=2s@any", Fault(FaultKind.REPLY_DELAY, 2.0, When())),
    ("reply:delay=0.5s@any", Fault(FaultKind.REPLY_DELAY, 0.5, When())),
    ("sw=6F00@3", Fault(FaultKind.SW, 0x6F00, When(None, 3))),
    ("sw:after=9000@0x8A", Fault(FaultKind.SW_AFTER, 0x9000, When("0x8A"))),
    ("card:61xx=128", Fault(FaultKind.CARD_61XX, 128)),
    ("card:6Cxx", Fault(FaultKind.CARD_6CXX)),
    ("busy:open", Fault(FaultKind.BUSY_OPEN)),
    ("wrong:auth-certificate", Fault(FaultKind.WRONG_AUTH_CERTIFICATE)),
]


@pytest.mark.parametrize(("line", "fault"), PARSED, ids=[line for line, _ in PARSED])
def test_a_line_and_the_fault_it_means(line: str, fault: Fault) -> None:
    assert parse_fault(line) == fault
    assert str(fault) == line


def test_other_spellings() -> None:
    assert str(parse_fault("reply:delay=250ms@any")) == "reply:delay=0.25s@any"
    assert str(parse_fault("sw=6f00@0x8a#2")) == "sw=6F00@0x8A#2"


REFUSED = [
    ("", "kind", "bad_value"),
    ("pull", "kind", "bad_value"),
    ("Pull:before@1", "kind", "bad_value"),
    ("reply:cut@7", "value", "missing"),
    ("reply:cut=@7", "value", "bad_value"),
    ("reply:cut=0@7", "value", "bad_value"),
    ("reply:cut=-1@7", "value", "bad_value"),
    ("reply:cut=65536@7", "value", "bad_value"),
    ("reply:cut=１@7", "value", "bad_value"),
    ("reply:delay=2@7", "value", "bad_value"),
    ("reply:delay=3601s@7", "value", "bad_value"),
    ("sw=6F0@3", "value", "bad_value"),
    ("sw=0000@3", "value", "bad_value"),
    ("reader:trim=257", "value", "bad_value"),
    ("reader:trim", "value", "missing"),
    ("pull:before=3@1", "value", "contradiction"),
    ("card:6Cxx=1", "value", "contradiction"),
    ("wrong:answer=x", "value", "contradiction"),
    ("pull:before", "when", "missing"),
    ("pull:before@", "when", "bad_value"),
    ("pull:before@0", "when", "bad_value"),
    ("pull:before@99999", "when", "bad_value"),
    ("pull:before@nothing", "when", "bad_value"),
    ("pull:before@verify#", "when", "bad_value"),
    ("pull:before@verify#0", "when", "bad_value"),
    ("pull:before@12#2", "when", "bad_value"),
    ("pull:before@0x8", "when", "bad_value"),
    ("pull:before@1@2", "when", "bad_value"),
    ("busy:open@1", "when", "contradiction"),
]


@pytest.mark.parametrize(("line", "part", "reason"), REFUSED)
def test_a_line_that_cannot_be_understood(line: str, part: str, reason: str) -> None:
    with pytest.raises(FaultSpecError) as caught:
        parse_fault(line)
    assert caught.value.values == {"position": 1, "part": part, "reason": reason}


def test_which_of_several_is_said() -> None:
    with pytest.raises(FaultSpecError) as caught:
        load_card("hanako", at=AT, faults=["card:6Cxx", "nonsense"])
    assert caught.value.values["position"] == 2


@given(st.text(max_size=30) | st.from_regex(r"[a-z:]{0,12}=?[0-9a-z]{0,6}@?[a-z0-9#]{0,9}"))
def test_any_text_is_a_fault_or_refused(text: str) -> None:
    try:
        fault = parse_fault(text)
    except FaultSpecError:
        return
    assert parse_fault(str(fault)) == fault


WHENS = st.builds(
    When, st.none() | st.sampled_from((*COMMANDS, "0x8A")), st.none() | st.integers(1, 65535)
)


@given(st.sampled_from(FaultKind), st.integers(1, 256), WHENS)
def test_every_kind_goes_there_and_back(kind: FaultKind, size: int, when: When) -> None:
    low, high = module._range(kind)
    value = None if not high else min(max(size, low), high)
    fault = Fault(kind, value, None if kind.standing else when)
    assert parse_fault(str(fault)) == fault


def test_every_kind_is_explained() -> None:
    documented = set(re.findall(r"^    ([a-z]+(?::[A-Za-z0-9-]+)?)", module.__doc__ or "", re.M))
    assert {kind.value for kind in FaultKind} <= documented


# The same in a card file and in Python.

FILE = """
[[faults]]
kind = "reply:cut"
value = 100
when = 7

[[faults]]
kind = "sw"
value = "6982"
when = "verify#2"

[[faults]]
kind = "card:6Cxx"
"""
LINES = ("reply:cut=100@7", "sw=6982@verify#2", "card:6Cxx")


def test_three_ways_to_the_same_faults(make: MakeCard) -> None:
    in_file = make("hanako", {"quirks": "sfi = true\n" + FILE}).card
    as_lines = load_card("hanako", at=AT, faults=LINES)
    in_python = load_card("hanako", at=AT)
    in_python.faults = tuple(map(parse_fault, LINES))
    assert in_file.faults == as_lines.faults == in_python.faults == faults_of(LINES)
    in_python.faults = ()
    assert in_python.faults == load_card("hanako", at=AT).faults == ()


@pytest.mark.parametrize(
    ("table", "place", "reason"),
    [
        ('[[faults]]\nvalue = 1', "faults[1].kind", "missing"),
        ('[[faults]]\nkind = "pull"', "faults[1].kind", "bad_value"),
        ('[[faults]]\nkind = 3', "faults[1].kind", "wrong_type"),
        ('[[faults]]\nkind = "card:6Cxx"\n[[faults]]\nkind = "sw"\nvalue = "6F00"',
         "faults[2].when", "missing"),
        ('[[faults]]\nkind = "sw"\nvalue = "x"\nwhen = 1', "faults[1].value", "bad_value"),
        ('[[faults]]\nkind = "sw"\nvalue = true\nwhen = 1', "faults[1].value", "wrong_type"),
        ('[[faults]]\nkind = "card:6Cxx"\nat = 1', "faults[1].at", "unknown_key"),
        ('[faults]\nkind = "card:6Cxx"', "faults", "wrong_type"),
        ('[timing]\nlink = "107"', "timing.link", "bad_value"),
        ('[timing]\nsleep = false', "timing.link", "missing"),
        ('[timing]\nlink = "106"\nsleep = 1', "timing.sleep", "wrong_type"),
        ('[timing]\nspeed = 1', "timing.speed", "unknown_key"),
    ],
)  # fmt: skip
def test_a_card_file_that_cannot_be_understood(
    make: MakeCard, table: str, place: str, reason: str
) -> None:
    with pytest.raises(CardFileError) as caught:
        make("hanako", {"quirks": "sfi = true\n" + table})
    assert (caught.value.values["place"], caught.value.values["reason"]) == (place, reason)
