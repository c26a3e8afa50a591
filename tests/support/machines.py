# SPDX-License-Identifier: Apache-2.0
"""Machines as data, for the doctor: what is in their files, what their programs answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jpki.doctor import PcscAnswer

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n'
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'
FEDORA = "ID=fedora\nVERSION_ID=42\n"
SOCKET = "/run/pcscd/pcscd.comm"
PCSCD = "/usr/sbin/pcscd"
VERSION = "pcsc-lite version 1.9.9.\nEnabled features: Linux serial usb libudev\n"
VERSION_2 = "pcsc-lite version 2.3.3.\nEnabled features: Linux serial usb polkit\n"
REQUIRES = (
    "cryptography>=50",
    "click>=8.1.8",
    "pyscard>=2.3.1; extra == 'pcsc'",
    'pytest>=8.3; extra == "testing"',
    "jpki[pcsc,testing]; extra == 'all'",
    "pyscard>=2.3.1; extra == 'all'",
)
TCP_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


def listener(address: str, port: int, inode: int, state: str = "0A") -> str:
    """A line of /proc/net/tcp."""
    return (
        f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000"
        f" 00000000  1000        0 {inode} 1 0000000021409ba9 100 0 0 10 0\n"
    )


def process(pid: int, name: str) -> dict[str, str]:
    """A program that runs; its command line is there and is nobody's business."""
    return {f"/proc/{pid}/comm": f"{name}\n", f"/proc/{pid}/cmdline": f"/usr/bin/{name}\0--secret"}


def usb(vendor: str, product: str, port: str = "1-2") -> dict[str, str]:
    """A device on USB, with its serial number."""
    at = f"/sys/bus/usb/devices/{port}"
    return {
        f"{at}/idVendor": f"{vendor}\n",
        f"{at}/idProduct": f"{product}\n",
        f"{at}/serial": "5213478\n",
    }


@dataclass
class Machine:
    """A host. ``files``: path to text; folders follow from them. ``denied``: not to be read.

    ``links``: symbolic links. ``modes``: permission bits, 0600 unless told.
    """

    files: dict[str, str] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    links: dict[str, str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    sockets: dict[str, str] = field(default_factory=dict)
    programs: dict[tuple[str, ...], str] = field(default_factory=dict)
    packages: dict[str, str] = field(
        default_factory=lambda: {"cryptography": "50.0.2", "pyscard": "2.3.1", "pytest": "9.0"}
    )
    answer: PcscAnswer = field(default_factory=PcscAnswer)
    env: Mapping[str, str] = field(default_factory=lambda: {"HOME": "/h"})
    platform: str = "linux"
    machine: str = "x86_64"
    python: str = "3.11.7"
    encoding: str = "utf-8"
    language: str = "en"
    openssl_text: str | None = "OpenSSL 3.5.4 30 Sep 2025"
    private: tuple[str, ...] = ()
    read_paths: list[str] = field(default_factory=list)

    def read(self, path: str) -> bytes:
        self.read_paths.append(path)
        if path in self.denied:
            raise PermissionError(path)
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path].encode()

    def names(self, folder: str) -> list[str]:
        if folder in self.denied:
            raise PermissionError(folder)
        start = folder.rstrip("/") + "/"
        paths = [*self.files, *self.links]
        found = {path[len(start) :].split("/")[0] for path in paths if path.startswith(start)}
        if not found:
            raise FileNotFoundError(folder)
        return sorted(found)

    def link(self, path: str) -> str:
        if path not in self.links:
            raise FileNotFoundError(path)
        return self.links[path]

    def mode(self, path: str) -> int:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.modes.get(path, 0o600)

    def run(self, argv: Sequence[str]) -> str | None:
        return self.programs.get(tuple(argv))

    def socket(self, path: str) -> str:
        return self.sockets.get(path, "absent")

    def installed(self, distribution: str) -> str | None:
        return self.packages.get(distribution)

    def requirements(self) -> Sequence[str]:
        return REQUIRES

    def openssl(self) -> str | None:
        return self.openssl_text

    def pcsc(self) -> PcscAnswer:
        return self.answer

    def private_names(self) -> Sequence[str]:
        return self.private


def healthy(**changes: object) -> Machine:
    """Debian 12 with pcscd 1.9.9 running and nothing unusual; ``changes`` replace fields."""
    machine = Machine(
        files={
            "/etc/os-release": DEBIAN,
            PCSCD: "",
            "/proc/version": "Linux version 6.1.0",
            "/proc/modules": "usbcore 1 0 - Live 0x0\nsnd 1 0 - Live 0x0\n",
            "/proc/1/cgroup": "0::/init.scope\n",
            "/proc/net/tcp": TCP_HEAD,
            "/run/systemd/system/pcscd.socket": "",
            **process(1, "systemd"),
            **process(700, "pcscd"),
            **usb("1d6b", "0002", "usb1"),
        },
        sockets={SOCKET: "open"},
        programs={
            (PCSCD, "--version"): VERSION,
            ("fc-list", ":lang=ja", "family"): "IPAexGothic\n",
        },
    )
    for name, value in changes.items():
        if not hasattr(machine, name):
            raise AttributeError(name)
        setattr(machine, name, value)
    return machine


def bare() -> Machine:
    """A Linux with nothing of ours but Python and the wheel: no pcscd, no pyscard, no /proc."""
    return Machine(packages={"cryptography": "50.0.2"}, answer=PcscAnswer(error="missing"))
