# SPDX-License-Identifier: Apache-2.0
"""Which modules are tested with mutants, and which tests must notice."""

from __future__ import annotations

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


def _tests(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/jpki/{folder}/test_{name}.py" for name in names)


RULES = _tests("validation", "rules")
PATH = _tests("validation", "certificates", "validator", "negative_matrix", "trust",
              "next_generation", "general_path")  # fmt: skip
CRL = _tests("validation", "crl", "crl_form", "crl_columns", "crl_offers", "general_crl",
             "crl_index_store", "crl_index_folder", "crl_index_refused")  # fmt: skip
OCSP = _tests("validation", "ocsp", "ocsp_client", "ocsp_reader", "general_ocsp")
FRAMES = _tests("validation", "known_frames", "certificates")
GENERAL = _tests("validation", "general_constraints", "general_crl", "general_damage",
                 "general_ocsp", "general_path", "general_policies",
                 "general_signatures")  # fmt: skip
CARD = (*_tests("card", "authenticity", "card", "cv_keys", "ecdsa", "licence_records", "mf",
                "recognised", "surface_authenticity"),
        *_tests("verifying", "card_check", "card_check_surface", "mf_check",
                "nextgen"))  # fmt: skip
POLICY = _tests("mapping", "number_use", "permissions", "policy", "policy_decide",
                "policy_prohibitions", "policy_rules", "prohibitions")  # fmt: skip
TARGETS = {
    target.module: target
    for target in (
        Target("jpki.verdict", RULES),
        *(Target(f"jpki.validation.{name}", RULES) for name in ("findings", "policy", "times")),
        *(Target(f"jpki.validation.{name}", PATH)
          for name in ("algorithms", "path", "profile", "trust", "validator")),
        *(Target(f"jpki.validation.{name}", CRL)
          for name in ("crl", "crl_findings", "crl_lists", "crl_store")),
        *(Target(f"jpki.validation.{name}", OCSP)
          for name in ("ocsp", "ocsp_reader", "ocsp_request", "ocsp_source", "ocsp_store")),
        Target("jpki.validation.known_frames", FRAMES),
        *(Target(f"jpki.validation.rfc5280.{name}", GENERAL)
          for name in ("certificate", "constraints", "crl", "engine", "ocsp", "paths", "points",
                       "policies", "profile", "revocation", "signatures", "subject_names",
                       "validator")),
        *(Target(f"jpki.card.{name}", CARD)
          for name in ("authenticity", "cv_certificate", "cv_keys", "ecdsa", "licence_check",
                       "mf_chain", "surface_authenticity")),
        *(Target(f"jpki.mapping.{name}", POLICY)
          for name in ("decision", "number_use", "permissions", "policy", "prohibitions")),
    )
}  # fmt: skip
