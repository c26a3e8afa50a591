# SPDX-License-Identifier: Apache-2.0
"""An issued document as ``jpki verify`` takes it: the file, or the statement from its code."""

from __future__ import annotations

from jpki.certificate.kinds import Environment
from jpki.verifying.document import DocumentFormat, DocumentVerdict, Wanted
from jpki.verifying.issued import MAX_FILE, is_issued, verify_issued, verify_statement
from jpki.verifying.judge import Judge
from jpki.verifying.sources import read_file


def verify_file(wanted: Wanted, judge: Judge) -> DocumentVerdict:
    """The verdict on a PDF that was issued, or on the statement (JWS) read from the paper's
    code: then the check ``file`` is not_run. Raises InputFileError.
    """
    data = read_file(wanted.path, MAX_FILE)
    if is_issued(data):
        verdict, statement = verify_issued(data, judge.issuers, now=judge.now)
    else:
        token = data.decode("ascii", "replace").strip()
        verdict, statement = verify_statement(token, judge.issuers, now=judge.now)
    # A test document says that it is one, whatever is trusted here, and the reverse.
    real = judge.environment is Environment.PRODUCTION
    environment = verdict.environment if real else judge.environment.value
    return DocumentVerdict(
        DocumentFormat.ISSUED, environment, True, (), verdict.checks, statement=statement
    )
