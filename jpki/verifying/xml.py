# SPDX-License-Identifier: Apache-2.0
"""XML signatures to a verdict: every signature, what it covers, whose it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jpki.errors import InputFileError
from jpki.signing.xml import MAX_FILE, demand_extra
from jpki.verdict import Check, Outcome
from jpki.verifying.document import DocumentFormat, DocumentVerdict, SignatureVerdict, Wanted
from jpki.verifying.judge import Judge
from jpki.verifying.sources import read_file

if TYPE_CHECKING:
    from jpki.verifying.xml_reading import XmlSignature

_SHOWN: Final = 8  # names of unsigned elements that are told


def verify_file(wanted: Wanted, judge: Judge) -> DocumentVerdict:
    """The verdict on an XML file: on each of its signatures.

    A file that a signature names is ``wanted.content``, or lies beside ``wanted.path`` under
    that plain name; nothing is ever fetched. Raises MissingExtraError, InputFileError.
    """
    demand_extra()
    from jpki.signing.xml_document import XmlError
    from jpki.verifying.xml_reading import read_signatures

    data = read_file(wanted.path, MAX_FILE)
    try:
        found = read_signatures(data, _files(wanted), history=judge.history)
    except XmlError as exc:
        reason = f"xml_{exc.values['reason']}"
        raise InputFileError(path=str(wanted.path), reason=reason) from exc
    if not found:
        raise InputFileError(path=str(wanted.path), reason="xml_not_signed")
    return verify_signatures(found, judge)


def verify_signatures(found: Sequence[XmlSignature], judge: Judge) -> DocumentVerdict:
    """The verdict on signatures that were read. Never raises for what they hold."""
    verdicts = tuple(_judged(one, number, judge) for number, one in enumerate(found, 1))
    return DocumentVerdict(DocumentFormat.XML, judge.environment.value, judge.legal, verdicts)


def _judged(one: XmlSignature, number: int, judge: Judge) -> SignatureVerdict:
    checks = [*_own_checks(one), _covered(one)]
    subject: dict[str, object] = {
        "algorithm": one.algorithm or None,
        "signing_time": None,
        "stamped_at": None,
        "covered": list(one.covered),
    }
    if not one.certificates:
        missing = Check("signer", Outcome.CANNOT_TELL, "signer_certificate_missing")
        return SignatureVerdict(number, (*checks, missing), subject)
    own, *chain = one.certificates
    verdict = judge.certificate(own, chain=chain)
    # Such a signature names no certificate among what is signed, and no time.
    unbound = Check("signer", Outcome.NOT_RUN, "signer_unbound")
    untimed = Check("time", Outcome.NOT_RUN, "time_unknown", {"claimed": "-"})
    checks += [unbound, *verdict.checks, untimed]
    return SignatureVerdict(number, tuple(checks), {**verdict.subject, **subject}, own)


def _own_checks(one: XmlSignature) -> tuple[Check, Check]:
    """Content and signature value, as CMS has them."""
    scheme, _, hash_name = one.algorithm.rpartition("-")
    values = {"scheme": scheme, "hash": hash_name}
    if one.fault is None:
        return (
            Check("integrity", Outcome.VALID, "content_signed", values),
            Check("signature", Outcome.VALID, "signature_good", values),
        )
    if one.fault == "reference_missing":
        content = Check("integrity", Outcome.CANNOT_TELL, one.fault, one.values)
        return content, Check("signature", Outcome.NOT_RUN, "content_first")
    if one.fault == "content_changed":
        # Contents are compared only after the signature value was found to fit.
        return (
            Check("integrity", Outcome.INVALID, one.fault),
            Check("signature", Outcome.VALID, "signature_good", values),
        )
    return (
        Check("integrity", Outcome.NOT_RUN, "signature_first"),
        Check("signature", Outcome.INVALID, one.fault, one.values),
    )


def _covered(one: XmlSignature) -> Check:
    """What is signed; a document of which parts are signed by nobody is not vouched for."""
    name = "coverage"
    if one.fault is not None:
        return Check(name, Outcome.NOT_RUN, "signature_first")
    values = {"covered": ", ".join(one.covered)}
    if one.unsigned:
        loose = ", ".join(sorted(set(one.unsigned))[:_SHOWN])
        values["unsigned"] = loose
        if one.egov:
            return Check(name, Outcome.VALID, "egov_covered", values)
        return Check(name, Outcome.CANNOT_TELL, "partly_covered", values)
    return Check(name, Outcome.VALID, "all_covered", values)


def _files(wanted: Wanted) -> Callable[[str], bytes | None]:
    """Finds a file by its plain name: ``content`` if it was given, else beside the document."""

    def find(name: str) -> bytes | None:
        if wanted.content is not None:
            return read_file(wanted.content, MAX_FILE) if wanted.content.name == name else None
        if Path(name).name != name or "\\" in name or ":" in name:
            return None
        beside = wanted.path.with_name(name)
        return read_file(beside, MAX_FILE) if beside.is_file() else None

    return find
