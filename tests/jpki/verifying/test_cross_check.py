# SPDX-License-Identifier: Apache-2.0
"""Whether the applications of one card say the same: what is compared, and what is tolerated."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from jpki.dates import PartialDate
from jpki.verdict import Check, Outcome
from jpki.verifying.cross_check import Facts, cross_checks
from jpki.verifying.surface_check import only_outdated

NAME, ADDRESS = "番号　花子", "東京都清瀬市中里五丁目８４２番地"
TEXT = Facts("text", date(1980, 2, 17), "2", NAME, ADDRESS)
FACE = Facts("face", date(1980, 2, 17), "2")
AGE = Facts("age", date(1980, 2, 17))
CERTIFICATE = Facts(
    "certificate", PartialDate(1980, 2, 17), "2", NAME, ADDRESS, "00000", "0" * len(ADDRESS)
)
ALL = (TEXT, FACE, AGE, CERTIFICATE)


def outcomes(*sources: Facts) -> dict[str, str]:
    return {check.name: check.outcome.value for check in cross_checks(sources)}


def test_all_agree() -> None:
    checks = {check.name: check for check in cross_checks(ALL)}
    assert {c.outcome for c in checks.values()} == {Outcome.VALID}
    assert checks["cross_birth"].values["facts"] == ("text", "face", "age", "certificate")
    assert checks["cross_sex"].values["facts"] == ("text", "face", "certificate")
    assert checks["cross_name"].values["facts"] == ("text", "certificate")


def test_one_source_is_compared_with_nothing() -> None:
    assert cross_checks([TEXT]) == ()
    assert cross_checks([]) == ()
    assert set(outcomes(FACE, AGE)) == {"cross_birth"}


@pytest.mark.parametrize("index", range(4))
def test_a_birth_date_that_differs(index: int) -> None:
    sources = list(ALL)
    sources[index] = replace(sources[index], birth=date(1980, 2, 18))
    found = {check.name: check for check in cross_checks(sources)}
    assert found["cross_birth"].outcome is Outcome.INVALID
    assert ALL[index].source in found["cross_birth"].values["facts"]  # type: ignore[operator]
    assert all(c.outcome is Outcome.VALID for n, c in found.items() if n != "cross_birth")


def test_no_value_of_a_person_is_in_a_check() -> None:
    changed = replace(TEXT, birth=date(1999, 9, 9), sex_code="1", name="他人", address="別所")
    for check in cross_checks([changed, FACE, CERTIFICATE]):
        shown = repr(check) + repr(changed) + repr(CERTIFICATE)
        for secret in ("1999", "1980", "他人", "花子", "清瀬", "別所"):
            assert secret not in shown


@pytest.mark.parametrize(
    ("one", "other", "outcome"),
    [
        ("1", "1", "valid"),
        ("1", "2", "invalid"),
        ("2", "9", "invalid"),
        ("9", "3", "valid"),  # both are «other», by profile
        ("0", "0", "valid"),
        ("0", "1", "cannot_tell"),  # a code nobody knows contradicts nothing
    ],
)
def test_sex_codes(one: str, other: str, outcome: str) -> None:
    made = outcomes(replace(TEXT, sex_code=one), replace(FACE, sex_code=other))
    assert made["cross_sex"] == outcome


@pytest.mark.parametrize(
    ("birth", "outcome"),
    [
        (PartialDate(1980, None, None), "valid"),
        (PartialDate(1980, 2, None), "valid"),
        (PartialDate(None, None, None), "valid"),
        (PartialDate(1981, None, None), "invalid"),
        (PartialDate(1980, 3, None), "invalid"),
    ],
)
def test_unknown_parts_of_a_birth_date_fit(birth: PartialDate, outcome: str) -> None:
    assert outcomes(TEXT, replace(FACE, birth=birth))["cross_birth"] == outcome


@pytest.mark.parametrize(
    ("text", "certificate", "flags", "outcome"),
    [
        ("番号　花子", "番号　花子", "00000", "valid"),
        ("番号　花子", "番号花子", "0000", "valid"),  # spaces do not count
        ("番号　花子", "番号 花子", "00000", "valid"),
        ("番号　花子", "番号　桜子", "00000", "invalid"),
        ("番号　花子", "番号　桜子", "", "invalid"),
        ("番号　花子", "番号　桜子", "00010", "valid"),  # flagged: stands for another character
        ("番号　花子", "番号　桜子", "00001", "invalid"),  # another one is flagged
        ("番号　花子", "番　号花子", "0", "valid"),
        ("邉󠄀　花子", "邉　花子", "0000", "valid"),  # how it is drawn is no difference
        ("番号　花子", "番号　花", "0000", "invalid"),
        ("番号　花子", "番号　花", "0001", "cannot_tell"),  # which stands for which?
        ("中里５－８", "中里5-8", "00000", "valid"),
        ("ＡＢＣ", "ABC", "000", "valid"),
        ("番号　花子", "番号　花子", "9", "valid"),  # flags that are none tolerate nothing
        ("番号　花子", "番号　桜子", "9999", "invalid"),
    ],
)
def test_names(text: str, certificate: str, flags: str, outcome: str) -> None:
    made = replace(CERTIFICATE, name=certificate, name_flags=flags)
    assert outcomes(replace(TEXT, name=text), made)["cross_name"] == outcome
    address = replace(CERTIFICATE, address=certificate, address_flags=flags)
    assert outcomes(replace(TEXT, address=text), address)["cross_address"] == outcome


@pytest.mark.parametrize(
    ("name", "facts", "genuine", "late"),
    [
        ("cross_address", ("text", "certificate"), True, True),
        ("cross_name", ("text", "certificate"), True, True),
        ("cross_name", ("text", "certificate"), False, False),  # the text data are altered
        ("cross_birth", ("text", "certificate"), True, False),  # nobody gets another birthday
        ("cross_sex", ("text", "face"), True, False),
    ],
)
def test_what_may_only_be_out_of_date(
    name: str, facts: tuple[str, str], genuine: bool, late: bool
) -> None:
    check = Check(name, Outcome.INVALID, "cross_contradiction", {"facts": facts})
    assert only_outdated(check, genuine) is late
