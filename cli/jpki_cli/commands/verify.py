# SPDX-License-Identifier: Apache-2.0
"""``jpki verify``: a signed file of any format we know, to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jpki_cli.clicks import Moment, OneOf, UsageFault, argument, command, option
from jpki_cli.documents import show_document
from jpki_cli.errors import Exit
from jpki_cli.options import PATH, validation_options
from jpki_cli.reports import Report, report_options
from jpki_cli.session import Session
from jpki_cli.validation import Asked, material


@command("verify")
@argument("path", metavar="FILE", type=PATH)
@option("--content", metavar="F", type=PATH)
@option("--signature", metavar="F", type=PATH)
@option("--certificate", metavar="F", type=PATH)
@option("--profile", metavar="NAME", type=OneOf("moj"))
@option("--key", metavar="KEY", type=OneOf("sign", "auth"), default="sign")
@option("--tsa-ca", metavar="F", multiple=True, type=PATH)
@option("--history", is_flag=True)
@option("--issuer", metavar="F", multiple=True, type=PATH)
@option("--reveal", metavar="WHAT", type=OneOf("content"))
@report_options
@validation_options
@option("--at", metavar="TIME", type=Moment())
def verify(session: Session, path: Path, **given: Any) -> Exit:
    from jpki.certificate.kinds import Family
    from jpki.verifying.document import Wanted, verify_document
    from jpki.verifying.judge import Judge
    from jpki.verifying.sources import read_certificates, read_issuers

    asked = Asked.from_options(given)
    if given["signature"] is not None and given["certificate"] is None:
        raise UsageFault("usage_raw_pair")
    report = Report.from_options(given)
    report.check(session)
    trust, options = material(session, asked)
    judge = Judge(
        trust,
        options,
        family=Family(given["key"]),
        tsa=read_certificates(given["tsa_ca"]),
        issuers=read_issuers(given["issuer"], trust.store.environment),
        history=given["history"],
    )
    wanted = Wanted(
        path, given["content"], given["signature"], given["certificate"], given["profile"]
    )
    found = verify_document(wanted, judge)
    report.write(session, found, [path, given["content"], given["signature"]])
    return show_document(session, found, reveal=given["reveal"] == "content")
