# SPDX-License-Identifier: Apache-2.0
"""A short run of every fuzz target: the corpus and mutants of it, the same in every run.

FUZZ_RUNS: executions of a target. The long run, guided by coverage, is ``tests/fuzz/run.py``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz_branches import LEAST, measured
from fuzz_documents import outcome
from fuzz_mutations import mutants
from fuzz_targets import TARGETS
from jpki.verdict import Outcome

SHORT = {
    "pdf": 40,
    "cms": 150,
    "xml": 150,
    "issued": 150,
    "http-half": 300,
    "images": 300,
    "general": 120,
    "kept-text": 200,
    "kept-json": 200,
}
RUNS = int(os.environ.get("FUZZ_RUNS", "0"))


@pytest.mark.parametrize("name", TARGETS)
def test_typed_errors_and_nothing_else(name: str) -> None:
    target = TARGETS[name]
    run, corpus = target.function(), target.corpus()
    assert corpus
    count = RUNS or SHORT.get(name, 1500 if target.ours else 500)
    for data in mutants(corpus, max(count, len(corpus)), name, target.tokens, target.mutation()):
        run(data)


def test_the_corpus_reaches_the_branches_of_our_parsers() -> None:
    """Of each; the inputs of a long run come on top."""
    ours = [name for name, target in TARGETS.items() if target.ours]
    short = {
        name: (found.percent, found.missing)
        for name, found in measured(ours).items()
        if found.percent < LEAST
    }
    assert short == {}


def _long_run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run.py")), *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_long_run_starts_and_goes_on(tmp_path: Path) -> None:
    """Its executions are counted; the next run adds what is left, and one more adds nothing."""
    words = ["vpcd", "--seconds", "60", "--json", "--corpus", str(tmp_path)]
    if importlib.util.find_spec("atheris") is None:  # no wheel of it for this system
        done = _long_run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "atheris is not there" in done.stderr
        return
    told = []
    for runs in ("300", "500", "500"):
        done = _long_run(*words, "--runs", runs)
        assert done.returncode == 0, done.stdout + done.stderr
        told.append(json.loads(done.stdout))
    assert [one["finding"] for one in told] == [""] * 3
    assert [one["executions"] >= 300 for one in told] == [True] * 3
    assert told[0]["executions"] < told[1]["executions"] == told[2]["executions"] >= 500


@pytest.mark.parametrize("name", ["cms", "pdf", "xml", "issued"])
def test_what_was_signed_is_valid(name: str) -> None:
    """Or «never valid for altered input» would say nothing."""
    assert {outcome(name, seed) for seed in TARGETS[name].corpus()} == {Outcome.VALID}
