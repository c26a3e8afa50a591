# SPDX-License-Identifier: Apache-2.0
"""Paths of the general profile by number: the same number is the same path, on every machine.

Each certificate may have what it should, or something else that a validator has to notice:
names and constraints of every form, policies with mappings and limits, key usage, path length.
Two things are left out in which ``openssl verify`` 3.0 goes astray: an authority that issued
itself (it takes whichever issuer it meets first), and mappings in the last certificate, which
it follows and [RFC5280 6.1.4] does not.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from general_pki import AUTHORITY, ROOT, ROOT_DER, Extensions, certificate, usage
from jpki.synth import der
from jpki.synth.keystore import stored_key

POLICIES = ("1.2.3.1", "1.2.3.2", "1.2.3.3")
ANY_POLICY = "2.5.29.32.0"
_KEYS = [stored_key(f"card-{number:02d}-auth") for number in range(1, 5)]
_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\0")


@dataclass(frozen=True)
class GeneralCase:
    """``chain``: from below the root down. ``inputs``: names of those of [RFC5280 6.1.1]."""

    number: int
    leaf: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    policies: tuple[str, ...]
    inputs: frozenset[str]

    root: bytes = field(default=ROOT_DER, repr=False)


def general_case(number: int) -> GeneralCase:
    """The case of that number."""
    draw = _Draw(number)
    depth = draw.integer(0, 3)
    issuer, key = "Root", ROOT
    chain: list[bytes] = []
    for level in range(depth):
        extensions = draw.authority()
        own = _KEYS[level]
        chain.append(certificate(f"C{level}", issuer, own, key, extensions, serial=10 + level))
        issuer, key = f"C{level}", own
    extensions = draw.authority(last=True) if draw.happens(0.1) else draw.holder()
    return GeneralCase(
        number=number,
        leaf=certificate("Leaf", issuer, _KEYS[3], key, extensions, serial=99),
        chain=tuple(chain),
        policies=tuple(draw.some(POLICIES)) if draw.happens(0.4) else (),
        inputs=frozenset(
            name
            for name, share in (("explicit", 0.4), ("no mapping", 0.15), ("no any", 0.15))
            if draw.happens(share)
        ),
    )


class _Draw:
    """Draws what a certificate has in it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def happens(self, share: float) -> bool:
        return self._random.random() < share

    def integer(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def some(self, of: tuple[str, ...]) -> list[str]:
        return self._random.sample(of, self.integer(1, len(of)))

    def authority(self, *, last: bool = False) -> Extensions:
        """Of an authority, or of what would be one."""
        found: list[tuple[x509.ExtensionType, bool]] = []
        if not self.happens(0.03):
            length = self.integer(0, 3) if self.happens(0.3) else None
            found.append((x509.BasicConstraints(True, length), not self.happens(0.05)))
        if not self.happens(0.15):
            found.append((AUTHORITY[1][0] if not self.happens(0.05) else usage("crl_sign"), True))
        if self.happens(0.25):
            found += self._name_constraints()
        if self.happens(0.12):
            limits = (self._random.choice((None, 0, 1)), self.integer(0, 1))
            found.append((x509.PolicyConstraints(*limits), True))
        if self.happens(0.08):
            found.append((x509.InhibitAnyPolicy(self.integer(0, 1)), True))
        if not last and self.happens(0.12):
            found.append((self._mappings(), True))
        return [*found, *self._of_any(0.1)]

    def holder(self) -> Extensions:
        return [(usage("digital_signature"), True), *self._of_any(0.5)]

    def _of_any(self, named: float) -> Extensions:
        """What anybody may have; ``named``: the share of those with other names."""
        found: list[tuple[x509.ExtensionType, bool]] = []
        if self.happens(named):
            names = [self._name() for _ in range(self.integer(1, 3))]
            found.append((x509.SubjectAlternativeName(names), self.happens(0.1)))
        if self.happens(0.6):
            oids = self.some(POLICIES) + ([ANY_POLICY] if self.happens(0.2) else [])
            listed = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
            found.append((x509.CertificatePolicies(listed), self.happens(0.2)))
        if self.happens(0.03):
            found.append((_UNKNOWN, self.happens(0.5)))
        return found

    def _mappings(self) -> x509.UnrecognizedExtension:
        pairs = zip(self.some(POLICIES), self.some(POLICIES), strict=False)
        rows = (der.sequence(der.oid(one), der.oid(other)) for one, other in pairs)
        return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), der.sequence(*rows))

    def _name_constraints(self) -> Extensions:
        permitted = [self._base() for _ in range(self.integer(0, 2))]
        excluded = [self._base() for _ in range(self.integer(0, 2))]
        if not permitted and not excluded:
            return []
        return [(x509.NameConstraints(permitted or None, excluded or None), True)]

    def _name(self) -> x509.GeneralName:
        return self._random.choice(
            (
                *map(x509.DNSName, ("a.example", "b.a.example", "*.a.example", "ba.example")),
                *map(x509.RFC822Name, ("i@a.example", "I@a.example", "i@b.a.example")),
                *map(
                    x509.UniformResourceIdentifier,
                    ("https://a.example/", "https://b.a.example:1/x", "urn:a.example"),
                ),
                *(_address(text) for text in ("10.0.0.1", "10.1.0.1", "fd00::1")),
                *(_directory(text) for text in ("Leaf", "Elsewhere")),
                x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
            )
        )

    def _base(self) -> x509.GeneralName:
        return self._random.choice(
            (
                *map(x509.DNSName, ("a.example", "example", "b.a.example", "")),
                *map(x509.RFC822Name, ("a.example", ".a.example", "i@a.example")),
                *map(x509.UniformResourceIdentifier, ("a.example", ".a.example")),
                *(_network(text) for text in ("10.0.0.0/8", "10.0.0.0/16", "0.0.0.0/0", "::/0")),
                *(_directory(text) for text in ("Leaf", "LEAF ", "C1", "Elsewhere")),
            )
        )


def _address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def _network(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text))


def _directory(text: str) -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]))
