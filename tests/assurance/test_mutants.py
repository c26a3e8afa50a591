# SPDX-License-Identifier: Apache-2.0
"""No change that makes the code more lenient goes unnoticed; and the driver that says so.

MUTANTS_EVERY: each N-th mutant runs, MUTANTS_OF: of these modules; all of them in `make assure`,
and none otherwise: then only the driver is tested.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import assurance
import mutants
import mutation
import mutation_targets
from mutants import Mutant

pytestmark = pytest.mark.checkout

SOURCE = """
def admitted(age, known):
    if age < 18 or not known:
        raise ValueError
    log(age)
    old = age > 64
    return known and age <= 120

class Gate:
    otherwise = Outcome.INVALID if CLOSED else None
"""


def changed(mutant: Mutant) -> str:
    import ast

    return ast.unparse(mutants.mutated(SOURCE, mutant))


def test_each_decision_has_its_mutants() -> None:
    made = {one.name.removeprefix("admitted: "): changed(one) for one in mutants.mutants(SOURCE)}
    assert {name: text for name, text in made.items() if "def admitted" not in text} == {}
    assert len(set(made.values())) == len(made)
    found = {name.rpartition(": ")[0] for name in made}
    assert found == {
        "never", "always", "without operand 0", "without operand 1", "boundary", "not raised",
        "not called", "holds", "does not hold", "yes", "no",
    }  # fmt: skip
    assert "if False:" in made["never: age < 18 or not known"]
    assert "age <= 18" in made["boundary: age < 18"]
    assert "old = True" in made["holds: age > 64"]
    assert "return age <= 120" in made["without operand 0: known and age <= 120"]


def test_a_mutant_is_noticed_and_a_weak_test_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, in a process of its own: one function, and a test of half of it."""
    (tmp_path / "gate.py").write_text("def admitted(age):\n    return age >= 18\n")
    (tmp_path / "test_gate.py").write_text(
        "from gate import admitted\n\ndef test_it():\n    assert admitted(30)\n"
        "    assert not admitted(3)\n"
    )
    program = (
        "import mutation, mutation_targets, sys\nfrom pathlib import Path\n"
        "mutation_targets.ROOT = Path('.').resolve()\nsys.path.insert(0, '.')\n"
        "found = mutation.run([mutation_targets.Target('gate', ('test_gate.py',))])['gate']\n"
        "print(found.count, found.left, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(mutation.__file__).parent)},
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "3 ['admitted: boundary: age >= 18']"


def test_survivors_are_mutants_and_have_a_reason() -> None:
    for (module, name), reason in mutation.known_survivors().items():
        source = mutation_targets.TARGETS[module].source
        assert name in {one.name for one in mutants.mutants(source)}, (module, name)
        assert len(reason) > 20


def test_each_module_is_in_one_promise() -> None:
    promises = assurance.read_list(assurance.LIST.read_text(encoding="utf-8"))
    wanted = [one.full["MUTANTS_OF"].split() for one in promises if "MUTANTS_OF" in one.full]
    for name in mutation_targets.TARGETS:
        assert sum(name.startswith(tuple(parts)) for parts in wanted) == 1, name


@pytest.mark.assure
def test_no_mutant_survives_unnoticed(record_property: Callable[[str, object], None]) -> None:
    """Of validation, of what makes a card genuine, and of the policy's decision."""
    every = os.environ.get("MUTANTS_EVERY", "1")
    wanted = os.environ.get("MUTANTS_OF", "").split()
    done = subprocess.run(
        [sys.executable, mutation.__file__, "--every", every, *wanted],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    record_property("cases", done.stdout.rpartition("\n")[0].splitlines()[-1].split()[0])
    assert done.returncode == 0, done.stdout + done.stderr
