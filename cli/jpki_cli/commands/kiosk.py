# SPDX-License-Identifier: Apache-2.0
"""``jpki kiosk serve|half``: the terminal with its page, and the server half it asks."""

from __future__ import annotations

import logging
import secrets
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
    from jpki.kiosk.server.app import HalfOf
    from jpki.mapping.service import Map

_TOKEN_LIMIT = 4096  # bytes
_PORT = click.IntRange(0, 65535)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
FLOWS = ("konbini",)


@command("serve")
@option("--demo", is_flag=True)
@option("--port", metavar="N", type=_PORT, default=8080)
@option("--db", metavar="URL")
@option("--server", metavar="URL")
@option("--token-file", metavar="F", type=PATH)
@option("--ca", metavar="F", type=PATH)
@option("--policy", metavar="PRESET|FILE", default="konbini")
@option("--flow", "flows", metavar="ID", multiple=True, default=FLOWS)
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
    """What belongs together. Raises UsageFault, MissingExtraError."""
    from jpki.open_kiosk import demand_extra

    demand_extra()
    if demo and session.trust != "test":
        raise UsageFault("usage_kiosk_demo_trust")
    if demo and given["server"]:
        raise UsageFault("usage_kiosk_demo_server")
    if not demo and not (given["server"] and given["token_file"]):
        raise UsageFault("usage_kiosk_server")


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
                flows=_flows(given["flows"]),
            )
        )  # fmt: skip
        demo.run(listener, lambda: _say_ready(session, listener, bench=True))


def _flows(asked: Sequence[str]) -> tuple[str, ...]:
    """The flows that were asked for, each once; ``all`` stands for every one."""
    from jpki.open_flows import ACTORS

    return tuple(ACTORS) if "all" in asked else tuple(dict.fromkeys(asked))


def _terminal(
    session: Session, listener: socket.socket, limits: Limits, given: dict[str, Any]
) -> None:
    from jpki.open_kiosk import reader_port, serve_terminal

    settings = {
        "server": given["server"],
        "token": _read_token(given["token_file"]),
        "ca": None if given["ca"] is None else str(given["ca"]),
        "policy": given["policy"],
        "flows": _flows(given["flows"]),
        "trust": session.trust,
    }
    serve_terminal(
        reader_port(session.reader),
        lambda: settings,
        listener,
        test=session.trust == "test",
        limits=limits,
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
@validation_options
def half(
    session: Session, demo: bool, terminals: tuple[str, ...], host: str, port: int, **given: Any
) -> None:
    from jpki.open_kiosk import demand_extra, serve_half

    session.trust_from_command_line()
    demand_extra()
    tls = _tls(host, given.pop("tls_cert"), given.pop("tls_key"))
    names = dict(map(_named, terminals))
    with _until_stopped(session), ExitStack() as opened:
        if demo:
            half_of = opened.enter_context(_demo_town(session, given))
        elif given["key_file"] is None:
            raise UsageFault("usage_missing", option="--key-file")
        else:
            asked = Asked.from_options({"at": None, **given})
            given = {name: given[name] for name in ("db", "key_file", "policy", "pin_fd")}
            half_of = _without_office(
                opened.enter_context(opened_map(session, given, asked, lasting=True))
            )
        serve_half(half_of, names, (host, port), tls, lambda url: _say_half(session, url))


def _tls(host: str, certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    """Certificate and key. Without them nothing leaves this machine. Raises UsageFault."""
    if certificate is not None and key is not None:
        return certificate, key
    if certificate is not None or key is not None:
        raise UsageFault("usage_kiosk_tls")
    if host not in _LOOPBACK:
        raise UsageFault("usage_kiosk_plain")
    return None


@contextmanager
def _demo_town(session: Session, given: dict[str, Any]) -> Iterator[HalfOf]:
    """Invented people behind the server half. Raises UsageFault."""
    from jpki.open_bench import Demonstration

    if session.trust != "test":
        raise UsageFault("usage_kiosk_demo_trust")
    with (
        tempfile.TemporaryDirectory(prefix="jpki-demo-") as folder,
        Demonstration("virtual:", Path(folder), given["policy"], url=given["db"]) as demo,
    ):
        yield demo.town.half


def _without_office(table: Map) -> HalfOf:
    """The map alone: documents come from the operator's own register, in Python."""
    from jpki.kiosk.server.local import LocalServer
    from jpki.kiosk.server.tickets import TicketDesk

    tickets = TicketDesk()
    return lambda name: LocalServer(table, terminal=name, origin=f"kiosk:{name}", tickets=tickets)


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
