# SPDX-License-Identifier: Apache-2.0
"""docs/assurance.md is made from the list, and no promise stands there without its tests."""

from __future__ import annotations

from pathlib import Path

import pytest

import assurance
from assurance import ListError, Promise, Result

pytestmark = pytest.mark.checkout


def promises() -> list[Promise]:
    return assurance.read_list(assurance.LIST.read_text(encoding="utf-8"))


def test_every_test_on_the_list_exists() -> None:
    assert assurance.missing_tests(promises()) == []


def test_the_page_is_made_from_the_list() -> None:
    made = assurance.page_of(promises(), assurance.read_results())
    assert made == assurance.PAGE.read_text(encoding="utf-8"), "run `assurance.py page`"


def test_results_belong_to_promises() -> None:
    assert set(assurance.read_results()) <= {promise.id for promise in promises()}


ONE = '[[promise]]\nid = "one"\ngroup = "g"\nsays = "s"\n'


@pytest.mark.parametrize(
    "text", [ONE, ONE + "tests = []\n", 2 * (ONE + 'tests = ["tests/assurance/test_page.py"]\n')]
)
def test_a_promise_without_a_test_or_said_twice_is_refused(text: str) -> None:
    with pytest.raises(ListError):
        assurance.read_list(text)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("tests/assurance/test_page.py", True),
        ("tests/assurance/test_page.py::test_results_belong_to_promises", True),
        ("tests/assurance/test_page.py::test_results_belong_to_promises[a]", True),
        ("tests/assurance/test_page.py::test_nothing", False),
        ("tests/assurance/test_page.py::promises", False),
        ("tests/assurance/test_nothing.py", False),
    ],
)
def test_a_name_that_no_file_has_is_found(name: str, there: bool) -> None:
    promise = assurance.read_list(ONE + f'tests = ["{name}"]\n')[0]
    assert assurance.missing_tests([promise]) == ([] if there else [name])


def test_a_failed_run_is_said() -> None:
    promise = assurance.read_list(ONE + 'tests = ["a.py"]\n')
    result = Result(False, "reduced", 1, 12_000, 3, "2026-11-21T09:00:00+00:00", "abc+")
    page = assurance.page_of(promise, {"one": result})
    assert "| s | `a.py` | 12,000 | **failed**, reduced, 3 s, 2026-11-21, abc+ |" in page
    assert "not run yet" in assurance.page_of(promise, {})


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("<t><testcase/><testcase/></t>", (2, 2, "")),
        ('<t><testcase><properties><property name="cases" value="70"/>'
         '<property name="note" value="an old copy"/></properties></testcase></t>',
         (1, 70, "an old copy")),
        ('<t><testcase><properties><property name="unchecked" value="no network"/></properties>'
         "</testcase><testcase/></t>", (1, 1, "no network")),
        ('<t><testcase><properties><property name="unchecked" value="no network"/></properties>'
         "</testcase></t>", (0, 0, "no network")),
    ],
)  # fmt: skip
def test_what_could_not_look_does_not_count(
    tmp_path: Path, report: str, expected: tuple[int, int, str]
) -> None:
    path = tmp_path / "report.xml"
    path.write_text(report)
    assert assurance._counted(path) == expected


def test_what_was_not_checked_is_said() -> None:
    promise = assurance.read_list(ONE + 'tests = ["a.py"]\n')
    result = Result(False, "full", 0, 0, 3, "2026-11-21T09:00:00+00:00", "abc", "no network")
    page = assurance.page_of(promise, {"one": result})
    assert "| 0 | **not checked**, full, 3 s, 2026-11-21, abc; no network |" in page
