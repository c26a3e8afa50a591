# SPDX-License-Identifier: Apache-2.0
"""Time stamps from a real server: asked for, read, and refused when they are no answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jpki.signing.algorithms import HashName
from jpki.signing.signer import DigestSigner
from jpki.signing.timestamp import TimestampClient, TimestampError, read_token
from jpki.synth import tsa, tsa_certificate
from jpki.testing.tsa_server import TsaMode, TsaServer
from jpki.verdict import Outcome
from jpki.verifying.timestamp import check_stamp
from signing_bench import AT, judge, options, sign, verify

DIGEST = HashName.SHA256.digest(b"a signature")


@pytest.fixture
def server() -> Iterator[TsaServer]:
    with TsaServer(AT) as running:
        yield running


def client(server: TsaServer) -> TimestampClient:
    return TimestampClient(server.url, timeout=0.5)


@pytest.mark.parametrize("name", HashName)
def test_a_token_answers_the_question(server: TsaServer, name: HashName) -> None:
    token = read_token(client(server)(name, name.digest(b"data")))
    assert token.hash is name
    assert token.imprint == name.digest(b"data")
    assert abs((token.time - AT).total_seconds()) < 60


FAULTS = {
    TsaMode.WRONG_NONCE: "timestamp_other",
    TsaMode.NO_NONCE: "timestamp_other",
    TsaMode.WRONG_IMPRINT: "timestamp_other",
    TsaMode.REFUSED: "timestamp_refused",
    TsaMode.SLOW: "timestamp_unreachable",
    TsaMode.UNAVAILABLE: "timestamp_no_answer",
    TsaMode.HTML: "timestamp_no_answer",
    TsaMode.OVERSIZE: "timestamp_no_answer",
    TsaMode.REDIRECT: "timestamp_no_answer",
    TsaMode.TRUNCATED: "timestamp_form",
}


@pytest.mark.parametrize(("mode", "code"), FAULTS.items(), ids=lambda value: str(value))
def test_no_answer_is_no_stamp(server: TsaServer, mode: TsaMode, code: str) -> None:
    server.mode = mode
    with pytest.raises(TimestampError) as caught:
        client(server)(HashName.SHA256, DIGEST)
    assert caught.value.code == code


def test_every_other_mode_gives_a_token(server: TsaServer) -> None:
    """Or a mode of the server would be in no test."""
    for mode in set(TsaMode) - set(FAULTS):
        server.mode = mode
        assert read_token(client(server)(HashName.SHA256, DIGEST)).imprint == DIGEST


@pytest.mark.parametrize("url", ["", "ftp://tsa.invalid/", "file:///etc/passwd", "tsa", "http://"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(TimestampError) as caught:
        TimestampClient(url)
    assert caught.value.code == "timestamp_url"


def test_nobody_listens() -> None:
    with TsaServer(AT) as gone:
        url = gone.url
    with pytest.raises(TimestampError) as caught:
        TimestampClient(url, timeout=0.5)(HashName.SHA256, DIGEST)
    assert caught.value.code == "timestamp_unreachable"


def token() -> bytes:
    """A token over ``DIGEST``, with the authority's certificate."""
    imprint = bytes.fromhex("3031300d060960864801650304020105000420") + DIGEST
    return tsa.time_stamp_token(tsa.StampRequest(imprint=imprint, certificate=True), AT)


def test_every_truncation_is_refused() -> None:
    whole = token()
    assert read_token(whole).time == AT
    for size in range(len(whole)):
        with pytest.raises(TimestampError):
            read_token(whole[:size])
        assert check_stamp(whole[:size], b"a signature", [tsa_certificate()]).fault == "stamp_form"


def test_no_changed_byte_is_believed() -> None:
    """Whatever byte of a token is changed, it is never believed to say something else."""
    whole = token()
    good = check_stamp(whole, b"a signature", [tsa_certificate()])
    assert (good.fault, good.trusted, good.time) == (None, True, AT)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x01
        found = check_stamp(bytes(changed), b"a signature", [tsa_certificate()])
        # The list of hashes at its head is no part of what is signed: then it still says AT.
        assert not found.trusted or found.time == AT


@pytest.mark.parametrize(
    ("mode", "outcome", "code"),
    [
        (TsaMode.GOOD, Outcome.VALID, "time_stamped"),
        (TsaMode.PAST, Outcome.INVALID, "time_after_stamp"),
        (TsaMode.FUTURE, Outcome.INVALID, "stamp_later"),
        (TsaMode.BAD_SIGNATURE, Outcome.INVALID, "stamp_signature"),
    ],
)
def test_a_stamp_in_a_signature(
    server: TsaServer, one: DigestSigner, content: Path, mode: TsaMode, outcome: Outcome, code: str
) -> None:
    server.mode = mode
    made = sign(content, [one], options(stamper=client(server)))
    found = verify(made, content.parent, content)
    time = found.verdict.check("time")
    assert time is not None
    assert (time.outcome, time.code) == (outcome, code)


def test_a_stamp_nobody_trusts_counts_for_nothing(
    server: TsaServer, one: DigestSigner, content: Path
) -> None:
    made = sign(content, [one], options(stamper=client(server)))
    found = verify(made, content.parent, content, judge(tsa=False))
    time = found.verdict.check("time")
    assert time is not None
    assert (time.outcome, time.code) == (Outcome.NOT_RUN, "stamp_authority_unknown")
    assert found.outcome is Outcome.VALID


def test_a_stamp_of_another_signature(server: TsaServer, one: DigestSigner, content: Path) -> None:
    def other(name: HashName, digest: bytes) -> bytes:
        return client(server)(name, name.digest(b"another signature"))

    found = verify(sign(content, [one], options(stamper=other)), content.parent, content)
    time = found.verdict.check("time")
    assert time is not None
    assert (time.outcome, time.code) == (Outcome.INVALID, "stamp_of_other")


def test_without_a_stamp_that_is_required_nothing_is_signed(
    server: TsaServer, one: DigestSigner, content: Path
) -> None:
    server.mode = TsaMode.REFUSED
    with pytest.raises(TimestampError):
        sign(content, [one], options(stamper=client(server), require_timestamp=True))
    made = sign(content, [one], options(stamper=client(server)))
    assert verify(made, content.parent, content).outcome is Outcome.VALID


def test_judged_as_of_the_stamp(server: TsaServer, one: DigestSigner, content: Path) -> None:
    """Long after the certificate's end: a stamp from its time keeps the signature alive."""
    from datetime import timedelta

    later = judge(at=AT + timedelta(days=4000))
    stamped = sign(content, [one], options(stamper=client(server)))
    plain = sign(content, [one], options())
    validity = verify(plain, content.parent, content, later).verdict.check("validity")
    assert validity is not None
    assert validity.outcome is Outcome.INVALID
    validity = verify(stamped, content.parent, content, later).verdict.check("validity")
    assert validity is not None
    assert validity.outcome is Outcome.VALID
