# SPDX-License-Identifier: Apache-2.0
"""Many certificates and signatures at once: one verdict a row, in order, and no serials."""

from __future__ import annotations

from jpki.verifying.batch.arrow import verify_batch
from jpki.verifying.batch.inputs import BatchInput, open_input
from jpki.verifying.batch.pool import InProcess, ProcessPool
from jpki.verifying.batch.rows import RowVerdict, RowVerifier
from jpki.verifying.batch.run import BatchProgress, BatchSummary, Engine, run_batch, run_moment
from jpki.verifying.batch.setup import BatchSetup
from jpki.verifying.batch.signers import read_signers

__all__ = [
    "BatchInput",
    "BatchProgress",
    "BatchSetup",
    "BatchSummary",
    "Engine",
    "InProcess",
    "ProcessPool",
    "RowVerdict",
    "RowVerifier",
    "open_input",
    "read_signers",
    "run_batch",
    "run_moment",
    "verify_batch",
]
