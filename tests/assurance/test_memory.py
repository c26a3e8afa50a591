# SPDX-License-Identifier: Apache-2.0
"""What a program's memory still holds of a PIN once the command is over: nothing.

The command line runs in a process of its own, on a card in this one, and waits at the end;
then every page of its memory that can be read is searched, as a core dump would be.
pcsc-lite and pyscard, which keep copies of their own, are not part of it (SECURITY.md).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jpki.emulator import load_card
from jpki_apdu.vpcd import VpcdCardSide
from process_memory import memory
from secret_card import CARD, NEW, PINS
from vpcd_card import HOST, Serving

PROGRAM = """
import gc, sys
from jpki_cli.main import main
control = "".join(reversed(sys.argv.pop()))
try:
    main()
except SystemExit as end:
    code = end.code or 0
gc.collect()
print("over", code, file=sys.stderr, flush=True)
sys.stdin.readline()
"""
CONTROL = "this text is in memory"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def forms(text: str) -> list[bytes]:
    return [text.encode("ascii"), text.encode("utf-16-le"), text.encode("utf-32-le")]


@pytest.mark.parametrize(
    ("command", "lines", "code"),
    [
        ("pin check sign", [PINS["sign"]], 0),
        ("pin check sign", [NEW["sign"]], 4),
        ("pin change sign", [PINS["sign"], NEW["sign"]], 0),
        ("cert show sign", [PINS["sign"]], 0),
        ("sign DOCUMENT --as raw --key sign --out SIGNED", [PINS["sign"]], 0),
    ],
)
def test_no_pin_is_left(command: str, lines: list[str], code: int, tmp_path: Path) -> None:
    card_file, document = tmp_path / "card.toml", tmp_path / "document"
    card_file.write_text(CARD, encoding="utf-8")
    document.write_text("a document\n")
    port = free_port()
    side = VpcdCardSide(HOST, port, load_card(str(card_file)), connect_timeout=60)
    serving = Serving(side)
    words = command.replace("DOCUMENT", str(document)).replace("SIGNED", str(tmp_path / "signed"))
    inside, outside = os.pipe()
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words.split(), "--reader", f"vpcd:{HOST}:{port}",
         "--wait=60", "--pin-fd", str(inside), CONTROL[::-1]],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        pass_fds=(inside,), env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    try:
        os.write(outside, "".join(line + "\n" for line in lines).encode())
        os.close(outside)
        os.close(inside)
        assert program.stderr is not None
        said = next(line for line in program.stderr if line.startswith("over"))
        assert said == f"over {code}\n"
        held = memory(program.pid)
    finally:
        program.communicate("\n", timeout=30)
        serving.end()
    assert any(form in held for form in forms(CONTROL)), "the search finds nothing at all"
    left = [line for line in lines if any(form in held for form in forms(line))]
    assert left == []
