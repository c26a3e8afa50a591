# SPDX-License-Identifier: Apache-2.0
"""Which modules are tested with mutants, and which tests must notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Target:
    """A module, its file, and the tests that must notice."""

    module: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        return ROOT / (self.module.replace(".", "/") + ".py")

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")


PKITS = "tests/cli/test_pkits.py"
GENERAL = "general_path general_constraints general_policies general_search"
# By modules (of a package) the names of their tests: few, and near, so that each mutant meets
# those that are meant to notice it. What other tests would notice besides does not count.
VALIDATION: Mapping[str, str] = {
    "findings policy times": "rules",
    "algorithms path profile": "certificates trust negative_matrix next_generation",
    "trust": "trust certificates",
    "validator": "validator certificates crl_store ocsp ocsp_source trust known_frames_limits",
    "crl": "crl crl_form",
    "crl_findings crl_lists crl_store": "crl_store crl rules",
    "known_frames": "known_frames_limits known_frames",
    "ocsp ocsp_reader ocsp_store": "ocsp ocsp_form ocsp_reader",
    "ocsp_request": "ocsp_request",
    "ocsp_source": "ocsp_source ocsp_client",
}
RFC5280: Mapping[str, str] = {
    "paths": "general_search",
    "signatures": "general_signatures general_path",
    "constraints": "general_constraints",
    "subject_names": "general_subject_names general_constraints",
    "engine policies profile": GENERAL,
    "validator": "general_validator general_several_paths general_path general_revocation",
    "certificate": "general_certificate general_path general_damage general_constraints",
    "crl": "general_crl_form general_crl",
    "revocation": "general_revocation general_crl general_responders",
    "points": "general_points general_crl general_damage",
    "ocsp": "general_ocsp general_responders",
}
CARD: Mapping[str, str] = {
    "authenticity cv_certificate cv_keys ecdsa licence_check mf_chain surface_authenticity":
        "authenticity card cv_keys ecdsa licence_records mf recognised surface_authenticity",
}  # fmt: skip
CARD_CHECKS = tuple(
    f"tests/jpki/verifying/test_{name}.py"
    for name in ("card_check", "card_check_surface", "mf_check", "nextgen")
)
MAPPING: Mapping[str, str] = {
    "decision number_use permissions policy prohibitions":
        "number_use permissions policy policy_decide policy_prohibitions policy_rules prohibitions",
}  # fmt: skip


def _of(package: str, folder: str, table: Mapping[str, str], *more: str) -> Iterator[Target]:
    """The targets of a table; ``more``: tests that all of them have besides."""
    for modules, names in table.items():
        tests = tuple(f"tests/jpki/{folder}/test_{name}.py" for name in names.split())
        for module in modules.split():
            yield Target(f"{package}.{module}", (*tests, *more))


TARGETS = {
    target.module: target
    for target in (
        Target("jpki.verdict", ("tests/jpki/validation/test_rules.py",)),
        *_of("jpki.validation", "validation", VALIDATION),
        *_of("jpki.validation.rfc5280", "validation", RFC5280, PKITS),
        *_of("jpki.card", "card", CARD, *CARD_CHECKS),
        *_of("jpki.mapping", "mapping", MAPPING),
    )
}
