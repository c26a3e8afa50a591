# SPDX-License-Identifier: Apache-2.0
"""The proposals corpus, read for tests."""

from __future__ import annotations

import copy
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from jpki.mapping.explain import Explanation, explain, request_from
from jpki.mapping.policy import Policy
from jpki.mapping.policy_file import policy_of

CORPUS = Path(__file__).resolve().parents[2] / "fixtures" / "proposals.toml"
AT = datetime(2026, 6, 14, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Proposal:
    """One entry of the corpus, as it stands there."""

    entry: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.entry["id"])

    @property
    def facts(self) -> dict[str, Any]:
        return dict(self.entry["facts"])

    def policy(self) -> Policy:
        """The preset with what this case declares."""
        preset = resources.files("jpki.mapping") / "presets" / f"{self.entry['policy']}.toml"
        document = copy.deepcopy(tomllib.loads(preset.read_text(encoding="utf-8")))
        document["organisation"].update(self.entry.get("organisation", {}))
        if "switches" in self.entry:
            document["switches"] = self.entry["switches"]
        for service in document["service"]:
            for purpose in service["purpose"]:
                if purpose["id"] == self.facts["purpose"]:
                    purpose.update(self.entry.get("declares", {}))
        return policy_of(document, self.id)

    def explained(self) -> Explanation:
        """What `policy explain` says about it."""
        return explain(self.policy(), request_from(self.facts, AT))


def proposals() -> list[Proposal]:
    """All of them, in the file's order."""
    document = tomllib.loads(CORPUS.read_text(encoding="utf-8"))
    assert document["schema"] == "jpki.proposals/1"
    return [Proposal(entry) for entry in document["proposal"]]
