# SPDX-License-Identifier: Apache-2.0
"""``jpki chain check``: path, profile and revocation of a certificate from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from jpki_cli.clicks import Moment, OneOf, UsageFault, argument, command, option
from jpki_cli.errors import Exit
from jpki_cli.options import PATH, validation_options
from jpki_cli.session import Session
from jpki_cli.validation import Asked, accepted_policies, general_validator, material
from jpki_cli.verdicts import finish

# Options that mean something to the general profile only.
_GENERAL = (
    "policy",
    "require_explicit_policy",
    "inhibit_policy_mapping",
    "inhibit_any_policy",
    "allow_weak_keys",
    "partial_chain",
)


@command("check")
@argument("certificate", metavar="CERT", type=PATH)
@option("--profile", metavar="NAME", type=OneOf("jpki", "rfc5280"), default="jpki")
@option("--policy", metavar="OID", multiple=True)
@option("--require-explicit-policy", is_flag=True)
@option("--inhibit-policy-mapping", is_flag=True)
@option("--inhibit-any-policy", is_flag=True)
@option("--allow-weak-keys", is_flag=True)
@option("--partial-chain", is_flag=True)
@validation_options
@option("--at", metavar="TIME", type=Moment())
def check(session: Session, certificate: Path, **given: Any) -> Exit:
    from jpki.verifying.sources import read_certificates

    asked = Asked.from_options(given)
    general = {name: given[name] for name in _GENERAL}
    if given["profile"] == "jpki":
        for name, value in general.items():
            if value:
                raise UsageFault("usage_other_profile", option=f"--{name.replace('_', '-')}")
    general["policy"] = accepted_policies(general["policy"])
    leaf, *rest = read_certificates([certificate])
    if given["profile"] == "rfc5280":
        validator = general_validator(session, asked, rest, **general)
        return finish(session, validator.validate(leaf))
    trust, options = material(session, asked)
    options = replace(options, chain=(*options.chain, *rest))
    return finish(session, options.validator(trust).validate(leaf))
