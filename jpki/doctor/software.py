# SPDX-License-Identifier: Apache-2.0
"""Python, OpenSSL, and the optional parts of this toolkit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jpki.doctor import lines, masks
from jpki.doctor.findings import Finding, Level
from jpki.doctor.host import Host

_REQUIREMENT = re.compile(r"""([A-Za-z0-9._-]+)[^;]*;\s*extra\s*==\s*['"]([A-Za-z0-9._-]+)['"]""")
_SYSTEMS = {"darwin": "macos", "win32": "windows"}


def system(host: Host) -> Iterator[Finding]:
    """The system's name and version, as it says itself."""
    found = lines.release(host)
    name = found.get("ID") or _SYSTEMS.get(host.platform, host.platform)
    values = {
        "name": masks.word(name),
        "version": masks.word(found.get("VERSION_ID", "")) if found.get("VERSION_ID") else "",
        "machine": masks.word(host.machine),
    }
    yield Finding("system", Level.OK, "system", values)


def python(host: Host) -> Iterator[Finding]:
    yield Finding("python", Level.OK, "version", {"version": masks.version(host.python)})


def cryptography(host: Host) -> Iterator[Finding]:
    openssl = host.openssl()
    shown = masks.version(host.installed("cryptography"))
    if openssl is None:
        yield Finding(
            "cryptography", Level.FAULT, "cryptography_broken", {"version": shown},
            "reinstall", ("pip install --force-reinstall cryptography",),
        )  # fmt: skip
        return
    values = {"version": shown, "openssl": masks.version(openssl.removeprefix("OpenSSL "))}
    yield Finding("cryptography", Level.OK, "cryptography", values)


def extras(host: Host) -> Iterator[Finding]:
    """Each optional part, by what the installed distribution says it needs."""
    wanted: dict[str, list[str]] = {}
    for requirement in host.requirements():
        found = _REQUIREMENT.match(requirement)
        if found and found[1] != "jpki" and found[2] != "all":  # «all» repeats the others
            wanted.setdefault(found[2], []).append(found[1])
    for extra, names in wanted.items():
        versions = {name: host.installed(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        if not missing:
            shown = ", ".join(f"{name} {masks.version(v)}" for name, v in versions.items())
            yield Finding("extra", Level.OK, "extra", {"extra": extra, "parts": shown})
            continue
        values = {"extra": extra, "parts": ", ".join(missing)}
        if extra == "pcsc":
            yield Finding(
                "extra", Level.FAULT, "extra_missing", values, "install_pcsc", _pcsc(host)
            )
        else:
            line = lines.PIP.format(f"jpki[{extra}]")
            yield Finding("extra", Level.NOTE, "extra_missing", values, "install_extra", (line,))


def _pcsc(host: Host) -> tuple[str, ...]:
    """pyscard is compiled on Linux, so it needs a compiler and headers."""
    pip = lines.PIP.format("jpki[pcsc]")
    return (*lines.install(host, "pcscd", "build"), pip)
