# SPDX-License-Identifier: Apache-2.0
"""The virtual reader (vpcd): who can reach the ports it listens on.

Its driver binds port and port + 1 on all addresses, so whoever can reach the machine can
plug in a card [TB-VPCD].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jpki.doctor import processes
from jpki.doctor.findings import Finding, Level, not_looked_at
from jpki.doctor.host import Host

DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
DEFAULT_PORTS = (35963, 35964)
_LISTENING = "0A"
_LOOPBACK_6 = ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


@dataclass(frozen=True, slots=True)
class _Listener:
    """``reach``: ``all``, ``loopback`` or ``some`` addresses; never the address itself."""

    port: int
    reach: str
    inode: str


def virtual_reader(host: Host) -> Iterator[Finding]:
    """Whether the virtual reader is there, listens, and for whom."""
    if host.platform != "linux":
        yield not_looked_at("virtual_reader")
        return
    ours = list(_of_pcscd(host))
    open_ports = sorted({one.port for one in ours if one.reach != "loopback"})
    if not ours:
        yield _at_rest(host)
    elif open_ports and not _alone(host):
        listed = ",".join(map(str, open_ports[:15]))  # multiport takes 15
        yield Finding(
            "virtual_reader", Level.WARNING, "vpcd_open",
            {"ports": ", ".join(map(str, open_ports))}, "vpcd_close",
            (f"sudo iptables -I INPUT ! -i lo -p tcp -m multiport --dports {listed} -j REJECT",
             "sudo apt-get remove vsmartcard-vpcd"),
        )  # fmt: skip
    else:
        ports = ", ".join(map(str, sorted({one.port for one in ours})))
        yield Finding("virtual_reader", Level.OK, "vpcd_local", {"ports": ports})


def _at_rest(host: Host) -> Finding:
    try:
        host.mode(DRIVER)
    except OSError:
        return Finding("virtual_reader", Level.OK, "vpcd_absent")
    return Finding("virtual_reader", Level.OK, "vpcd_quiet")


def _alone(host: Host) -> bool:
    """Only loopback in this network namespace: nobody outside can reach any port."""
    try:
        text = host.read("/proc/net/dev").decode("ascii", "replace")
    except OSError:
        return False
    names = {line.partition(":")[0].strip() for line in text.splitlines()[2:]}
    return names == {"lo"}


def _of_pcscd(host: Host) -> Iterator[_Listener]:
    """Listeners that pcscd owns; where its files cannot be seen, those on vpcd's own ports."""
    daemons = processes.names(host).get("pcscd", [])
    sockets, hidden = _sockets(host, daemons)
    for one in _listeners(host):
        if one.inode in sockets or (daemons and hidden and one.port in DEFAULT_PORTS):
            yield one


def _sockets(host: Host, daemons: list[str]) -> tuple[set[str], bool]:
    """Inodes of the daemons' sockets, and whether any daemon would not show its own."""
    found: set[str] = set()
    hidden = False
    for pid in daemons:
        try:
            entries = host.names(f"/proc/{pid}/fd")
        except OSError:
            hidden = True
            continue
        for entry in entries:
            try:
                target = host.link(f"/proc/{pid}/fd/{entry}")
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found, hidden


def _listeners(host: Host) -> Iterator[_Listener]:
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            text = host.read(path).decode("ascii", "replace")
        except OSError:
            continue
        for line in text.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTENING:
                address, _, port = fields[1].partition(":")
                yield _Listener(int(port, 16), _reach(address), fields[9])


def _reach(address: str) -> str:
    """An address as /proc has it: bytes of each 32-bit word in the machine's own order."""
    if not address.strip("0"):
        return "all"
    loopback = address in _LOOPBACK_6 or (len(address) == 8 and address.endswith("7F"))
    return "loopback" if loopback else "some"
