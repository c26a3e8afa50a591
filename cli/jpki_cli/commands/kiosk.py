# SPDX-License-Identifier: Apache-2.0
"""``jpki kiosk serve|half``: the terminal with its page, and the server half it asks."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jpki_cli import files
from jpki_cli.clicks import Seconds, UsageFault, command, option
from jpki_cli.maps import opened_map
from jpki_cli.options import PATH, validation_options
from jpki_cli.session import Session
from jpki_cli.texts import t
from jpki_cli.validation import Asked

if TYPE_CHECKING:
    from types import FrameType

    from jpki.kiosk.machine import Limits
    from jpki.kiosk.server.app import HalfOf, More
    from jpki.kiosk.shelter.half import Receipt
    from jpki.kiosk.shelter.notices import GatePlan
    from jpki.kiosk.shelter.office import ShelterOffice

_TOKEN_LIMIT = 4096  # bytes
_PORT = click.IntRange(0, 65535)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@command("serve")
@option("--demo", is_flag=True)
@option("--port", metavar="N", type=_PORT, default=8080)
@option("--db", metavar="URL")
@option("--server", metavar="URL")
@option("--token-file", metavar="F", type=PATH)
@option("--ca", metavar="F", type=PATH)
@option("--policy", metavar="PRESET|FILE", default="konbini")
@option("--flow", "flows", metavar="ID", multiple=True)
@option("--desk", metavar="DIR", type=PATH)
@option("--idle", metavar="S", type=Seconds(), default=60)
@option("--total", metavar="S", type=Seconds(), default=300)
@option("--left", metavar="S", type=Seconds(), default=10)
def serve(session: Session, demo: bool, port: int, **given: Any) -> None:
    from jpki.open_kiosk import listening

    session.trust_from_command_line()
    _check(session, demo, given)
    limits = _limits(**{name: given.pop(name) for name in ("idle", "total", "left")})
    # No page of a terminal is for others: it listens on loopback, whatever is asked for.
    with _until_stopped(session), listening("127.0.0.1", port) as listener:
        if demo:
            _demo(session, listener, limits, given)
        else:
            _terminal(session, listener, limits, given)


def _check(session: Session, demo: bool, given: dict[str, Any]) -> None:
    """What belongs together, and which flows that means.

    Raises UsageFault, MissingExtraError, InputFileError, TrustRootError.
    """
    from jpki.certificate.kinds import Environment
    from jpki.open import load_trust
    from jpki.open_flows import SHOWCASE
    from jpki.open_kiosk import demand_extra

    demand_extra()
    if demo and session.trust != "test":
        raise UsageFault("usage_kiosk_demo_trust")
    if demo and given["server"]:
        raise UsageFault("usage_kiosk_demo_server")
    if demo:
        given["flows"] = _flows(given["flows"], SHOWCASE)
        return
    if not (given["server"] and given["token_file"]):
        raise UsageFault("usage_kiosk_server")
    if not session.reader.startswith("pcsc:"):
        raise UsageFault("usage_kiosk_reader", reader=session.reader)
    if session.trust != Environment.TEST:
        load_trust(session.trust)  # what cannot be read is said now, not to the first person
    given["flows"] = _flows(given["flows"], ("konbini",))
    if "shelter" in given["flows"] and given["desk"] is None:
        raise UsageFault("usage_kiosk_desk")


def _limits(**seconds: float) -> Limits:
    """Raises UsageFault."""
    from jpki.kiosk.machine import Limits

    if not all(limit > 0 for limit in seconds.values()):
        raise UsageFault("usage_kiosk_limit")
    return Limits(**seconds)


@contextmanager
def _until_stopped(session: Session) -> Iterator[None]:
    """Ctrl-C and SIGTERM are an orderly end here, also before anything is served."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    # A browser that hangs on is cut off at the end; uvicorn's complaint is for --debug.
    if not session.given.get("debug"):
        logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    try:
        yield
    except KeyboardInterrupt:
        session.say(t("cli.kiosk_stopped"))
    finally:
        signal.signal(signal.SIGTERM, before)


def _demo(session: Session, listener: socket.socket, limits: Limits, given: dict[str, Any]) -> None:
    from jpki.open_bench import Demonstration

    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="jpki-demo-")))
        demo = opened.enter_context(
            Demonstration(
                session.reader, folder, given["policy"], url=given["db"], limits=limits,
                flows=given["flows"], synced=partial(_say_synced, session),
            )
        )  # fmt: skip
        demo.run(listener, lambda: _say_ready(session, listener, bench=True))


def _flows(asked: Sequence[str], otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """The flows that were asked for, each once; ``all`` stands for every one."""
    from jpki.open_flows import FLOWS

    return FLOWS if "all" in asked else tuple(dict.fromkeys(asked)) or otherwise


def _terminal(
    session: Session, listener: socket.socket, limits: Limits, given: dict[str, Any]
) -> None:
    from jpki.open_kiosk import reader_port, serve_terminal

    settings = {
        "server": given["server"],
        "token": _read_token(given["token_file"]),
        "ca": None if given["ca"] is None else str(given["ca"]),
        "policy": given["policy"],
        "flows": given["flows"],
        "trust": session.trust,
        "desk": str(given["desk"] or ""),
    }
    serve_terminal(
        reader_port(session.reader),
        lambda: settings,
        listener,
        test=session.trust == "test",
        limits=limits,
        synced=partial(_say_synced, session),
        ready=lambda _: _say_ready(session, listener, bench=False),
    )


def _say_ready(session: Session, listener: socket.socket, *, bench: bool) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    if session.json:
        session.emit(
            {
                "schema": "jpki.kiosk_serve/1",
                "url": url,
                "bench": f"{url}bench" if bench else None,
                "check": f"{url}check" if bench else None,
                "test": session.trust == "test",
            }
        )
        return
    screen = session.screen()
    screen.line(t("cli.kiosk_ready", url=url))
    if bench:
        screen.line(t("cli.kiosk_bench", url=f"{url}bench"))
        screen.line(t("cli.kiosk_check", url=f"{url}check"))
    screen.line(t("cli.kiosk_stop"))


def _say_synced(session: Session, receipts: Sequence[Receipt]) -> None:
    """How many were decided that had waited, and for how many the paper list is needed."""
    from jpki.kiosk.shelter.half import Outcome

    paper = sum(each.outcome in (Outcome.EXPIRED, Outcome.CONFLICT) for each in receipts)
    session.say(t("cli.kiosk_synced", count=len(receipts), paper=paper))


@command("token")
@option("--out", metavar="F", type=PATH, required=True)
@option("--force", is_flag=True)
def token(session: Session, out: Path, force: bool) -> None:
    files.check_target(out, force=force)
    files.write_whole(out, secrets.token_urlsafe(32).encode() + b"\n", private=True, force=force)
    if session.json:
        session.emit({"schema": "jpki.kiosk_token/1", "file": str(out)})
        return
    session.screen().line(t("cli.kiosk_token_made", path=str(out)))


@command("half")
@option("--demo", is_flag=True)
@option("--terminal", "terminals", metavar="NAME=F", multiple=True, required=True)
@option("--port", metavar="N", type=_PORT, default=8443)
@option("--host", metavar="ADDRESS", default="127.0.0.1")
@option("--tls-cert", metavar="F", type=PATH)
@option("--tls-key", metavar="F", type=PATH)
@option("--db", metavar="URL")
@option("--key-file", metavar="FILE|URI")
@option("--pin-fd", metavar="N", type=click.INT)
@option("--policy", metavar="PRESET|FILE", default="konbini")
@option("--shelter", metavar="F", type=PATH)
@option("--gate", "gates", metavar="NAME=TEXT", multiple=True)
@option("--notify", metavar="PROGRAM", type=PATH)
@validation_options
def half(
    session: Session, demo: bool, terminals: tuple[str, ...], host: str, port: int, **given: Any
) -> None:
    from jpki.open_kiosk import demand_extra, serve_half

    session.trust_from_command_line()
    demand_extra()
    tls = _tls(host, given.pop("tls_cert"), given.pop("tls_key"))
    names, office = dict(map(_named, terminals)), _office(given.pop("shelter"))
    plan = _plan(given.pop("gates"), given.pop("notify"), names.values())
    with _until_stopped(session), ExitStack() as opened:
        if not demo and given["key_file"] is None:
            raise UsageFault("usage_missing", option="--key-file")
        serving = _demo_town if demo else _own_map
        half_of, more = opened.enter_context(serving(session, given, office, plan))
        ready = partial(_say_half, session)
        serve_half(half_of, names, (host, port), tls, ready, more)


def _office(path: Path | None) -> ShelterOffice | None:
    """The desks of a shelter, where there are any. Raises ConfigurationError."""
    from jpki.kiosk.shelter.office import read_office

    return None if path is None else read_office(path)


def _plan(gates: Sequence[str], notify: Path | None, terminals: Collection[str]) -> GatePlan | None:
    """The gates of a school, where there are any. Raises UsageFault."""
    from jpki.kiosk.shelter.notices import GatePlan, ProgramNotifier

    if not gates and notify is None:
        return None
    if not gates or notify is None:
        raise UsageFault("usage_kiosk_notify")
    if not os.access(notify, os.X_OK) or notify.is_dir():
        raise UsageFault("usage_kiosk_program", path=str(notify))
    places = dict(map(_gate, gates))
    for name in places:
        if name not in terminals:
            raise UsageFault("usage_kiosk_gate_terminal", name=name)
    return GatePlan(places, ProgramNotifier(notify.resolve()))


def _gate(line: str) -> tuple[str, str]:
    """``NAME=TEXT``: terminal and place. Raises UsageFault."""
    name, _, place = line.partition("=")
    if not name or not place.strip():
        raise UsageFault("usage_kiosk_gate")
    return name, place.strip()


def _tls(host: str, certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    """Certificate and key. Without them nothing leaves this machine. Raises UsageFault."""
    if certificate is not None and key is not None:
        return certificate, key
    if certificate is not None or key is not None:
        raise UsageFault("usage_kiosk_tls")
    if host not in _LOOPBACK:
        raise UsageFault("usage_kiosk_plain")
    return None


Serving = tuple["HalfOf", "Mapping[str, More]"]
"""The server half for a terminal, and what is done under further paths."""


@contextmanager
def _demo_town(
    session: Session, given: dict[str, Any], office: ShelterOffice | None, plan: GatePlan | None
) -> Iterator[Serving]:
    """Invented people behind the server half. Raises UsageFault."""
    from jpki.open_bench import Demonstration

    if session.trust != "test":
        raise UsageFault("usage_kiosk_demo_trust")
    with (
        tempfile.TemporaryDirectory(prefix="jpki-demo-") as folder,
        Demonstration("virtual:", Path(folder), given["policy"], url=given["db"]) as demo,
    ):
        yield demo.town.half, demo.shelter_works(office, plan)


@contextmanager
def _own_map(
    session: Session, given: dict[str, Any], office: ShelterOffice | None, plan: GatePlan | None
) -> Iterator[Serving]:
    """The map alone: documents come from the operator's own register, in Python."""
    from jpki.kiosk.server.local import LocalServer
    from jpki.kiosk.server.tickets import TicketDesk
    from jpki.open_shelter import open_routes

    asked, tickets = Asked.from_options({"at": None, **given}), TicketDesk()
    place = {name: given[name] for name in ("db", "key_file", "policy", "pin_fd")}
    with opened_map(session, place, asked, lasting=True) as table:

        def half_of(name: str) -> LocalServer:
            return LocalServer(table, terminal=name, origin=f"kiosk:{name}", tickets=tickets)

        with open_routes(table, office, plan) as routes:
            yield half_of, routes.works()


def _named(line: str) -> tuple[str, str]:
    """``NAME=FILE``: token and actor. Raises UsageFault."""
    name, _, path = line.partition("=")
    if not name or not path:
        raise UsageFault("usage_kiosk_terminal")
    return _read_token(Path(path)), name


def _read_token(path: Path) -> str:
    """Raises UsageFault, InputFileError."""
    from jpki.kiosk.server.terminals import TOKEN_SIZE

    token = files.read_input(path, limit=_TOKEN_LIMIT).decode("ascii", "replace").strip()
    if len(token) < TOKEN_SIZE or not token.isascii() or not token.isprintable():
        raise UsageFault("usage_kiosk_token")
    return token


def _say_half(session: Session, url: str) -> None:
    if session.json:
        session.emit({"schema": "jpki.kiosk_half/1", "url": url})
        return
    session.screen().line(t("cli.kiosk_half_ready", url=url))
