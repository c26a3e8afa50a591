# SPDX-License-Identifier: Apache-2.0
"""The whole program, over PC/SC, against a real pcscd with an emulated card in its reader."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def kiosk(virtual_reader, ocsp_server):
    def run(pin):
        variables = {"KIOSK_TRUST": "test", "KIOSK_RESPONDER": ocsp_server.url}
        program = (sys.executable, "-m", "kiosk", virtual_reader.uri)
        done = virtual_reader.run(*program, stdin=f"{pin}\n", env=variables, timeout=20)
        assert done.stderr == ""
        return done.returncode, done.stdout.strip()

    return run


def test_log_in(kiosk, virtual_reader):
    virtual_reader.plug("hanako")
    assert kiosk("1234") == (0, "Welcome.")


def test_a_wrong_pin(kiosk, virtual_reader):
    card = virtual_reader.plug("hanako")
    assert kiosk("9999") == (1, "The PIN was wrong. 2 tries are left.")
    assert card.tries()["jpki/0018"] == 2


def test_no_card_and_no_service(kiosk, virtual_reader):
    assert kiosk("1234") == (1, "Please put your card on the reader again. (no_card)")
    virtual_reader.kill_daemon()
    assert kiosk("1234") == (1, "Please put your card on the reader again. (no_service)")
