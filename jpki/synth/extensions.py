# SPDX-License-Identifier: Apache-2.0
"""Certificate and CRL extensions with the bytes JPKI's have. Source: [CA-DER], [AUTH-EE]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from jpki.synth import der, names

# Short names of extensions, used to drop, replace or reorder them.
OIDS = {
    "keyUsage": "2.5.29.15",
    "extKeyUsage": "2.5.29.37",
    "subjectAltName": "2.5.29.17",
    "issuerAltName": "2.5.29.18",
    "basicConstraints": "2.5.29.19",
    "policies": "2.5.29.32",
    "crldp": "2.5.29.31",
    "aia": "1.3.6.1.5.5.7.1.1",
    "aki": "2.5.29.35",
    "ski": "2.5.29.14",
    "crlNumber": "2.5.29.20",
    "deltaCrl": "2.5.29.27",
    "idp": "2.5.29.28",
    "reasonCode": "2.5.29.21",
    "ocspNoCheck": "1.3.6.1.5.5.7.48.1.5",
    "ocspNonce": "1.3.6.1.5.5.7.48.1.2",
    "unknown": "2.999.1",  # the arc for examples [X660]
}
CPS = "http://www.jpki.go.jp/cps.html"
OCSP_URL = "http://ocspauthnorm.jpki.go.jp"
ATTRIBUTE_ARC = "1.2.392.200149.8.5.5"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension; ``value`` is what goes into the OCTET STRING."""

    name: str
    value: bytes = field(repr=False)
    critical: bool = False

    def encode(self, *, explicit_false: bool = False) -> bytes:
        """The Extension SEQUENCE. DER leaves ``critical FALSE`` out."""
        flag = der.TRUE if self.critical else der.FALSE if explicit_false else b""
        return der.sequence(
            der.oid(OIDS.get(self.name, self.name)), flag, der.octet_string(self.value)
        )


UNKNOWN_CRITICAL = Extension("unknown", der.NULL, critical=True)


def key_usage(bits: bytes, unused: int) -> Extension:
    """Critical keyUsage of the given bit octets."""
    return Extension("keyUsage", der.bit_string(bits, unused), critical=True)


def extended_key_usage(*purposes: str) -> Extension:
    """extKeyUsage of dotted OIDs."""
    return Extension("extKeyUsage", der.sequence(*map(der.oid, purposes)))


def policies(oid: str) -> Extension:
    """Critical certificatePolicies: one policy and the CPS address."""
    qualifier = der.sequence(der.oid("1.3.6.1.5.5.7.2.1"), der.ia5(CPS))
    information = der.sequence(der.oid(oid), der.sequence(qualifier))
    return Extension("policies", der.sequence(information), critical=True)


def distribution_point(directory_name: bytes) -> Extension:
    """cRLDistributionPoints with one directoryName, no reasons, no cRLIssuer."""
    point = der.sequence(names.distribution_point_name(directory_name))
    return Extension("crldp", der.sequence(point))


def authority_info_access(url: str = OCSP_URL) -> Extension:
    """authorityInfoAccess with an OCSP address. A string only: nothing here ever asks it."""
    access = der.sequence(der.oid("1.3.6.1.5.5.7.48.1"), der.implicit(6, url.encode("ascii")))
    return Extension("aia", der.sequence(access))


def authority_key_id(
    key_id: bytes | None, issuer: bytes | None = None, serial: int | None = None
) -> Extension:
    """authorityKeyIdentifier; issuer and serial only if both are given."""
    parts = [] if key_id is None else [der.implicit(0, key_id)]
    if issuer is not None and serial is not None:
        parts.append(der.explicit(1, der.explicit(4, issuer)))
        parts.append(der.implicit(2, der.integer_content(serial)))
    return Extension("aki", der.sequence(*parts))


def subject_key_id(key_id: bytes) -> Extension:
    """subjectKeyIdentifier."""
    return Extension("ski", der.octet_string(key_id))


def attributes(texts: Mapping[int, str], order: Iterable[int]) -> Extension:
    """subjectAltName of otherNames ``…8.5.5.n``, each an explicit UTF8String, in ``order``."""
    entries = [
        der.explicit(0, der.oid(f"{ATTRIBUTE_ARC}.{n}"), der.explicit(0, der.utf8(texts[n])))
        for n in order
    ]
    return Extension("subjectAltName", der.sequence(*entries))


def with_values(
    extensions: Iterable[Extension],
    values: Mapping[str, bytes],
    critical: Mapping[str, bool],
) -> list[Extension]:
    """The extensions, with contents and critical flags replaced by name."""
    return [
        replace(
            extension,
            value=values.get(extension.name, extension.value),
            critical=critical.get(extension.name, extension.critical),
        )
        for extension in extensions
    ]
