# SPDX-License-Identifier: Apache-2.0
"""The user's own files: configuration, and what is remembered of readers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jpki.doctor import masks
from jpki.doctor.findings import Finding, Level
from jpki.doctor.host import Host, PcscAnswer
from jpki.toml_text import read_toml
from jpki_apdu.connection import ReplyLimits
from jpki_apdu.reader_memory import DamagedMemoryError, default_path, parse

_OTHERS_WRITE, _OTHERS_READ = 0o022, 0o044
_CONFIG = "~/.config/jpki/config.toml"
_VIRTUAL = "Virtual PCD"


def config(host: Host) -> Iterator[Finding]:
    """Whether the configuration file can be read, and by whom else. Its place is not told."""
    named = host.env.get("JPKI_CONFIG")
    home = host.env.get("HOME") or host.env.get("USERPROFILE")
    path = named or (str(Path(home, ".config", "jpki", "config.toml")) if home else "")
    try:
        if not path:
            raise FileNotFoundError
        data = host.read(path)
    except FileNotFoundError:
        if named:
            yield Finding("config", Level.FAULT, "config_not_there", {}, "config_variable")
        else:
            yield Finding("config", Level.OK, "config_none")
        return
    except OSError:
        yield Finding("config", Level.FAULT, "config_unreadable", {}, "config_rights")
        return
    try:
        read_toml(data)
    except ValueError:
        yield Finding("config", Level.FAULT, "config_not_toml", {}, "config_repair")
        return
    yield from _rights(host, path, '"$JPKI_CONFIG"' if named else _CONFIG)


def _rights(host: Host, path: str, shown: str) -> Iterator[Finding]:
    try:
        mode = host.mode(path) if host.platform != "win32" else 0
    except OSError:
        mode = 0
    if mode & _OTHERS_WRITE:
        yield Finding(
            "config", Level.WARNING, "config_writable", {"mode": f"{mode:o}"}, "config_close",
            (f"chmod 600 {shown}",),
        )  # fmt: skip
    elif mode & _OTHERS_READ:
        yield Finding(
            "config", Level.NOTE, "config_open", {"mode": f"{mode:o}"}, "config_close",
            (f"chmod 600 {shown}",),
        )  # fmt: skip
    else:
        yield Finding("config", Level.OK, "config_good")


def reply_sizes(host: Host, answer: PcscAnswer) -> Iterator[Finding]:
    """What each reader was measured to carry."""
    known, damaged = _memory(host)
    if damaged:
        yield Finding("reply_size", Level.NOTE, "memory_damaged", {}, "probe",
                      ("jpki reader probe",))  # fmt: skip
    for state in answer.readers:
        if state.name.startswith(_VIRTUAL):
            continue
        shown = masks.reader_name(state.name)
        limits = known.get(state.name)
        if limits is None:
            yield Finding("reply_size", Level.NOTE, "reply_size_unknown", {"reader": shown},
                          "probe", ("jpki reader probe",))  # fmt: skip
            continue
        form = "extended" if limits.extended else "short"
        values = {"reader": shown, "short": limits.short, "extended": limits.extended}
        yield Finding("reply_size", Level.OK, f"reply_size_{form}", values)


def _memory(host: Host) -> tuple[dict[str, ReplyLimits], bool]:
    path = default_path(host.env)
    if path is None:
        return {}, False
    try:
        return parse(host.read(str(path))), False
    except OSError:
        return {}, False
    except DamagedMemoryError:
        return {}, True
