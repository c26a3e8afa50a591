# SPDX-License-Identifier: Apache-2.0
"""A demonstration's shelter: a desk's key file, and flows made from a terminal's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from jpki.card_map import PinKind
from jpki.errors import ConfigurationError
from jpki.kiosk.scripted import ScriptedDesk
from jpki.kiosk.server.app import server_app
from jpki.kiosk.server.terminals import Terminals, token_digest
from jpki.kiosk.visit import Visit
from jpki.open import open_card
from jpki.open_bench import Demonstration
from jpki.open_flows import make_flows
from jpki.open_shelter import KEY_FILE, SHELTER_ACTORS, demo_office, read_keys
from server_half import serving

TOKENS = {actor: actor * 8 for actor in SHELTER_ACTORS.values()}


def test_a_demonstration_checks_in_by_tap(tmp_path: Path) -> None:
    flows = tuple(SHELTER_ACTORS)
    with Demonstration("virtual:", tmp_path, "konbini", flows=flows) as demo:
        town = demo.town
        works = demo.shelter_works(demo_office(tmp_path / "desk"), None)
        names = {token_digest(token): actor for actor, token in TOKENS.items()}
        with serving(server_app(town.half, Terminals(names), works)) as url:
            made = make_flows(
                {
                    "server": url, "token": "x" * 32, "tokens": TOKENS, "policy": "konbini",
                    "flows": flows, "trust": "test", "desk": str(tmp_path / "desk"),
                }
            )  # fmt: skip
            assert tuple(made) == flows
            desk = ScriptedDesk(
                choices={
                    "shelter_action": "check_in", "shelter_proof": "tap",
                    "shelter_share": "city_only",
                },
                pins={PinKind.AUTH: "1234"},
            )  # fmt: skip
            with open_card("virtual:hanako", trust="test").card as card:
                ending = made["shelter"].run(Visit(card, desk))
    assert ending.code == "shelter_checked_in"
    assert (tmp_path / "desk" / KEY_FILE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b"{}", b"[" * 100_000, b'{"name": "x", "signing": "AA=="}']
)
def test_a_key_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_keys(tmp_path)
    assert caught.value.code == "desk_keys"
