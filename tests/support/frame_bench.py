# SPDX-License-Identifier: Apache-2.0
"""A validator that has seen certificates before, beside one that has seen none."""

from __future__ import annotations

from datetime import UTC, datetime

from jpki.certificate import Environment, Family
from jpki.synth.pki import SynthPki
from jpki.validation import TrustStore, Validator
from jpki.verdict import Verdict

AT = datetime(2026, 11, 21, tzinfo=UTC)


class Bench:
    """A validator that has learned frames, beside one made anew for each question.

    ``roots``: instead of those of the PKI; ``options``: of the validators.
    """

    def __init__(self, pki: SynthPki, *, roots: tuple[bytes, ...] = (), **options: object) -> None:
        anchors = roots or (*pki.trust_anchors(), *pki.next_trust_anchors())
        self._trust = TrustStore(Environment.TEST, anchors)
        given: dict[str, object] = {"crls": [*pki.crls(), *pki.next_crls()], "at": AT}
        self._options = {"clock": lambda: AT} | given | options
        self.quick = self.new()

    def new(self) -> Validator:
        """One that has seen nothing before."""
        return Validator(self._trust, **self._options)  # type: ignore[arg-type]

    def careful(self, der: bytes, family: Family | None = None) -> Verdict:
        """The verdict of a validator that has seen nothing before."""
        return self.new().validate(der, family=family)

    def compare(self, der: bytes, family: Family | None = None) -> Verdict:
        """The verdict of both, which have to be the same."""
        found = self.quick.validate(der, family=family)
        expected = self.careful(der, family)
        assert found == expected
        assert list(found.subject) == list(expected.subject)
        return found
