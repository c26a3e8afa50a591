# SPDX-License-Identifier: Apache-2.0
"""A short run of every fuzz target: the corpus and mutants of it, the same in every run.

FUZZ_RUNS: executions of a target. The long run, guided by coverage, is ``tests/fuzz/run.py``.
"""

from __future__ import annotations

import os

import pytest

from fuzz_documents import outcome
from fuzz_mutations import mutants
from fuzz_targets import TARGETS
from jpki.verdict import Outcome

SHORT = {"pdf": 40, "cms": 150, "xml": 150, "issued": 150, "http-half": 300, "images": 300}
RUNS = int(os.environ.get("FUZZ_RUNS", "0"))


@pytest.mark.parametrize("name", TARGETS)
def test_typed_errors_and_nothing_else(name: str) -> None:
    target = TARGETS[name]
    run, corpus = target.function(), target.corpus()
    assert corpus
    count = RUNS or SHORT.get(name, 1500 if target.ours else 500)
    for data in mutants(corpus, max(count, len(corpus)), name, target.tokens):
        run(data)


@pytest.mark.parametrize("name", ["cms", "pdf", "xml", "issued"])
def test_what_was_signed_is_valid(name: str) -> None:
    """Or «never valid for altered input» would say nothing."""
    assert [outcome(name, seed) for seed in TARGETS[name].corpus()] == [Outcome.VALID]
