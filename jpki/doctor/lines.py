# SPDX-License-Identifier: Apache-2.0
"""What to type on this system: packages, services, groups."""

from __future__ import annotations

from jpki.doctor.host import Host

PIP = "pip install '{}'"

# Package names: Debian, Ubuntu and Fedora as their archives have them; Arch [GK].
_PACKAGES = {
    "debian": ("sudo apt-get install -y", {
        "pcscd": "pcscd", "build": "libpcsclite-dev gcc python3-dev",
        "fonts": "fonts-ipaexfont", "polkit": "polkitd",
    }),
    "fedora": ("sudo dnf install -y", {
        "pcscd": "pcsc-lite pcsc-lite-ccid", "build": "pcsc-lite-devel gcc python3-devel",
        "fonts": "ipa-ex-gothic-fonts ipa-ex-mincho-fonts", "polkit": "polkit",
    }),
    "arch": ("sudo pacman -S", {
        "pcscd": "pcsclite ccid", "build": "gcc", "fonts": "otf-ipaexfont", "polkit": "polkit",
    }),
}  # fmt: skip

_RULE = (
    "polkit.addRule(function(action, subject) { if (/^org[.]debian[.]pcsc-lite[.]/.test(action.id)"
    ' && subject.isInGroup("pcsc")) return polkit.Result.YES; });'
)


def release(host: Host) -> dict[str, str]:
    """``ID``, ``VERSION_ID``, ``ID_LIKE`` and the rest of os-release; empty if there is none."""
    if host.platform != "linux":
        return {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            text = host.read(path).decode("utf-8", "replace")
        except OSError:
            continue
        pairs = (line.partition("=") for line in text.splitlines())
        return {name: value.strip("\"'") for name, _, value in pairs if value}
    return {}


def family(host: Host) -> str:
    """``debian``, ``fedora``, ``arch``, ``darwin``, ``win32``, or empty."""
    if host.platform != "linux":
        return host.platform
    found = release(host)
    words = {found.get("ID", ""), *found.get("ID_LIKE", "").split()}
    if words & {"debian", "ubuntu"}:
        return "debian"
    if words & {"fedora", "rhel", "centos"}:
        return "fedora"
    return "arch" if "arch" in words else ""


def install(host: Host, *names: str) -> tuple[str, ...]:
    """The line that installs these parts; nothing where we do not know the packages."""
    tool, packages = _PACKAGES.get(family(host), ("", {}))
    return (f"{tool} {' '.join(packages[name] for name in names)}",) if tool else ()


def start_service(host: Host) -> tuple[str, ...]:
    """How pcscd is started: through systemd where that runs, else by hand."""
    try:
        host.names("/run/systemd/system")
    except OSError:
        return ("sudo mkdir -p /run/pcscd && sudo pcscd",)
    return ("sudo systemctl enable --now pcscd.socket",)


def polkit_rule() -> tuple[str, ...]:
    """A rule that lets a group of its own use readers, also without a desktop session."""
    return (
        f"echo '{_RULE}' | sudo tee /etc/polkit-1/rules.d/50-pcsc.rules",
        'sudo groupadd -f pcsc && sudo usermod -aG pcsc "$USER"',
    )
