# SPDX-License-Identifier: Apache-2.0
"""Every fault at every command of every job: success or one typed error, and tries as stated."""

from __future__ import annotations

import pytest

from fault_jobs import (
    AT_COMMAND,
    JOBS,
    LYING,
    PATIENT,
    RIGHT,
    SMALL,
    STANDING,
    Run,
    run,
    undisturbed,
)
from jpki.errors import (
    JpkiError,
    PinBlockedError,
    PinError,
    PinIncorrectError,
    PinOutcomeUnknownError,
)
from jpki.verdict import Outcome, Verdict
from jpki_apdu.errors import CardError, CardRemovedError, StatusWordError

# Faults under which what arrives is not what the card said, without anybody being able to tell.
UNTRUE = ("reply:flip", "reply:repeat", "sw", "wrong:")

REFERENCE = {"wrong_pin": "jpki/0018", "right_pin": "jpki/0018", "change_pin": "jpki/0018",
             "sign": "jpki/0018", "login": "jpki/0018", "read_sign": "jpki/001b"}  # fmt: skip


def _tries_are_as_stated(name: str, result: Run) -> None:
    full = undisturbed("info")[0].card.tries()
    now, error = result.card.tries(), result.error
    key = REFERENCE.get(name)
    spent = {k for k in full if now[k] != full[k]}
    if name != "wrong_pin":
        assert not spent, "a right PIN cost a try"
    else:
        assert spent <= {key}
    if isinstance(error, PinOutcomeUnknownError):
        assert error.attempts_left is None
    elif isinstance(error, PinIncorrectError | PinBlockedError) and key:
        assert error.attempts_left == now[key]
    elif isinstance(error, StatusWordError) and error.code == "pin_refused" and key:
        assert error.values["attempts_left"] in (now[key], None)
    else:
        assert not spent, "a try was spent and not mentioned"


def _value_is_true(name: str, fault: str, result: Run) -> None:
    whole = undisturbed(name)[0].value
    if isinstance(result.value, tuple) and isinstance(result.value[0], Verdict):
        verdict, data = result.value
        if verdict.outcome is Outcome.VALID:
            assert isinstance(whole, tuple)
            assert data == whole[1]
        elif not fault.startswith(UNTRUE):
            assert verdict.outcome is Outcome.CANNOT_TELL, "a fault of the link taken for fraud"
    elif not fault.startswith(UNTRUE):
        assert result.value == whole


def _holds(name: str, fault: str) -> Run:
    result = run(JOBS[name], fault)
    error = result.error
    assert error is None or isinstance(error, CardError | JpkiError), (fault, repr(error))
    assert all(not any(pin) for pin in result.bench.pins), "a PIN was not wiped"
    if not fault.startswith(("sw=63", "sw=61", "sw=6C", "sw=9000")):  # a counter that lies
        _tries_are_as_stated(name, result)
    if error is None:
        _value_is_true(name, fault, result)
    return result


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("fault", AT_COMMAND)
def test_a_fault_at_every_command(name: str, fault: str) -> None:
    commands = undisturbed(name)[1]
    for number in range(1, len(commands) + 2):
        _holds(name, f"{fault}@{number}")


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("fault", STANDING)
def test_a_fault_all_the_time(name: str, fault: str) -> None:
    _holds(name, fault)


@pytest.mark.parametrize("name", ["info", "read", "read_sign"])
@pytest.mark.parametrize("fault", [*SMALL, *LYING, *PATIENT])
def test_no_byte_is_lost_on_small_and_lying_readers(name: str, fault: str) -> None:
    result = run(JOBS[name], fault)
    assert result.error is None
    assert result.value == undisturbed(name)[0].value


@pytest.mark.parametrize("fault", SMALL)
def test_a_small_reader_does_not_make_a_card_a_forgery(fault: str) -> None:
    """It cannot carry a signature: that is said, and nothing against the card."""
    value = run(JOBS["check"], fault).value
    assert isinstance(value, tuple)
    verdict = value[0]
    open_checks = {c.name for c in verdict.checks if c.outcome is Outcome.CANNOT_TELL}
    assert (verdict.outcome, open_checks) == (Outcome.CANNOT_TELL, {"card_present", "login"})


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("wrong:auth-certificate", {"login": "login_signature_wrong"}),
        ("wrong:answer",
         {"card_present": "challenge_wrong", "login": "login_signature_wrong"}),
        ("sw=6A82@read#7", {"auth_certificate": "certificate_missing"}),
    ],
)  # fmt: skip
def test_what_a_check_says(fault: str, codes: dict[str, str]) -> None:
    value = run(JOBS["check"], fault).value
    assert isinstance(value, tuple)
    checks = {c.name: c for c in value[0].checks}
    assert {name: checks[name].code for name in codes} == codes
    assert value[0].outcome is not Outcome.VALID


@pytest.mark.parametrize(
    ("fault", "job", "unknown"),
    [
        ("pull:during@verify", "right_pin", True),
        ("reply:never@verify", "wrong_pin", True),
        ("reply:repeat@verify", "right_pin", True),  # the counter again: not a refusal
        ("pull:before@query", "right_pin", False),
        ("pull:before@select#2", "change_pin", False),  # nothing was changed yet
        ("pull:before@change", "change_pin", True),
    ],
)
def test_the_outcome_is_unknown_exactly_when_it_is(fault: str, job: str, unknown: bool) -> None:
    error = run(JOBS[job], fault).error
    assert isinstance(error, PinOutcomeUnknownError) is unknown
    assert isinstance(error, PinError if unknown else CardRemovedError)


@pytest.mark.parametrize("fault", ["pull:before", "pull:during", "reply:never", "sw=6F00"])
def test_a_change_that_is_not_reported_as_unknown_did_not_happen(fault: str) -> None:
    for number in range(1, len(undisturbed("change_pin")[1]) + 1):
        result = run(JOBS["change_pin"], f"{fault}@{number}")
        if result.error is not None and result.error.args != ("pin_change_unknown",):
            assert result.card.pins()["auth"] == RIGHT.decode()


def test_the_jobs_themselves_are_sound() -> None:
    for name in JOBS:
        result = undisturbed(name)[0]
        expected = PinIncorrectError if name == "wrong_pin" else type(None)
        assert type(result.error) is expected
        if isinstance(result.value, tuple) and isinstance(result.value[0], Verdict):
            assert result.value[0].outcome is Outcome.VALID
