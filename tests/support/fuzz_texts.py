# SPDX-License-Identifier: Apache-2.0
"""Fuzzed: files that people write or hand over: policies, cards, presentations, state."""

from __future__ import annotations

from fuzz_targets import calls, scratch
from jpki.card.free_area_file import parse_applications
from jpki.card.layout import parse_layout
from jpki.certificate.kinds import Environment
from jpki.emulator.profile_file import parse_profile
from jpki.emulator.state import StateFile
from jpki.mapping.checkpoint import parse_checkpoint
from jpki.mapping.key_file import read_keys
from jpki.mapping.policy_file import parse_policy
from jpki.mapping.presentation import parse_evidence
from jpki.verifying.challenge import parse_challenge, parse_response
from jpki.verifying.issued import parse_issuer_key


def policy(data: bytes) -> None:
    calls((parse_policy,), data)


def card_file(data: bytes) -> None:
    """A card, a layout, an application of the free area."""
    calls(
        (
            lambda raw: parse_profile(raw, "card.toml"),
            parse_layout,
            lambda raw: parse_applications(raw, "applications.toml"),
        ),
        data,
    )


def presentation(data: bytes) -> None:
    """A challenge, its answer, and the map's presentation."""
    calls((_signed_text, parse_response, parse_evidence), data)


def _signed_text(data: bytes) -> None:
    """The text of a challenge is the same whenever it is asked for."""
    challenge = parse_challenge(data)
    assert challenge.signed_text() == challenge.signed_text()


def small_json(data: bytes) -> None:
    """State files, key files, checkpoints, issuers' keys."""
    path = scratch() / "fuzz.json"
    path.write_bytes(data)
    path.chmod(0o600)
    calls(
        (
            lambda _: StateFile(path, "identity").load(),
            lambda _: read_keys(path),
            parse_checkpoint,
            lambda raw: parse_issuer_key(raw, Environment.TEST),
        ),
        data,
    )
