# SPDX-License-Identifier: Apache-2.0
"""The whole examination, in the order a person would look."""

from __future__ import annotations

from collections.abc import Iterator

from jpki.doctor import (
    devices,
    masks,
    processes,
    readers,
    service,
    settings,
    software,
    surroundings,
    virtual_reader,
)
from jpki.doctor.findings import Finding, Level
from jpki.doctor.host import Host, PcscAnswer


def examine(host: Host) -> tuple[Finding, ...]:
    """Everything found on ``host``, safe to post. Reads only; opens no card, presents no PIN."""
    pcsc = host.pcsc()
    private = host.private_names()
    return tuple(masks.scrubbed(finding, private) for finding in _all(host, pcsc))


def _all(host: Host, pcsc: PcscAnswer) -> Iterator[Finding]:
    yield from software.system(host)
    yield from surroundings.surroundings(host)
    yield from software.python(host)
    yield from software.cryptography(host)
    yield from software.extras(host)
    reachable = tuple(service.service(host, pcsc))
    yield from reachable
    if not _told_already(host, pcsc, reachable):
        yield from readers.readers(pcsc)
    yield from settings.reply_sizes(host, pcsc)
    yield from devices.usb(host)
    yield from devices.modules(host)
    yield from processes.programs(host)
    yield from virtual_reader.virtual_reader(host)
    yield from settings.config(host)
    yield from surroundings.terminal(host)
    yield from surroundings.fonts(host)


def _told_already(host: Host, pcsc: PcscAnswer, reachable: tuple[Finding, ...]) -> bool:
    """Whether the reason why there is no list of readers has been found before."""
    if pcsc.error == "missing":
        return host.installed("pyscard") is None
    refused = pcsc.error in ("no_service", "access_denied")
    return refused and any(found.level is Level.FAULT for found in reachable)
