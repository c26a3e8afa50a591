# SPDX-License-Identifier: Apache-2.0
"""The trace format: what is written is read, what is cut or wrong is told apart, and comparing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpki_apdu import transcript
from jpki_apdu.errors import TranscriptError
from jpki_apdu.transcript import (
    REPLAY,
    TRACE,
    Command,
    Entry,
    Event,
    Failure,
    Reply,
    Trace,
    compare,
    parse_text,
    parse_trace,
    read_text,
    read_trace,
)

SAMPLE = """\
# jpki-trace/1
# data: none
# tool: jpki 0.1.0
0.000012 1 = open limits=256/65536 atr=13 reader=Some Reader 00 00
0.000134 1 > 00A4040C lc=10 le=- select=jpki
0.000171 1 < len=0 sw=9000
# a note of somebody

0.000200 1 > 00B00000 ext lc=0 le=65536
0.000900 1 < len=1651 sw=9000
0.001000 1 > 00200080 lc=* le=-
1.000000 1 ! card_removed
1.000001 1 > 0020 bytes=2
1.000002 1 = close
1.000003 0 = end
"""


def test_a_trace_is_read() -> None:
    trace = parse_trace(SAMPLE.encode())
    assert trace.headers == {"data": "none", "tool": "jpki 0.1.0"}
    assert trace.complete
    assert trace.commands == 4
    assert [entry.line for entry in trace.entries] == [4, 5, 6, 9, 10, 11, 12, 13, 14, 15]
    assert [entry.step for entry in trace.entries] == [
        Event("open"),
        Command(bytes.fromhex("00A4040C"), 10, select="jpki"),
        Reply(0, 0x9000),
        Command(bytes.fromhex("00B00000"), 0, 65536, True),
        Reply(1651, 0x9000),
        Command(bytes.fromhex("00200080"), None),
        Failure("card_removed"),
        Command(bytes.fromhex("0020"), size=2),
        Event("close"),
        Event("end"),
    ]
    assert trace.entries[6].time == 1_000_000
    assert trace.entries[-1].connection == 0


def test_what_is_read_is_written_the_same() -> None:
    lines = [line for line in SAMPLE.splitlines() if line and not line.startswith("#")]
    assert [str(entry) for entry in parse_trace(SAMPLE.encode()).entries] == lines


def test_line_ends_of_windows() -> None:
    other = parse_trace(SAMPLE.replace("\n", "\r\n").encode())
    assert other == parse_trace(SAMPLE.encode())


def test_cut_anywhere_it_is_read_as_far_as_it_goes() -> None:
    """What a crash leaves. Before the format is told, it is no transcript."""
    raw = SAMPLE.encode()
    whole = parse_trace(raw).entries
    for size in range(len(raw)):
        if size < len(f"# {TRACE}"):
            with pytest.raises(TranscriptError) as caught:
                parse_trace(raw[:size])
            assert caught.value.values["reason"] == "not_a_transcript"
            continue
        trace = parse_trace(raw[:size])
        assert not trace.complete
        assert trace.entries == whole[: len(trace.entries)]
    assert len(trace.entries) == len(whole) - 1


GOOD = b"# jpki-trace/1\n"


@pytest.mark.parametrize(
    ("raw", "line", "reason"),
    [
        (b"", 1, "not_a_transcript"),
        (b"\n# jpki-trace/1\n", 1, "not_a_transcript"),
        (b"jpki-trace/1\n", 1, "not_a_transcript"),
        (b"# jpki-trace/2\n", 1, "version"),
        (b"# jpki-trace/01\n", 1, "version"),
        (b"# jpki-trace/99999\n", 1, "not_a_transcript"),
        (GOOD + b"# x: \xff\n", 2, "encoding"),
        (GOOD + b"0.000001 1 = open\n\xc3\n", 3, "encoding"),
        (GOOD + b"hello\n", 2, "line"),
        (GOOD + b"0.1 1 = open\n", 2, "line"),
        (GOOD + b"0.000001 1 ? open\n", 2, "line"),
        (GOOD + b"0.000001 = open\n", 2, "line"),
        (GOOD + b"0.000001 1 > 00A4040C lc=-1 le=-\n", 2, "line"),
        (GOOD + b"0.000001 1 > 00A4040C lc=1\n", 2, "line"),
        (GOOD + b"0.000001 1 > 00A4040C0A lc=1 le=-\n", 2, "line"),
        (GOOD + b"0.000001 1 > 00A4040 lc=1 le=-\n", 2, "line"),
        (GOOD + b"0.000001 1 > 00a4040c lc=1 le=-\n", 2, "line"),
        (GOOD + b"0.000001 1 > 00A4040C lc=1 le=- D392F0\n", 2, "line"),
        (GOOD + b"0.000001 1 > 00B00000 lc=0 le=1\n0.000002 1 < len=1 sw=900\n", 3, "line"),
        (GOOD + b"0.000001 1 > 00B00000 lc=0 le=1\n0.000002 1 < AB 9000\n", 3, "line"),
        (GOOD + b"0.000001 1 < len=1 sw=9000\n", 2, "order"),
        (GOOD + b"0.000001 1 > 00B00000 lc=0 le=1\n0.000002 2 < len=1 sw=9000\n", 3, "order"),
        (GOOD + b"0.000001 0 = end\n0.000002 1 = close\n", 3, "line"),
    ],
)
def test_malformed(raw: bytes, line: int, reason: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse_trace(raw)
    assert caught.value.code == "transcript_malformed"
    assert (caught.value.values["line"], caught.value.values["reason"]) == (line, reason)


def test_the_other_format_is_named() -> None:
    with pytest.raises(TranscriptError) as caught:
        parse_text(b"# jpki-replay/1\n", TRACE)
    assert caught.value.code == "transcript_kind"
    with pytest.raises(TranscriptError) as caught:
        parse_text(GOOD, REPLAY)
    assert caught.value.values["found"] == "jpki-trace"


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, reason in ((tmp_path / "none", "not_found"), (tmp_path, "is_a_folder")):
        with pytest.raises(TranscriptError) as caught:
            read_trace(path)
        assert (caught.value.code, caught.value.values["reason"]) == ("transcript_file", reason)
    monkeypatch.setattr(transcript, "MAX_FILE", 20)
    (tmp_path / "big").write_bytes(GOOD + b"# data: none\n")
    with pytest.raises(TranscriptError) as caught:
        read_text(tmp_path / "big", TRACE)
    assert caught.value.values["reason"] == "too_large"


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(rest: bytes) -> None:
    for raw in (rest, GOOD + rest, GOOD + b"0.000001 1 > " + rest):
        with contextlib.suppress(TranscriptError):  # and nothing else is raised
            assert len(parse_trace(raw).entries) <= raw.count(b"\n")


HEADERS = st.binary(min_size=4, max_size=4)
COMMANDS = st.builds(
    Command,
    HEADERS,
    st.none() | st.integers(0, 65535),
    st.none() | st.integers(1, 65536),
    st.booleans(),
    st.sampled_from(["", "jpki", "?", "0018"]),
) | st.builds(lambda head, size: Command(head, size=size), HEADERS, st.integers(4, 70000))


@given(
    st.lists(
        COMMANDS
        | st.builds(Failure, st.sampled_from(["card_removed", "interrupted"]))
        | st.builds(Event, st.sampled_from(["reset", "close"])),
        max_size=20,
    ),
    st.lists(st.integers(0, 10**12), min_size=20, max_size=20),
)
def test_written_and_read(steps: list[Command | Failure | Event], times: list[int]) -> None:
    entries = [
        Entry(number, time, 1, step)
        for number, (step, time) in enumerate(zip(steps, times, strict=False), 2)
    ]
    raw = GOOD + "".join(f"{entry}\n" for entry in entries).encode()
    assert list(parse_trace(raw).entries) == entries


# comparing ----------------------------------------------------------------------------


def _trace(*lines: str) -> Trace:
    text = "".join(f"0.{number:06d} {line}\n" for number, line in enumerate(lines))
    return parse_trace(GOOD + text.encode())


SELECT = ("1 > 00A4040C lc=10 le=- select=jpki", "1 < len=0 sw=9000")
FIRST = ("1 > 00B08A00 lc=0 le=256", "1 < len=256 sw=9000")
REST = ("1 > 00B00100 ext lc=0 le=1395", "1 < len=1395 sw=9000")
PIECES = ("1 > 00B00100 lc=0 le=128", "1 < len=128 sw=9000", "1 > 00B00180 lc=0 le=128",
          "1 < len=60 sw=6282")  # fmt: skip


def test_time_and_reader_do_not_count() -> None:
    one = _trace("1 = open limits=256/0 atr=13 reader=A", *SELECT, "0 = end")
    other = _trace("1 = open limits=250/0 atr=20 reader=B", *SELECT)
    slower = Trace({}, tuple(Entry(e.line, e.time * 9, 1, e.step) for e in other.entries), True)
    assert compare(one, other) is None
    assert compare(one, slower) is None


@pytest.mark.parametrize(
    ("left", "right", "shown"),
    [
        (SELECT, SELECT[:1], "- line 3: < len=0 sw=9000\n+ nothing more"),
        ((), SELECT, "- nothing more\n+ line 2: > 00A4040C lc=10 le=- select=jpki"),
        (SELECT, (SELECT[0], "1 < len=0 sw=6A82"),
         "- line 3: < len=0 sw=9000\n+ line 3: < len=0 sw=6A82"),
        (SELECT, (SELECT[0], "1 ! card_removed"),
         "- line 3: < len=0 sw=9000\n+ line 3: ! card_removed"),
        (SELECT, ("1 > 00A4040C lc=10 le=- select=text", SELECT[1]),
         "- line 2: > 00A4040C lc=10 le=- select=jpki\n"
         "+ line 2: > 00A4040C lc=10 le=- select=text"),
        (("1 = exclusive",), ("1 = shared",), "- line 2: = exclusive\n+ line 2: = shared"),
        (SELECT, ("2 > 00A4040C lc=10 le=- select=jpki",),
         "- line 2: > 00A4040C lc=10 le=- select=jpki\n"
         "+ line 2: > 00A4040C lc=10 le=- select=jpki"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lengths", [True, False])
def test_first_difference(
    left: tuple[str, ...], right: tuple[str, ...], shown: str, lengths: bool
) -> None:
    difference = compare(_trace(*left), _trace(*right), lengths=lengths)
    assert difference is not None
    assert str(difference) == shown


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((*FIRST, *REST), (*FIRST, *PIECES)),
        ((*FIRST, *REST), FIRST),
        (FIRST, ("1 > 00B08A00 lc=0 le=100", "1 < len=80 sw=9000")),
        (("1 > 00CA7F21 lc=0 le=256", "1 < len=0 sw=6C80"),
         ("1 > 00CA7F21 lc=0 le=256", "1 < len=0 sw=6C90")),
        (("1 > 00CA7F21 lc=0 le=256", "1 < len=9 sw=6110", "1 > 00C00000 lc=0 le=16",
          "1 < len=16 sw=9000"),
         ("1 > 00CA7F21 lc=0 le=256", "1 < len=9 sw=6120", "1 > 00C00000 lc=0 le=16",
          "1 < len=16 sw=6110", "1 > 00C00000 lc=0 le=16", "1 < len=16 sw=9000")),
    ],
)  # fmt: skip
def test_sizes_of_what_a_card_holds(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert compare(_trace(*left), _trace(*right)) is not None
    assert compare(_trace(*left), _trace(*right), lengths=False) is None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((*FIRST, *REST), (*FIRST, REST[0], "1 < len=0 sw=6700")),
        ((*FIRST, *REST), (*FIRST, REST[0], "1 ! malformed_response")),
        ((*FIRST, *REST), (*FIRST, REST[0], "1 < len=0 sw=9000")),
        (FIRST, (FIRST[0], "1 < len=0 sw=9000")),
        (FIRST, ("1 > 00B00000 lc=0 le=256", FIRST[1])),
        (FIRST, ("1 > 00B08A00 ext lc=0 le=256", FIRST[1])),
        (FIRST, ("1 > 00B08A00 lc=0 le=-", FIRST[1])),
        (("1 > 00200098 lc=0 le=-", "1 < len=0 sw=63C3"),
         ("1 > 00200098 lc=0 le=-", "1 < len=0 sw=63C2")),
        (("1 > 00200098 lc=0 le=-",), ("1 > 00200098 lc=* le=-",)),
    ],
)  # fmt: skip
def test_what_counts_even_so(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert compare(_trace(*left), _trace(*right), lengths=False) is not None
