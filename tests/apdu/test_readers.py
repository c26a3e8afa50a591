# SPDX-License-Identifier: Apache-2.0
"""Reader URIs."""

from __future__ import annotations

import math

import pytest

from file_card import card
from jpki_apdu import readers
from jpki_apdu.connection import CardConnection
from jpki_apdu.errors import ReaderUriError


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_openers", dict(readers._openers))


def test_a_registered_scheme_gets_the_rest_the_wait_and_the_limit() -> None:
    seen: list[tuple[str, float | None, float | None]] = []
    fake = card()

    def opener(rest: str, wait: float | None, timeout: float | None) -> CardConnection:
        seen.append((rest, wait, timeout))
        return fake

    readers.register_scheme("Test", opener)
    assert readers.open_reader("test:a:b c") is fake
    readers.open_reader("TEST:", wait=math.inf, timeout=5)
    assert seen == [("a:b c", None, None), ("", math.inf, 5)]
    assert "test" in readers.known_schemes()


@pytest.mark.parametrize("scheme", ["", "a b", "1x", "a:", "ä"])
def test_schemes_that_cannot_be_registered(scheme: str) -> None:
    with pytest.raises(ValueError, match="scheme"):
        readers.register_scheme(scheme, lambda rest, wait, timeout: card())


@pytest.mark.parametrize("uri", ["", "ACS ACR1252", "pcsc", "1:2"])
def test_a_bare_name_is_refused_with_a_hint(uri: str) -> None:
    with pytest.raises(ReaderUriError) as caught:
        readers.open_reader(uri)
    assert caught.value.code == "reader_uri_bare"
    assert caught.value.values == {"uri": uri, "hint": f"pcsc:{uri}"}


def test_an_unknown_scheme_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ReaderUriError) as caught:
        readers.open_reader("usb:1")
    assert caught.value.code == "reader_uri_scheme"
    assert caught.value.values["scheme"] == "usb"
    assert {"pcsc:", "vpcd:"} <= set(str(caught.value.values["known"]).split())


def test_a_misspelt_scheme_is_refused_with_the_one_that_is_near() -> None:
    with pytest.raises(ReaderUriError) as caught:
        readers.open_reader("PSCS:ACS")
    assert caught.value.code == "reader_uri_scheme_near"
    assert caught.value.values["hint"] == "pcsc:ACS"
