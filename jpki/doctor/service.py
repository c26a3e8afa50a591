# SPDX-License-Identifier: Apache-2.0
"""The PC/SC service on Linux: is pcscd there, does it run, may we talk to it.

Elsewhere the service is part of the system, and its answer about readers is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jpki.doctor import lines, masks, processes, surroundings
from jpki.doctor.findings import Finding, Level, not_looked_at
from jpki.doctor.host import Host, PcscAnswer

SOCKET = "/run/pcscd/pcscd.comm"
PATHS = ("/usr/sbin/pcscd", "/usr/bin/pcscd", "/usr/local/sbin/pcscd", "/sbin/pcscd")
_MOST_SOCKET_PATH = 107  # bytes that fit sun_path

# From 2.0.0 on pcscd can be told to do without polkit, and says in its version whether it was
# built with it [PCSC ChangeLog].
_FIRST_TO_SAY = (2, 0, 0)


def service(host: Host, answer: PcscAnswer) -> Iterator[Finding]:
    """Installed, running, reachable."""
    if host.platform != "linux":
        yield not_looked_at("service")
        return
    own = host.env.get("PCSCLITE_CSOCK_NAME", "")
    if own and own != SOCKET:
        yield Finding("socket", Level.NOTE, "socket_own")
        if len(own.encode()) > _MOST_SOCKET_PATH:
            yield Finding("socket", Level.FAULT, "socket_too_long", {}, "socket_shorten")
            return
    state = host.socket(own or SOCKET)
    path, told = _daemon(host)
    if state == "open":
        yield _open(path, told)
        yield from _polkit(host, told, answer)
        return
    if not path:
        fix = "service_in_container" if surroundings.container(host) else "service_install"
        yield Finding(
            "service", Level.FAULT, "service_missing", {}, fix, lines.install(host, "pcscd")
        )
        return
    yield _closed(host, state, told)


def _daemon(host: Host) -> tuple[str, str]:
    """Where pcscd is, and what it says of itself; both may be empty."""
    for path in PATHS:
        try:
            host.mode(path)
        except OSError:
            continue
        return path, host.run([path, "--version"]) or ""
    return "", ""


def _version(told: str) -> str:
    found = re.search(r"version (\d[\w.]*)", told)
    return masks.version(found[1]) if found else "?"


def _open(path: str, told: str) -> Finding:
    if not path:  # the socket was brought in from outside, as containers do it
        return Finding("service", Level.OK, "service_elsewhere")
    return Finding("service", Level.OK, "service_runs", {"version": _version(told)})


def _closed(host: Host, state: str, told: str) -> Finding:
    values = {"version": _version(told)}
    if state == "denied":
        return Finding("service", Level.FAULT, "socket_denied", values, "socket_rights")
    code = "service_dead" if state == "refused" else "service_stopped"
    return Finding("service", Level.FAULT, code, values, "service_start", lines.start_service(host))


def _polkit(host: Host, told: str, answer: PcscAnswer) -> Iterator[Finding]:
    """pcscd from 2.0.1 on asks polkit who may use readers, unless built or told otherwise."""
    runs = "polkitd" in processes.names(host)
    if answer.error == "access_denied":
        if runs or not surroundings.container(host):
            yield Finding(
                "polkit", Level.FAULT, "polkit_denied", {}, "polkit_rule", lines.polkit_rule()
            )
        else:
            yield Finding(
                "polkit", Level.FAULT, "polkit_absent", {}, "polkit_off",
                ("pcscd --disable-polkit",),
            )  # fmt: skip
    elif re.search(r"\bpolkit\b", told):
        yield Finding("polkit", Level.OK, "polkit_allows")
    elif told and _number(told) >= _FIRST_TO_SAY:
        yield Finding("polkit", Level.OK, "polkit_not_built")


def _number(told: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", _version(told)))
