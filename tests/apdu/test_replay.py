# SPDX-License-Identifier: Apache-2.0
"""Replays: exactly the recorded commands, in their order, all of them; synthetic ones only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpki_apdu import readers
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.errors import (
    CardRemovedError,
    CardResetError,
    ReaderBusyError,
    TranscriptError,
    TransportTimeoutError,
)
from jpki_apdu.replay import Answer, ReplayConnection, Sent, parse_replay, read_replay
from jpki_apdu.status import StatusWord

HEAD = """\
# jpki-replay/1
# origin: synthetic
# card: none
# made-by: hand
= open limits=250/0 atr=3B8001 reader=virtual:nobody
"""
SAMPLE = (
    HEAD
    + """\
> 00A4040C 02 3F00
< 9000

# the query costs nothing
> 00 20 00 80
< 63C3
= exclusive
> 00200080 04 30303030
< 63C2
= shared
> 00B00000 04
< DEADBEEF 9000
= power-off
> 00B00000 04
! card_removed
= close
= end
"""
)
SELECT, QUERY = bytes.fromhex("00A4040C023F00"), bytes.fromhex("00200080")
VERIFY, READ = bytes.fromhex("002000800430303030"), bytes.fromhex("00B0000004")


def _connection(text: str = SAMPLE) -> ReplayConnection:
    return ReplayConnection(parse_replay(text.encode()))


def test_a_whole_replay() -> None:
    connection = _connection()
    assert connection.name == "replay:virtual:nobody"
    assert connection.atr == bytes.fromhex("3B8001")
    assert connection.limits == ReplyLimits(250, 0)
    assert connection.synthetic
    assert connection.transmit(SELECT) == (b"", 0x9000)
    assert connection.transmit(bytearray(QUERY)) == (b"", 0x63C3)
    with connection.exclusive():
        assert connection.transmit(VERIFY) == (b"", 0x63C2)
    assert connection.transmit(READ) == (bytes.fromhex("DEADBEEF"), 0x9000)
    connection.power_off()
    assert connection.left == 1
    with pytest.raises(CardRemovedError):
        connection.transmit(READ)
    connection.assert_finished()
    connection.close()
    connection.close()
    connection.assert_finished()


@pytest.mark.parametrize(
    ("sent", "line", "expected", "found"),
    [
        ((VERIFY,), 6, "00A4040C (7)", "00200080 (9)"),
        ((SELECT, SELECT), 10, "00200080 (4)", "00A4040C (7)"),
        ((SELECT, QUERY + b"\0"), 10, "00200080 (4)", "00200080 (5)"),
        ((SELECT, QUERY, VERIFY), 12, "exclusive", "00200080 (9)"),
        ((SELECT[:-1] + b"\1",), 6, "00A4040C (7)", "00A4040C (7)"),
        ((b"",), 6, "00A4040C (7)", " (0)"),
    ],
)
def test_the_first_difference(
    sent: tuple[bytes, ...], line: int, expected: str, found: str
) -> None:
    connection = _connection()
    for apdu in sent[:-1]:
        connection.transmit(apdu)
    with pytest.raises(TranscriptError) as caught:
        connection.transmit(sent[-1])
    values = caught.value.values
    assert caught.value.code == "replay_differs"
    assert (values["line"], values["expected"], values["found"]) == (line, expected, found)


def test_no_data_in_the_error() -> None:
    connection = _connection()
    connection.transmit(SELECT)
    with pytest.raises(TranscriptError) as caught:
        connection.transmit(bytes.fromhex("0020008004") + b"8642")
    said = f"{caught.value} {caught.value!r} {caught.value.values}"
    assert b"8642".hex() not in said
    assert "8642" not in said


def test_a_difference_cannot_be_survived() -> None:
    """A job that takes the error for a card's and goes on must not end well."""
    connection = _connection()
    with pytest.raises(TranscriptError) as first:
        connection.transmit(READ)
    for again in (
        lambda: connection.transmit(SELECT),
        connection.power_off,
        connection.finish,
        lambda: connection.exclusive().__enter__(),
    ):
        with pytest.raises(TranscriptError) as later:
            again()
        assert later.value is first.value


@pytest.mark.parametrize("event", [ReplayConnection.power_off, lambda c: c.exclusive().__enter__()])
def test_events_have_their_place(event: Callable[[ReplayConnection], object]) -> None:
    connection = _connection()
    with pytest.raises(TranscriptError) as caught:
        event(connection)
    assert caught.value.values["expected"] == "00A4040C (7)"


def test_leaving_exclusive_access_at_another_place() -> None:
    connection = _connection()
    connection.transmit(SELECT)
    connection.transmit(QUERY)
    with connection.exclusive():
        pass
    with pytest.raises(TranscriptError) as caught:
        connection.finish()
    assert (caught.value.values["expected"], caught.value.values["found"]) == (
        "00200080 (9)", "shared",
    )  # fmt: skip


def test_more_than_was_recorded() -> None:
    connection = _connection(HEAD + "> 00200080\n< 63C3\n= end\n")
    connection.transmit(QUERY)
    with pytest.raises(TranscriptError) as caught:
        connection.transmit(QUERY)
    assert caught.value.values["expected"] == "-"


def test_less_than_was_recorded() -> None:
    connection = _connection()
    connection.transmit(SELECT)
    with pytest.raises(TranscriptError) as caught:
        connection.assert_finished()
    assert caught.value.code == "replay_left_over"
    assert (caught.value.values["line"], caught.value.values["n"]) == (10, 4)


def test_closed() -> None:
    connection = _connection()
    connection.close()
    for use in (lambda: connection.transmit(SELECT), connection.power_off):
        with pytest.raises(CardRemovedError):
            use()


def test_recorded_resets_and_errors() -> None:
    connection = _connection(
        HEAD + "> 00200080\n! card_reset\n= reset\n> 00200080\n! transport_timeout\n"
        "= power-off\n= reset\n= exclusive\n! reader_busy\n= end\n"
    )
    with pytest.raises(CardResetError):
        connection.transmit(QUERY)
    assert connection.resets == 1
    with pytest.raises(TransportTimeoutError):
        connection.transmit(QUERY)
    connection.power_off()
    assert connection.resets == 2
    with pytest.raises(ReaderBusyError), connection.exclusive():
        raise AssertionError("not entered")
    connection.finish()


def test_a_recorded_interruption() -> None:
    with pytest.raises(KeyboardInterrupt):
        _connection(HEAD + "> 00200080\n! interrupted\n= end\n").transmit(QUERY)


# Reading. ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        SAMPLE.replace("# origin: synthetic\n", ""),
        SAMPLE.replace("synthetic", "card"),
        SAMPLE.replace("origin: synthetic", "origin: synthetic, or nearly"),
        SAMPLE.replace("# origin: synthetic\n", "") + "# origin: synthetic\n",
        "# jpki-replay/1\n",
    ],
)  # fmt: skip
def test_only_synthetic_ones(text: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse_replay(text.encode())
    assert caught.value.code == "replay_origin"


def test_a_trace_is_not_replayed() -> None:
    with pytest.raises(TranscriptError) as caught:
        parse_replay(b"# jpki-trace/1\n# origin: synthetic\n")
    assert caught.value.code == "transcript_kind"


def test_cut_anywhere_it_is_refused() -> None:
    raw = SAMPLE.encode()
    for size in range(len(raw)):
        with pytest.raises(TranscriptError):
            parse_replay(raw[:size])
    parse_replay(raw)


@pytest.mark.parametrize(
    ("rest", "line", "reason"),
    [
        ("= end", 5, "truncated"),
        ("", 5, "truncated"),
        ("> 00200080\n", 6, "truncated"),
        ("> 00200080\n< 9000\n", 7, "truncated"),
        ("> 00200080\n= end\n", 7, "order"),
        ("> 00200080\n> 00200080\n= end\n", 7, "order"),
        ("< 9000\n= end\n", 6, "order"),
        ("> 00200080\n< 9000\n< 9000\n= end\n", 8, "order"),
        ("= end\n= end\n", 7, "order"),
        ("> 0020008\n< 9000\n= end\n", 6, "hex"),
        ("> 00200080 xyz\n< 9000\n= end\n", 6, "hex"),
        (">\n< 9000\n= end\n", 6, "hex"),
        ("> 00200080\n< 90\n= end\n", 7, "line"),
        ("> 00200080\n! no_such_error\n= end\n", 7, "line"),
        ("> 00200080\n! status_word\n= end\n", 7, "line"),
        ("= dance\n= end\n", 6, "line"),
        ("= open limits=1/0 atr= reader=x\n= end\n", 6, "line"),
        ("hello\n= end\n", 6, "line"),
    ],
)
def test_malformed(rest: str, line: int, reason: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse_replay((HEAD + rest).encode())
    assert caught.value.code == "transcript_malformed"
    assert (caught.value.values["line"], caught.value.values["reason"]) == (line, reason)


@pytest.mark.parametrize(
    "opening",
    ["= open", "= open limits=0/0 atr= reader=x", "= open limits=256/99999 atr= reader=x",
     "= open limits=256/0 atr=3 reader=x", f"= open limits=256/0 atr={'3B' * 34} reader=x",
     "= open limits=256/0 atr=3B00 reader=", "> 00200080"],
)  # fmt: skip
def test_malformed_opening(opening: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse_replay(f"# jpki-replay/1\n# origin: synthetic\n{opening}\n= end\n".encode())
    assert (caught.value.values["line"], caught.value.values["reason"]) == (3, "line")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(rest: bytes) -> None:
    for raw in (rest, HEAD.encode() + rest, HEAD.encode() + b"> " + rest + b"\n< 9000\n= end\n"):
        with contextlib.suppress(TranscriptError):  # and nothing else is raised
            assert parse_replay(raw).headers["origin"] == "synthetic"


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.binary(max_size=300),
                       st.integers(0, 0xFFFF)), max_size=5),
)  # fmt: skip
def test_written_and_read(exchanges: list[tuple[bytes, bytes, int]]) -> None:
    lines = [f"{Sent(apdu)}\n{Answer(data, StatusWord(sw))}\n" for apdu, data, sw in exchanges]
    connection = _connection(HEAD + "".join(lines) + "= end\n")
    for apdu, data, sw in exchanges:
        assert connection.transmit(apdu) == (data, sw)
    connection.finish()


@pytest.mark.parametrize(
    ("apdu", "text"),
    [
        ("00200080", "> 00200080"),
        ("00B0000000", "> 00B00000 00"),
        ("00A4040C023F00", "> 00A4040C 02 3F00"),
        ("802A008002AABB00", "> 802A0080 02 AABB 00"),
        ("00B00000000000", "> 00B00000 000000"),
        ("00D60000000002AABB", "> 00D60000 000002 AABB"),
        ("00D60000000002AABB0000", "> 00D60000 000002 AABB 0000"),
        ("00D6000005AABB", "> 00D6000005AABB"),
    ],
)
def test_commands_are_set_out_for_people(apdu: str, text: str) -> None:
    assert str(Sent(bytes.fromhex(apdu))) == text


def test_by_uri(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(SAMPLE)
    with readers.open_reader(f"replay:{tmp_path / 'r'}") as connection:
        assert connection.transmit(SELECT) == (b"", 0x9000)
    with pytest.raises(TranscriptError) as caught:
        readers.open_reader(f"replay:{tmp_path / 'none'}")
    assert caught.value.code == "transcript_file"
    assert read_replay(tmp_path / "r").path.endswith("/r")


def test_no_data_in_a_repr() -> None:
    replay = parse_replay(SAMPLE.encode())
    shown = f"{replay!r} {[step for _, step in replay.steps]!r}"
    for secret in (VERIFY, b"\xde\xad\xbe\xef"):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown.lower()
