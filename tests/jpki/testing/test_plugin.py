# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in, used as a stranger's project uses it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = """
from jpki.card_map import PinKind


def test_login(emulated_card):
    with emulated_card.open() as card:
        card.pins.verify(PinKind.AUTH, bytearray(emulated_card.pins["auth"], "ascii"))
        assert len(card.jpki.authenticate(b"a challenge")) == 256


def test_two_cards_are_two_cards(card_factory):
    one, other = card_factory("hanako"), card_factory("child")
    assert one.uri != other.uri


def test_a_fresh_card_for_each_test(emulated_card):
    assert emulated_card.apdus == 0


def test_pki_is_marked_as_test(test_pki):
    assert b"JPKI-SYNTH" in test_pki.trust_anchors()[0]


def test_ejected_card_is_gone(emulated_card):
    import pytest
    from jpki_apdu.errors import CardRemovedError
    with emulated_card.open() as card:
        emulated_card.eject()
        with pytest.raises(CardRemovedError):
            card.detect()
"""

SERVERS = """
import urllib.request
import pytest
from jpki.certificate.kinds import Family

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def test_lists(crl_server, test_pki):
    url = crl_server.list_url(Family.AUTH, 3, "13221")
    with DIRECT.open(url, timeout=10) as answer:
        assert answer.read() == test_pki.crl(Family.AUTH, 3, "13221")


def test_switched_while_it_runs(ocsp_server):
    ocsp_server.mode = "unavailable"
    with pytest.raises(OSError, match="503") as refusal:
        DIRECT.open(ocsp_server.url, b"x", timeout=10)
    refusal.value.close()
    assert [seen.status for seen in ocsp_server.requests] == [503]


def test_stamps(tsa_server):
    asked = urllib.request.Request(
        tsa_server.url, b"no query", {"Content-Type": "application/timestamp-query"}
    )
    with DIRECT.open(asked, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "application/timestamp-reply"


def test_platform(platform_server, emulated_card):
    from jpki.mapping.platform import Validity
    from jpki.mapping.platform_http import HttpPlatform
    from jpki.mapping.policy import LinkKind
    with emulated_card.open() as card:
        certificate = card.jpki.certificate("auth")
    platform_server.know(certificate)
    (known,) = platform_server.known()
    platform = HttpPlatform(platform_server.url, platform_server.key)
    assert platform.status(known).validity is Validity.GOOD
    assert platform.linked(known, LinkKind.OLD_NEW) is None
    platform_server.mode = "unknown"
    assert platform.status(known).validity is Validity.UNKNOWN


def test_the_pki_knows_who_of_the_built_in_people_moved(test_pki):
    assert test_pki.crls() != type(test_pki)(test_pki.at).crls()
"""

FAULTS = """
import pytest
from jpki.card_map import PinKind
from jpki.errors import FaultSpecError, PinOutcomeUnknownError
from jpki_apdu.errors import TranscriptError

PIN = b"1234"


def log_in(uri):
    from jpki.open import open_card
    with open_card(uri, needs_pin=True).card as card:
        card.pins.verify(PinKind.AUTH, bytearray(PIN))


def test_pulled_while_the_pin_is_checked(emulated_card, fault):
    fault(emulated_card, "pull:during@verify")
    with pytest.raises(PinOutcomeUnknownError):
        log_in(emulated_card.uri)


def test_a_fault_in_the_factory(card_factory):
    with pytest.raises(PinOutcomeUnknownError):
        log_in(card_factory("hanako", faults=["pull:during@verify"]).uri)


@pytest.fixture
def later(emulated_card):
    yield
    assert emulated_card.card.faults == ()


def test_faults_end_with_the_test(later, emulated_card, fault):
    fault(emulated_card, "reader:6700=128")
    fault(emulated_card.card, "sw=6F00@any")
    assert [str(one) for one in emulated_card.card.faults] == ["sw=6F00@any"]


def test_words_that_are_no_fault(emulated_card, fault):
    with pytest.raises(FaultSpecError):
        fault(emulated_card, "tickle:it")


def test_recorded_and_replayed(emulated_card, transcript):
    with transcript.record("login.replay", replayable=True) as path:
        log_in(emulated_card.uri)
    with transcript.replay(path) as uri:
        log_in(uri)
    with pytest.raises(TranscriptError), transcript.replay(path) as uri:
        from jpki.open import open_card
        open_card(uri).card.close()
    with pytest.raises(AssertionError), transcript.replay(path):
        pass


def test_a_trace_tells_jobs_apart(card_factory, transcript):
    with transcript.record() as path:
        log_in(card_factory("hanako").uri)
    with transcript.like(path, lengths=False):
        log_in(card_factory("taro-moved").uri)
    with pytest.raises(AssertionError, match="line"), transcript.like(path):
        log_in(card_factory("hanako").uri)
        log_in(card_factory("hanako").uri)
"""

LAZY = """
import sys


def test_nothing_of_ours_is_loaded():
    loaded = {name for name in sys.modules if name.partition(".")[0] in ("jpki", "jpki_apdu")}
    assert loaded == {"jpki", "jpki.testing", "jpki.testing.plugin"}
    assert not {"cryptography", "asn1crypto", "click", "rich", "smartcard"} & set(sys.modules)
"""


def run(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_example.py").write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_fixtures_work_for_a_stranger(tmp_path: Path) -> None:
    done = run(tmp_path, EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_the_servers_work_for_a_stranger(tmp_path: Path) -> None:
    done = run(tmp_path, SERVERS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_faults_and_transcripts_work_for_a_stranger(tmp_path: Path) -> None:
    done = run(tmp_path, FAULTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_nothing_is_loaded_until_a_fixture_is_used(tmp_path: Path) -> None:
    done = run(tmp_path, LAZY)
    assert done.returncode == 0, done.stdout + done.stderr
