# SPDX-License-Identifier: Apache-2.0
"""Distinguished names of the test PKI. C is a PrintableString, all else UTF8String [CA-DER]."""

from __future__ import annotations

from jpki.certificate.kinds import Family
from jpki.synth import der
from jpki.synth.municipalities import Municipality

SYNTH = "JPKI-SYNTH"
REAL = "JPKI"  # for byte-exact comparison only; the keys below it are ours all the same

COUNTRY, ORGANISATION, UNIT, LOCALITY, COMMON_NAME = (
    "2.5.4.6",
    "2.5.4.10",
    "2.5.4.11",
    "2.5.4.7",
    "2.5.4.3",
)

_UNIT = {
    Family.SIGN: "JPKI for digital signature",
    Family.AUTH: "JPKI for user authentication",
}
_AGENCY = "Japan Agency for Local Authority Information Systems"
_SERVICE_JA = "公的個人認証サービス"
_UNIT_JA = {
    Family.SIGN: "公的個人認証サービス署名用",
    Family.AUTH: "公的個人認証サービス利用者証明用",
}
_AGENCY_JA = "地方公共団体情報システム機構"


def name(*attributes: tuple[str, str]) -> bytes:
    """Name of ``C=JP`` and one attribute per RDN (type as dotted OID, text)."""
    rdns = [_rdn(COUNTRY, der.printable("JP"))]
    rdns += [_rdn(kind, der.utf8(text)) for kind, text in attributes]
    return der.sequence(*rdns)


def _rdn(kind: str, value: bytes) -> bytes:
    return der.set_of(der.sequence(der.oid(kind), value))


def ca_name(family: Family, organisation: str = SYNTH) -> bytes:
    """The one DN all generations of a family share."""
    return name((ORGANISATION, organisation), (UNIT, _UNIT[family]), (UNIT, _AGENCY))


def japanese_name(family: Family) -> bytes:
    """The CA's Japanese name: its subjectAltName, and issuerAltName below it."""
    return name((ORGANISATION, _SERVICE_JA), (UNIT, _UNIT_JA[family]), (UNIT, _AGENCY_JA))


def crldp_name(family: Family, place: Municipality, organisation: str = SYNTH) -> bytes:
    """Where the CRL of a municipality's certificates is published."""
    return name(
        (ORGANISATION, organisation),
        (UNIT, _UNIT[family]),
        (UNIT, "CRL Distribution Points"),
        (UNIT, place.prefecture),
        (COMMON_NAME, f"{place.name} CRLDP"),
    )


def auth_subject(common_name: str) -> bytes:
    """Subject of an auth certificate: nothing but an opaque CN."""
    return name((COMMON_NAME, common_name))


def sign_subject(place: Municipality, common_name: str) -> bytes:
    """Subject of a sign certificate: prefecture, municipality, opaque CN."""
    return name((LOCALITY, place.prefecture), (LOCALITY, place.name), (COMMON_NAME, common_name))


def responder_subject(family: Family, organisation: str = SYNTH) -> bytes:
    """Subject of the delegated OCSP responder (the real one is unknown)."""
    return name(
        (ORGANISATION, organisation), (UNIT, _UNIT[family]), (COMMON_NAME, "OCSP Responder")
    )


def general_names(directory_name: bytes) -> bytes:
    """GeneralNames with one directoryName."""
    return der.sequence(der.explicit(4, directory_name))


def distribution_point_name(directory_name: bytes) -> bytes:
    """DistributionPointName ``fullName`` with one directoryName, in its [0] of the point."""
    return der.explicit(0, der.explicit(0, der.explicit(4, directory_name)))
