# SPDX-License-Identifier: Apache-2.0
"""Nothing that reads bytes from elsewhere is left out of the fuzzing; found in the source itself.

A parser or a path of a server that is added without a target, or without a seed that comes as
far as that, fails here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.routing import Match, Route

from fuzz_http import APPS, ask, request_of
from fuzz_reach import Function, entered, parsers
from fuzz_targets import TARGETS

BESIDE = {
    # Test cards, test PKI and servers for tests: never beside a real card or a real person.
    "jpki/synth/": "makes test data",
    "jpki/testing/": "servers for tests; tests/jpki/testing",
    "jpki/emulator/": "any bytes: tests/jpki/emulator/test_any_bytes.py",
    # Commands to a card: the fault matrix and the wire that is cut have a card for them.
    "jpki_apdu/channel.py": "commands to a card",
    "jpki_apdu/link.py": "commands to a card",
    "jpki/card/mf.py:MasterFile._read": "commands to a card; what it reads has targets",
    "jpki/card/secure_messaging.py": "commands to a card; tests/jpki/card/test_secure_messaging.py",
    # Lines between processes of one program, both ours.
    "jpki/doctor/real_host.py": "what our own helper process says",
    "jpki/kiosk/child.py": "what our own presentation says",
    "jpki/kiosk/worker.py": "what our own terminal says",
    # Bytes that only who has our keys could have made: they are authenticated before.
    "jpki/kiosk/shelter/desk.py:ShelterDesk._held": "read with parse_challenge, a target",
    "jpki/mapping/consent.py": "rows of the map's database",
    "jpki/mapping/evidence.py": "sealed under the map's keys",
    "jpki/mapping/index.py": "sealed under the map's keys",
    "jpki/mapping/key_file.py": "opens what is sealed under the map's keys",
    "jpki/mapping/key_token.py": "a token's own objects",
    "jpki/mapping/keys.py": "no parser: names of calls, and a signature that is checked",
    "jpki/mapping/staff_view.py": "sealed under the map's keys",
    "jpki/validation/crl_index/watching.py": "sealed under the store's key",
    "jpki/verifying/batch/run.py": "what we wrote beside the verdicts",
    "jpki/verifying/timestamp.py:_issued": "certificates that were read before, by a target's",
    # Files that their holder signs; what verifies such files has targets.
    "jpki/signing/cms_cosign.py": "a file to be signed; read_envelope is a target's",
    "jpki/signing/pdf_document.py": "a file to be signed; pyHanko's reader is a target's",
    "jpki/signing/xml_signer.py": "the signer's own certificate",
    "jpki/doctor/settings.py:config": "read_toml, a target's",
    "jpki/mapping/platform_http.py:HttpPlatform._ask": "the line; its answers have a target",
}
"""What no seed enters, by folder, file, or function of a file; and why that may be."""


def _reason(function: Function) -> str | None:
    file, name = function
    places = (place for place in BESIDE if f"{file}:{name}".startswith(place))
    return next(places, None)


@pytest.mark.checkout
def test_every_parser_is_fuzzed_or_has_a_reason() -> None:
    found, seen = parsers(), entered()
    assert len(found & seen) > 150
    left = {one: _reason(one) for one in found - seen}
    assert sorted(one for one, reason in left.items() if reason is None) == []
    assert sorted(set(BESIDE) - set(left.values())) == [], "no reason is needed any more"


REFUSED = (401, 403, 404, 405, 421)
"""Answers that come before anything was done."""
NOWHERE = {("http-half", "POST", "/v1/document")}
"""404 there: no ticket stands for what was presented; tests/system/test_two_halves.py has one."""


def _routes(target: str) -> Iterator[tuple[str, str, str]]:
    """Target, method and path of everything that its application serves."""
    for route in APPS[target]().routes:
        assert isinstance(route, Route)
        for method in sorted(set(route.methods or ()) - {"HEAD", "OPTIONS"}):
            yield target, method, route.path


@pytest.mark.parametrize("target", APPS)
def test_every_path_that_is_served_has_a_seed_that_comes_there(target: str) -> None:
    app, come = APPS[target](), set()
    for data in TARGETS[target].corpus():
        scope, _ = request_of(data)
        for route in app.routes:
            if route.matches(scope)[0] is Match.FULL and ask(app, data) not in REFUSED:
                come.add((target, scope["method"], getattr(route, "path", "")))
    assert set(_routes(target)) - come - NOWHERE == set()
