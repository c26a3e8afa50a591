# SPDX-License-Identifier: Apache-2.0
"""Other programs that use or grab card readers: by name only, never a command line."""

from __future__ import annotations

from collections.abc import Iterator

from jpki.doctor.findings import Finding, Level, not_looked_at
from jpki.doctor.host import Host

# Names as /proc/PID/comm has them, at most 15 characters. GnuPG's scdaemon opens readers
# itself unless told not to; neard drives NFC readers through the kernel [GK].
GRABBERS = {
    "scdaemon": ("gpgconf --kill scdaemon", "echo disable-ccid >> ~/.gnupg/scdaemon.conf"),
    "neard": ("sudo systemctl disable --now neard",),
}
# These may hold a card through PC/SC while they run.
USERS = (
    "gpg-agent",
    "ssh-agent",
    "opensc-notify",
    "pkcs11-register",
    "pcsc_scan",
    "p11-kit-server",
    "firefox",
    "firefox-esr",
    "firefox-bin",
    "thunderbird",
    "thunderbird-bin",
    "chrome",
    "chromium",
    "ykman",
    "pkcs11-tool",
    "pkcs15-tool",
    "opensc-tool",
)
_WATCHED = frozenset({*GRABBERS, *USERS, "pcscd", "polkitd"})


def names(host: Host) -> dict[str, list[str]]:
    """Process ids (as text) of programs on our list, by name; no other name is kept."""
    found: dict[str, list[str]] = {}
    try:
        entries = host.names("/proc")
    except OSError:
        return {}
    for entry in entries:
        if not entry.isdecimal():
            continue
        try:
            name = host.read(f"/proc/{entry}/comm").decode("utf-8", "replace").strip()
        except OSError:
            continue
        if name in _WATCHED:
            found.setdefault(name, []).append(entry)
    return found


def programs(host: Host) -> Iterator[Finding]:
    """Who else may be at the readers."""
    if host.platform != "linux":
        yield not_looked_at("programs")
        return
    found = names(host)
    for name, commands in GRABBERS.items():
        if name in found:
            yield Finding(
                "programs", Level.WARNING, "program_grabs", {"program": name}, "program_stop",
                commands,
            )  # fmt: skip
    users = [name for name in USERS if name in found]
    if users:
        shown = ", ".join(users)
        yield Finding("programs", Level.NOTE, "programs_seen", {"programs": shown}, "program_close")
    if len(found.get("pcscd", ())) > 1:
        values = {"count": len(found["pcscd"])}
        yield Finding("programs", Level.NOTE, "several_services", values)
    if not users and not found.keys() & GRABBERS.keys():
        yield Finding("programs", Level.OK, "no_programs")
