# SPDX-License-Identifier: Apache-2.0
"""Readers on USB that we know something about, and kernel drivers that take them from pcscd."""

from __future__ import annotations

from collections.abc import Iterator

from jpki.doctor.findings import Finding, Level, not_looked_at
from jpki.doctor.host import Host

# Vendor and product: [LINUX port100.c pn533/usb.c], [CCID supported_readers.txt], [LIBNFC].
_NO_CCID = {
    (0x054C, 0x01BB): "Sony PaSoRi RC-S320",
    (0x054C, 0x02E1): "Sony PaSoRi RC-S330/RC-S360/RC-S370",
    (0x054C, 0x06C1): "Sony PaSoRi RC-S380/S",
    (0x054C, 0x06C3): "Sony PaSoRi RC-S380/P",
}
_CCID = {
    (0x054C, 0x0D8F): "Sony RC-S660/U",
    (0x054C, 0x0DC8): "Sony PaSoRi RC-S300/S",
    (0x054C, 0x0DC9): "Sony PaSoRi RC-S300/P",
}
_ACR122U = (0x072F, 0x2200)

# Which modules come along with the one that takes the device [LINUX drivers/nfc].
_GRABBING = {
    "pn533_usb": ("pn533_usb", "pn533", "nfc"),
    "port100": ("port100", "nfc_digital", "nfc"),
}

_USB = "/sys/bus/usb/devices"


def modules(host: Host) -> Iterator[Finding]:
    """Kernel drivers that claim NFC readers before pcscd can."""
    if host.platform != "linux":
        yield not_looked_at("kernel_modules")
        return
    try:
        text = host.read("/proc/modules").decode("ascii", "replace")
    except OSError:
        yield Finding("kernel_modules", Level.NOTE, "modules_hidden")
        return
    loaded = {line.split(" ", 1)[0] for line in text.splitlines()}
    clean = True
    for module, together in _GRABBING.items():
        if module in loaded:
            clean = False
            yield _grabbed(module, [name for name in together if name in loaded])
    if clean:
        yield Finding("kernel_modules", Level.OK, "no_modules")


def _grabbed(module: str, loaded: list[str]) -> Finding:
    lines = (
        f"printf 'blacklist %s\\n' {' '.join(loaded)}"
        " | sudo tee /etc/modprobe.d/blacklist-nfc-readers.conf",
        f"sudo modprobe -r {' '.join(loaded)}",
    )
    return Finding(
        "kernel_modules", Level.WARNING, f"{module}_loaded", {"modules": ", ".join(loaded)},
        "module_unload", lines,
    )  # fmt: skip


def usb(host: Host) -> Iterator[Finding]:
    """Readers plugged in whose kind decides whether PC/SC can have them."""
    if host.platform != "linux":
        yield not_looked_at("usb")
        return
    try:
        devices = host.names(_USB)
    except OSError:
        yield Finding("usb", Level.NOTE, "usb_hidden")
        return
    seen = {found for device in devices if (found := _identity(host, device))}
    for identity, model in _NO_CCID.items():
        if identity in seen:
            yield Finding("usb", Level.WARNING, "usb_no_ccid", {"model": model}, "usb_other_reader")
    for identity, model in _CCID.items():
        if identity in seen:
            yield Finding("usb", Level.OK, "usb_ccid", {"model": model})
    if _ACR122U in seen:
        yield Finding("usb", Level.NOTE, "usb_small", {"model": "ACS ACR122U"}, "probe",
                      ("jpki reader probe",))  # fmt: skip
    if not seen & {*_NO_CCID, *_CCID, _ACR122U}:
        yield Finding("usb", Level.OK, "usb_nothing")


def _identity(host: Host, device: str) -> tuple[int, int] | None:
    try:
        vendor = host.read(f"{_USB}/{device}/idVendor")
        product = host.read(f"{_USB}/{device}/idProduct")
        return int(vendor, 16), int(product, 16)
    except (OSError, ValueError):
        return None
