# SPDX-License-Identifier: Apache-2.0
"""A certificate in words and as JSON; what identifies its holder stays masked unless asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jpki_cli import texts
from jpki_cli.render import b64, birth_text, clean, mask, rfc3339
from jpki_cli.texts import t

if TYPE_CHECKING:
    from jpki.certificate.certificate import Certificate
    from jpki.certificate.holder import HolderAttributes
    from jpki.certificate.names import Name

_COMMON_NAME = "2.5.4.3"
_TYPES = {"2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.3": "CN"}
_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)


def name_text(name: Name, hidden: str | None) -> str:
    """``C=JP, O=JPKI, CN=…``; the common name is ``hidden`` unless that is None."""
    parts = []
    for rdn in name.rdns:
        for attribute in rdn:
            value = attribute.text
            shown = clean(value) if value is not None else "?"
            if attribute.oid == _COMMON_NAME and hidden is not None:
                shown = hidden
            parts.append(f"{_TYPES.get(attribute.oid, attribute.oid)}={shown}")
    return ", ".join(parts)


def usages(certificate: Certificate) -> list[str]:
    """keyUsage by the names of RFC 5280."""
    return [_USAGES[bit] for bit in sorted(certificate.key_usage or ()) if bit < len(_USAGES)]


def rows(certificate: Certificate, *, reveal: bool, unicode: bool) -> list[tuple[str, str]]:
    """The table of ``cert show``."""
    hidden = None if reveal else mask(unicode)
    serial = certificate.serial.reveal().hex(":").upper() if reveal else mask(unicode)
    digest = certificate.hash().reveal().hex().upper() if reveal else mask(unicode)
    key = f"{certificate.key_algorithm} {certificate.key_size}".strip()
    out = [
        (t("cert.subject"), name_text(certificate.subject, hidden)),
        (t("cert.issuer"), name_text(certificate.issuer, None)),
        (t("cert.claims"), ", ".join(_claims(certificate))),
        (t("cert.serial"), serial),
        (t("cert.sha256"), digest),
        (t("cert.not_before"), rfc3339(certificate.not_before)),
        (t("cert.not_after"), rfc3339(certificate.not_after)),
        (t("cert.key"), key),
        (t("cert.usage"), ", ".join(usages(certificate)) or "-"),
        (t("cert.policies"), ", ".join(certificate.policies) or "-"),
        (t("cert.crl_points"), ", ".join(points(certificate)) or "-"),
        (t("cert.ocsp"), ", ".join(clean(url) for url in certificate.ocsp_urls) or "-"),
    ]
    if certificate.holder is not None:
        out += holder_rows(certificate.holder)
    return out


def _claims(certificate: Certificate) -> list[str]:
    """Environment, family, medium as far as the certificate claims them."""
    found = []
    for kind in ("environment", "family", "medium"):
        value = getattr(certificate, kind)
        found.append(t(f"value.{kind}.{value.value}") if value else "?")
    return found


def points(certificate: Certificate) -> list[str]:
    """The CRL distribution points, as far as they have a label of ours."""
    from jpki.certificate.names import point_label

    names = certificate.crl_distribution_point_names
    return [clean(point_label(name) or "?") for name in names]


def holder_rows(holder: HolderAttributes) -> list[tuple[str, str]]:
    """What a sign certificate says of its holder."""
    birth = "-"
    if holder.birth is not None and holder.birth.date is not None:
        exact = holder.birth.date.exact
        birth = birth_text(exact) if exact else holder.birth.date.iso()
    sex = texts.words(f"value.sex.{holder.sex_raw}", "-") if holder.sex_raw else "-"
    return [
        (t("record.name"), clean(holder.name or "-")),
        (t("record.birth"), birth),
        (t("record.sex"), sex),
        (t("record.address"), clean(holder.address or "-")),
    ]


def certificate_json(certificate: Certificate, *, reveal: bool) -> dict[str, object]:
    """The certificate's members; masked ones are null."""
    holder = certificate.holder
    told: dict[str, object] | None = None
    if holder is not None:
        born = holder.birth.date.iso() if holder.birth and holder.birth.date else None
        told = {
            "name": holder.name,
            "birth": born,
            "sex": holder.sex.value if holder.sex else None,
            "address": holder.address,
        }
    kinds = {
        kind: getattr(certificate, kind).value if getattr(certificate, kind) else None
        for kind in ("environment", "family", "medium")
    }
    return {
        **kinds,
        "subject": name_text(certificate.subject, None if reveal else mask(unicode=False)),
        "issuer": name_text(certificate.issuer, None),
        "serial": certificate.serial.reveal().hex().upper() if reveal else None,
        "sha256": b64(certificate.hash().reveal()) if reveal else None,
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "key_algorithm": certificate.key_algorithm,
        "key_size": certificate.key_size,
        "key_usage": usages(certificate),
        "policies": list(certificate.policies),
        "crl_points": points(certificate),
        "ocsp_urls": list(certificate.ocsp_urls),
        "holder": told,
    }
