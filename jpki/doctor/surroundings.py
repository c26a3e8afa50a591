# SPDX-License-Identifier: Apache-2.0
"""What this runs inside: a container, Windows' Linux, a terminal, fonts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jpki.doctor import lines
from jpki.doctor.findings import Finding, Level, not_looked_at
from jpki.doctor.host import Host

_KINDS = ("docker", "podman", "kubepods", "containerd", "lxc", "libpod")
_FONT = re.compile(
    r"ipaex|ipa[gm]p?\b|noto ?(sans|serif) ?cjk|takao|vl ?gothic|source ?han|biz ?ud|migu", re.I
)


def container(host: Host) -> str:
    """``docker``, ``podman`` …, ``container`` where only that is known, or empty."""
    if host.platform != "linux":
        return ""
    for path, kind in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        try:
            host.mode(path)
        except OSError:
            continue
        return kind
    try:
        text = host.read("/proc/1/cgroup").decode("ascii", "replace").lower()
    except OSError:
        text = ""
    found = next((kind for kind in _KINDS if kind in text), "")
    return found or ("container" if host.env.get("container") else "")


def surroundings(host: Host) -> Iterator[Finding]:
    """A container, or Linux on Windows: there a USB reader has to be handed in."""
    if kind := container(host):
        yield Finding("container", Level.NOTE, "container", {"kind": kind}, "container_readers")
    try:
        kernel = host.read("/proc/version") if host.platform == "linux" else b""
    except OSError:
        kernel = b""
    if b"microsoft" in kernel.lower():
        yield Finding("container", Level.NOTE, "wsl", {}, "wsl_usb", ("usbipd list",))
    elif not kind:
        yield Finding("container", Level.OK, "no_container")


def terminal(host: Host) -> Iterator[Finding]:
    """Whether Japanese reaches the reader, and which language is spoken."""
    values = {"encoding": _encoding(host.encoding), "language": host.language}
    if "utf" in host.encoding.lower():
        yield Finding("terminal", Level.OK, "terminal_utf8", values)
        return
    line = "set PYTHONUTF8=1" if host.platform == "win32" else "export LC_ALL=C.UTF-8"
    yield Finding("terminal", Level.WARNING, "terminal_other", values, "terminal_utf8", (line,))


def _encoding(name: str) -> str:
    return name.lower() if re.fullmatch(r"[0-9A-Za-z_-]{1,20}", name) else "?"


def fonts(host: Host) -> Iterator[Finding]:
    """A font with Japanese: only for documents and pictures, never for the command line."""
    if host.platform != "linux":
        yield not_looked_at("fonts")  # macOS and Windows bring their own
        return
    listed = host.run(["fc-list", ":lang=ja", "family"])
    if listed is None:
        listed = "\n".join(_font_files(host))
        count = sum(1 for line in listed.splitlines() if _FONT.search(line))
    else:
        count = len({line for line in listed.splitlines() if line.strip()})
    if count:
        yield Finding("fonts", Level.OK, "fonts", {"count": count})
    else:
        line = lines.install(host, "fonts")
        yield Finding("fonts", Level.NOTE, "fonts_missing", {}, "fonts_install", line)


def _font_files(host: Host, folder: str = "/usr/share/fonts", depth: int = 3) -> Iterator[str]:
    """File names below the system's font folder."""
    try:
        entries = host.names(folder)
    except OSError:
        return
    for entry in entries:
        if entry.lower().endswith((".ttf", ".ttc", ".otf")):
            yield entry
        elif depth:
            yield from _font_files(host, f"{folder}/{entry}", depth - 1)
