# SPDX-License-Identifier: Apache-2.0
"""A pcscd of our own: private socket, private reader configuration, its own pair of ports.

pcscd takes its socket by socket activation (fd 3, LISTEN_FDS, LISTEN_PID): its own path is
compiled in. So any number run at once and none touches the system's, without systemd, dbus
or root. Source: [obs pcscd 1.9.9, vpcd 3.3].
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jpki.testing.pcscd_state import PcscdState
from jpki_apdu.errors import TransportError

READERS = ("Virtual PCD 00 00", "Virtual PCD 00 01")
RUN_FOLDER = Path("/run/pcscd")
PCSCD_PATHS = ("/usr/sbin/pcscd", "/usr/local/sbin/pcscd", "/usr/bin/pcscd")
DRIVER_PATHS = tuple(
    f"{folder}/pcsc/drivers/serial/libifdvpcd.so"
    for folder in ("/usr/lib", "/usr/lib64", "/usr/local/lib")
)

_CONFIGURATION = """FRIENDLYNAME "Virtual PCD"
DEVICENAME   /dev/null:{port}
LIBPATH      {driver}
CHANNELID    {port}
"""
# The socket comes as standard input, is moved to fd 3 where a daemon looks for it, and
# LISTEN_PID has to be the daemon's own pid: hence exec.
_ACTIVATE = 'exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
_READY = "daemon ready"
_REFUSALS = ("Could not initialize connection to virtual ICC", "Open Port")
_POLL = 0.004
_LET_GO = 1.0
_TRIES = 5


class VirtualReaderError(TransportError):
    """The virtual reader cannot be had, or does not do what it should. ``install``: what helps."""

    default_code = "virtual_reader"


class PrivatePcscd:
    """One private pcscd with the virtual reader's two slots. ``start`` it before use.

    ``folder``: socket, configuration and log; gone after ``close``. ``port``: the first
    slot's; the second has the next. ``timeout``: limit of every wait (seconds).
    """

    def __init__(
        self, *, timeout: float = 5.0, pcscd: str | None = None, driver: str | None = None
    ) -> None:
        self.timeout = timeout
        self._pcscd = pcscd or _first(PCSCD_PATHS) or shutil.which("pcscd") or PCSCD_PATHS[0]
        self._driver = driver or _first(DRIVER_PATHS) or DRIVER_PATHS[0]
        self._require()
        self.folder = _short_folder()
        self.port = 0
        self._lock: socket.socket | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._mark = 0
        self._early: set[int] = set()

    @property
    def socket_path(self) -> Path:
        """The clients' PCSCLITE_CSOCK_NAME."""
        return self.folder / "comm"

    @property
    def running(self) -> bool:
        """Whether the daemon lives."""
        return self._daemon is not None and self._daemon.poll() is None

    @property
    def pid(self) -> int:
        """The daemon's process id. Raises VirtualReaderError if it was never started."""
        if self._daemon is None:
            raise VirtualReaderError("virtual_reader_stopped")
        return self._daemon.pid

    def _require(self) -> None:
        """Everything it needs, before anything is started. Raises VirtualReaderError."""
        for program, path in (("pcscd", self._pcscd), ("vsmartcard-vpcd", self._driver)):
            if not Path(path).exists():
                raise VirtualReaderError(
                    "virtual_reader_missing", program=program, path=path, install=install_line()
                )
        if os.geteuid() != 0 and not RUN_FOLDER.is_dir():
            # pcscd leaves its pid there, also when its socket is elsewhere.
            raise VirtualReaderError(
                "virtual_reader_folder", path=RUN_FOLDER, install=f"sudo mkdir -p {RUN_FOLDER}"
            )

    def start(self) -> None:
        """Start the daemon and wait until both slots are there. Raises VirtualReaderError."""
        for _ in range(_TRIES):
            if self.port == 0:
                self._reserve()
            self._spawn()
            self.wait(lambda: self._started() is not None, "virtual_reader_start")
            if self._started():
                return
            # Somebody else took a port after we looked: another pair, another try.
            last_words = self.last_words()
            self.stop()
            self._release()
        raise VirtualReaderError("virtual_reader_start", seconds=self.timeout, log=last_words)

    def _started(self) -> bool | None:
        """True: both slots are there. False: it gave up. None: not known yet."""
        text = self.log_since_start()
        if any(words in text for words in _REFUSALS) or not self.running:
            return False
        return True if _READY in text else None

    def _spawn(self) -> None:
        configuration = self.folder / "reader.conf.d"
        configuration.mkdir(exist_ok=True)
        (configuration / "vpcd").write_text(
            _CONFIGURATION.format(port=self.port, driver=self._driver), "ascii"
        )
        self.socket_path.unlink(missing_ok=True)
        log = self.folder / "pcscd.log"
        log.touch()
        self._mark = log.stat().st_size
        self._early.clear()
        options = ["-f", "-i", "-c", str(configuration), *_more_options(self._pcscd)]
        with socket.socket(socket.AF_UNIX) as listener, log.open("ab") as out:
            listener.bind(str(self.socket_path))
            listener.listen(16)
            self._daemon = subprocess.Popen(  # noqa: S603 - the program is the caller's choice
                ["/bin/sh", "-c", _ACTIVATE, "sh", self._pcscd, *options],
                stdin=listener.fileno(),
                stdout=out,
                stderr=subprocess.STDOUT,
                # A Ctrl-C meant for the tests must not end the daemon before they let it go.
                start_new_session=True,
            )

    def _reserve(self) -> None:
        """A pair of ports that is free, and that no other bed of ours is about to take."""
        chance = random.SystemRandom()  # a seeded test run must not choose the same everywhere
        for _ in range(200):
            port = chance.randrange(20000, 32000, 2)
            lock = socket.socket(socket.AF_UNIX)
            try:
                lock.bind(f"\0jpki-virtual-reader-{port}")
                _require_free(port)
            except OSError:
                lock.close()
                continue
            self.port, self._lock = port, lock
            return
        raise VirtualReaderError("virtual_reader_ports")

    def _release(self) -> None:
        self.port = 0
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def log(self) -> str:
        """All it has written. It is never run with the option that logs commands."""
        path = self.folder / "pcscd.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def log_since_start(self) -> str:
        """What it has written since it was last started."""
        with (self.folder / "pcscd.log").open("rb") as file:
            file.seek(self._mark)
            return file.read().decode("utf-8", "replace")

    def last_words(self) -> str:
        """The last lines of the log, in one."""
        return " | ".join(self.log().splitlines()[-4:])

    def wait(self, done: Callable[[], bool], code: str, **values: object) -> None:
        """Until ``done()``. Raises VirtualReaderError ``code`` after ``timeout`` seconds."""
        deadline = time.monotonic() + self.timeout
        while not done():
            if time.monotonic() > deadline:
                raise VirtualReaderError(
                    code, seconds=self.timeout, log=self.last_words(), **values
                )
            time.sleep(_POLL)

    def sees_card(self, slot: int, *, linked: bool = True) -> bool:
        """Whether pcscd holds that a card is in the slot, by its log; it polls every 0.4 s.

        ``linked``: whether a card's link to this slot is up. A card that is there before the
        first poll gets a line with its ATR and no line that names the slot.
        """
        text, name = self.log_since_start(), READERS[slot]
        inserted = text.rfind(f"Card inserted into {name}")
        removed = text.rfind(f"Card Removed From {name}")
        if inserted != removed:
            return inserted > removed
        lines = text.splitlines()
        nameless = sum(
            "Card ATR:" in line and "Card inserted into" not in before
            for before, line in zip(["", *lines], lines, strict=False)
        )
        if linked and nameless > len(self._early - {slot}):
            self._early.add(slot)
        return slot in self._early

    def wait_until_unused(self, slot: int) -> None:
        """Until no program has a handle on the slot, or a second is over.

        Whoever still holds the card that left may cut the power of the next one, which pcscd
        then takes for present before it has looked, and powers once more when it does: under
        the hands of whoever has opened it by then [PCSC src/eventhandler.c], [obs vpcd bed].
        """
        until = time.monotonic() + _LET_GO
        with (
            contextlib.suppress(OSError),
            contextlib.closing(PcscdState(self.socket_path, self.timeout)) as state,
        ):
            while state.in_use(READERS[slot]) and time.monotonic() < until:
                time.sleep(_POLL)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; at once if it does not go within two seconds."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        daemon = self._daemon
        if daemon is None or daemon.poll() is not None:
            return
        daemon.send_signal(number)
        try:
            daemon.wait(2)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(2)

    def close(self) -> None:
        """End it and remove its folder. Harmless when repeated."""
        self._end(signal.SIGTERM)
        self._release()
        shutil.rmtree(self.folder, ignore_errors=True)


def install_line() -> str:
    """The line that installs pcscd and the virtual reader here."""
    if shutil.which("apt-get"):
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"{sudo}apt-get install -y pcscd vsmartcard-vpcd"
    return "the packages that Debian calls pcscd and vsmartcard-vpcd"


@functools.cache
def _more_options(pcscd: str) -> tuple[str, ...]:
    """A pcscd built with polkit asks it about every client; here there may be no dbus."""
    argv = [pcscd, "--help"]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=1, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ()  # whether it works at all is seen when it is started
    return ("--disable-polkit",) if b"--disable-polkit" in done.stdout + done.stderr else ()


def _first(paths: tuple[str, ...]) -> str | None:
    return next((path for path in paths if Path(path).exists()), None)


def _short_folder() -> Path:
    """A new folder whose path leaves room for the socket's: 107 bytes are the limit."""
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) > 70:
        base = "/tmp"  # noqa: S108 - mkdtemp makes it ours alone
    return Path(tempfile.mkdtemp(prefix="jpki-", dir=base))


def _require_free(port: int) -> None:
    """The driver binds the port and the next, on all addresses. Raises OSError."""
    with contextlib.ExitStack() as stack:
        for number in (port, port + 1):
            probe = stack.enter_context(socket.socket())
            probe.bind(("0.0.0.0", number))  # noqa: S104 - closed at once
