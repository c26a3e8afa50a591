# SPDX-License-Identifier: Apache-2.0
"""``jpki emulate``: an emulated card in pcscd's virtual reader, or its PINs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

from jpki_cli.clicks import Moment, OneOf, UsageFault, command, option
from jpki_cli.completions import cards
from jpki_cli.options import PATH
from jpki_cli.session import Session
from jpki_cli.texts import t


@command("emulate")
@option("--card", "card", metavar="FILE|NAME", required=True, shell_complete=cards)
@option("--vpcd", metavar="HOST:PORT", default="127.0.0.1:35963")
@option("--state", metavar="F", type=PATH)
@option("--at", metavar="TIME", type=Moment())
@option("faults", "--fault", metavar="SPEC", multiple=True)
@option("--timing", metavar="LINK", type=OneOf("contact", "106", "212", "424", "848"))
@option("--show-pins", is_flag=True)
def emulate(
    session: Session,
    card: str,
    vpcd: str,
    state: Path | None,
    at: datetime | None,
    faults: tuple[str, ...],
    timing: str | None,
    show_pins: bool,
) -> None:
    from jpki.open import emulated_card

    host, port = _address(vpcd)
    emulated = emulated_card(card, at=at, state_file=state, faults=faults, timing=timing)
    for fault in emulated.faults:
        if fault.kind.in_process_only:
            raise UsageFault("fault_in_process", kind=str(fault.kind))
    if show_pins:
        _show_pins(session, emulated.name, emulated.pins())
        return
    from jpki_apdu.vpcd import VpcdCardSide

    with _until_stopped() as stop:
        side = VpcdCardSide(host, port, emulated)
        try:
            side.connect(stop)
            session.say(t("cli.emulating", card=emulated.name, where=vpcd))
            side.serve(stop)
        finally:
            side.close()
    if session.json:
        told = {"card": emulated.name, "apdus": emulated.apdus}
        session.emit({"schema": "jpki.emulate/1", "test": True, **told})
    else:
        session.say(t("cli.emulated", n=emulated.apdus))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageFault("usage_vpcd")
    return host.strip("[]"), int(port)


def _show_pins(session: Session, name: str, pins: dict[str, str]) -> None:
    if session.json:
        session.emit({"schema": "jpki.emulate_pins/1", "test": True, "card": name, "pins": pins})
        return
    screen = session.screen()
    screen.line((t("cli.test_card"), "test"), f"  {name}")
    screen.table(list(pins.items()))


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set: both are an orderly end here."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
