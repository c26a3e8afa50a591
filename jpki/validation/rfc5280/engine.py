# SPDX-License-Identifier: Apache-2.0
"""The path algorithm of [RFC5280 6.1], done by pyhanko-certvalidator. Nobody else imports it.

Names, policies, basic constraints and signatures are its work; name constraints are in
``constraints``. Whatever it raises becomes a code: an exception is never an answer, and its
texts may hold names.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jpki import _asn1
from jpki.errors import MissingExtraError
from jpki.validation.rfc5280.options import GeneralOptions
from jpki.verdict import Outcome

if TYPE_CHECKING:
    from pyhanko_certvalidator.authority import CertTrustAnchor

EXTRA: Final = "pki"
_log = logging.getLogger(__name__)

# What the library says, by what it says it about. The first that fits names the fault.
_FAULTS: Final = (
    (r"size limit", "path_limit"),
    (r"no valid set of policies|policy mapping|policy graph|policy", "path_policies"),
    (r"issuer name", "path_names"),
    (r"maximum path length", "path_too_long"),
    (r"is not a CA", "path_not_a_ca"),
    (r"not allowed to sign", "path_key_usage"),
    (r"critical extension", "path_critical_extension"),
    (r"signature", "path_signature"),
)


@dataclass(frozen=True, slots=True)
class PathFault:
    """Why a path does not hold: ``code``, and whether that is a no or an «I cannot tell»."""

    code: str
    outcome: Outcome


def demand_extra() -> None:
    """Raise MissingExtraError unless the library is there; loads nothing."""
    if importlib.util.find_spec("pyhanko_certvalidator") is None:
        raise MissingExtraError(extra=EXTRA)


def check_path(
    anchor: bytes, certificates: Sequence[bytes], at: datetime, options: GeneralOptions
) -> PathFault | None:
    """Whether the path holds at ``at``; ``certificates`` from below the anchor to the last.

    Path length of the anchor counts too, its policies do not. Revocation and name constraints
    are not looked at.
    """
    from pyhanko_certvalidator.errors import ValidationError

    try:
        _drive(_validate(anchor, certificates, at, options))
    except ValidationError as error:
        code = _classify(str(error))
        given_up = code == "path_limit"
        return PathFault(code, Outcome.CANNOT_TELL if given_up else Outcome.INVALID)
    except (Exception, RecursionError) as error:
        # Anything else is the library stumbling over what it was given.
        _log.info("path validation stopped by %s", type(error).__name__)
        return PathFault("path_not_understood", Outcome.CANNOT_TELL)
    return None


def _classify(message: str) -> str:
    return next((code for words, code in _FAULTS if re.search(words, message)), "path_rules")


async def _validate(
    anchor: bytes, certificates: Sequence[bytes], at: datetime, options: GeneralOptions
) -> None:
    from pyhanko_certvalidator.context import ValidationContext
    from pyhanko_certvalidator.path import ValidationPath
    from pyhanko_certvalidator.policy_decl import (
        NO_REVOCATION,
        AcceptAllAlgorithms,
        CertRevTrustPolicy,
        PKIXValidationParams,
    )
    from pyhanko_certvalidator.validate import async_validate_path

    root = _anchor(_asn1.unconstrained_certificate(anchor))
    *between, last = [_asn1.unconstrained_certificate(der) for der in certificates]
    context = ValidationContext(
        trust_roots=[root],
        other_certs=between,
        moment=at,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        # Weak algorithms are refused before the path comes here.
        algorithm_usage_policy=AcceptAllAlgorithms(),
        time_tolerance=timedelta(0),
    )
    inputs = PKIXValidationParams(
        user_initial_policy_set=frozenset(options.policies or ("any_policy",)),
        initial_explicit_policy=options.explicit_policy,
        initial_policy_mapping_inhibit=options.inhibit_mapping,
        initial_any_policy_inhibit=options.inhibit_any,
    )
    await async_validate_path(context, ValidationPath(root, between, last), inputs)


def _anchor(certificate: Any) -> CertTrustAnchor:
    from pyhanko_certvalidator.authority import (
        CertTrustAnchor,
        TrustQualifiers,
        derive_quals_from_cert,
    )

    own = derive_quals_from_cert(certificate)
    inputs = own.standard_parameters
    if inputs is not None:
        inputs = replace(
            inputs,
            user_initial_policy_set=frozenset({"any_policy"}),
            initial_explicit_policy=False,
        )
    limits = TrustQualifiers(
        standard_parameters=inputs,
        max_path_length=own.max_path_length,
        max_aa_path_length=own.max_path_length,
    )
    return CertTrustAnchor(certificate, quals=limits)


def _drive(work: Coroutine[Any, Any, None]) -> None:
    """Run to its end a coroutine that waits for nothing: it fetches nothing.

    No event loop, so that callers may have one of their own.
    """
    try:
        work.send(None)
    except StopIteration:
        return
    finally:
        work.close()
    raise RuntimeError("path validation wanted to wait")
