# SPDX-License-Identifier: Apache-2.0
"""The names a certificate is for, by form: which are well formed, and which subtrees hold them.

A name is compared with name constraints by keys: the key of a subtree's base is among the
keys of every name inside it, so that a thousand names under a thousand constraints are a
thousand look-ups. Source: [RFC5280 4.2.1.6], [RFC5280 4.2.1.10].
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Final

from jpki.certificate import der, extensions
from jpki.certificate.encode import tlv
from jpki.certificate.names import parse_name
from jpki.validation.rfc5280.certificate import AnyCertificate, check_name
from jpki.validation.rfc5280.points import directory_key

# Tags of GeneralName. Of the four that have no subtrees here, one is never inside.
OTHER, EMAIL, DNS, X400, DIRECTORY, EDI, URI, ADDRESS, REGISTERED = (
    0xA0, 0x81, 0x82, 0xA3, 0xA4, 0xA5, 0x86, 0x87, 0x88,
)  # fmt: skip
_FORMS: Final = {OTHER, EMAIL, DNS, X400, DIRECTORY, EDI, URI, ADDRESS, REGISTERED}
_EMAIL_ATTRIBUTE: Final = "1.2.840.113549.1.9.1"
_MAILBOX_IN_UTF8: Final = "1.3.6.1.5.5.7.8.9"

# Preferred name syntax; the last label of an address in dots would be a number [RFC1123 2.1].
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED: Final = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|{_QUOTED}")
_LITERAL: Final = re.compile(r"\[[!-Z^-~]+\]")
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@\\]*@)?([^/?#@\\:]*)(?::\d*)?")


def is_host(text: str) -> bool:
    """Whether it is a host name, of lower case."""
    return re.fullmatch(_HOST, text) is not None


def alternative_names(certificate: AnyCertificate) -> list[der.Node]:
    """The GeneralNames of its subjectAltName, well formed or not. Raises DerError."""
    extension = certificate.extensions.get(extensions.SUBJECT_ALT_NAME)
    return [] if extension is None else list(der.whole(extension.value).reader().rest())


def names_well_formed(certificate: AnyCertificate) -> bool:
    """Whether there is at least one alternative name, if any, and each is of its form."""
    if extensions.SUBJECT_ALT_NAME not in certificate.extensions:
        return True
    try:
        names = alternative_names(certificate)
        return bool(names) and all(map(_well_formed, names))
    except der.DerError:
        return False


def _well_formed(name: der.Node) -> bool:
    """Whether it is of its form; DerError says no, too."""
    match name.tag:
        case 0x82:
            return is_host(_text(name).lower().removeprefix("*."))
        case 0x81:
            return _mailbox(_text(name)) is not None
        case 0x86:
            return _SCHEME.match(_text(name)) is not None
        case 0x87:
            return len(name.value) in (4, 16)
        case 0xA4:
            check_name(name.value)
            return True
        case 0x88:
            der.oid(der.whole(tlv(der.OBJECT_ID, name.value), der.OBJECT_ID))
            return True
        case _:
            return name.tag in _FORMS


def names_of(certificate: AnyCertificate) -> Iterator[tuple[int, der.Node]]:
    """Its names that constraints apply to: form and GeneralName. Raises DerError.

    An address in the subject counts whether or not there are alternative names, and one in
    UTF-8 counts as an address [RFC9598 6].
    """
    subject = der.whole(certificate.subject_der)
    if subject.value:
        yield DIRECTORY, subject
    for rdn in parse_name(certificate.subject_der).rdns:
        for attribute in rdn:
            if attribute.oid == _EMAIL_ATTRIBUTE:
                value = attribute.value
                yield EMAIL, der.Node(value, EMAIL, 0, 0, len(value))
    for name in alternative_names(certificate):
        if name.tag == DIRECTORY:
            yield DIRECTORY, der.only(name, der.SEQUENCE)
            continue
        yield name.tag, name
        if name.tag == OTHER and der.oid(name.reader().next()) == _MAILBOX_IN_UTF8:
            yield EMAIL, name


def subtree_key(base: der.Node) -> Hashable | None:
    """The key of a subtree's base; None for one that cannot be compared with names here.

    Raises DerError for one that is not of its form.
    """
    if base.tag not in _FORMS:
        raise der.DerError("wrong_tag", base.start)
    if base.tag == DIRECTORY:
        return _directory(der.only(base, der.SEQUENCE))
    if base.tag == ADDRESS:
        return _network(base)
    text = _text(base)
    host = text.lower()
    if base.tag == DNS:
        return host if not host or is_host(host) else None
    if base.tag not in (EMAIL, URI):
        return None
    if base.tag == EMAIL and "@" in text:
        return _mailbox(text)
    return host if is_host(host.removeprefix(".")) else None


def name_keys(form: int, name: der.Node) -> set[Hashable] | None:
    """The keys of all subtrees the name is in; None if that cannot be told."""
    match form:
        case 0xA4:
            rdns = _directory(name)
            return {rdns[:count] for count in range(len(rdns) + 1)}
        case 0x87:
            return _networks(name.value)
        case 0x82:
            host = _text(name).lower().removeprefix("*.")
            return {host, *_parents(host), ""} if is_host(host) else None
        case 0x81:
            mailbox = _mailbox(_text(name)) if name.tag == EMAIL else None
            return None if mailbox is None else {mailbox, *_host_keys(mailbox[1])}
        case 0x86:
            authority = _AUTHORITY.match(_text(name))
            host = authority[1].lower() if authority else ""
            rest = _text(name)[authority.end() :] if authority else ""
            clear = is_host(host) and (not rest or rest[0] in "/?#")
            return _host_keys(host) if clear else None
        case _:
            return None


def parents(base: Hashable) -> set[str]:
    """Of the key of a dNSName, the names above it: a wildcard below one of them covers it."""
    return set(_parents(base)) if isinstance(base, str) else set()


def wildcard_host(name: der.Node) -> str | None:
    """What stands after «*.» in a dNSName."""
    text = _text(name).lower()
    return text[2:] if name.tag == DNS and text.startswith("*.") else None


def _parents(host: str) -> Iterator[str]:
    while "." in host:
        host = host.partition(".")[2]
        yield host


def _host_keys(host: str) -> set[Hashable]:
    """Of a host in an address or URI: itself, and the domains above with their dot."""
    return {host, *(f".{parent}" for parent in _parents(host))}


def _mailbox(text: str) -> tuple[str, str] | None:
    """Local part, whose case counts, and host, or None if it is no mailbox [RFC5280 7.5].

    Quoted or not, it is the same local part [RFC5321 4.1.2].
    """
    local, _, host = text.rpartition("@")
    host = host.lower()
    right = is_host(host) or _LITERAL.fullmatch(host) is not None
    if not right or not _LOCAL.fullmatch(local):
        return None
    if local.startswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return local, host


def _directory(name: der.Node) -> tuple[object, ...]:
    check_name(name.raw)
    key = directory_key(name.raw)
    if not isinstance(key, tuple):
        raise der.DerError("bad_name", name.start)
    return key


def _network(base: der.Node) -> tuple[int, int, int]:
    """Bits of an address, bits of the prefix, prefix [RFC4632]."""
    half = len(base.value) // 2
    if len(base.value) not in (8, 32):
        raise der.DerError("bad_name", base.start)
    mask = int.from_bytes(base.value[half:], "big")
    host_bits = (~mask & ((1 << 8 * half) - 1)).bit_length()
    if mask != ((1 << 8 * half) - 1) >> host_bits << host_bits:
        raise der.DerError("bad_name", base.start)
    return 8 * half, 8 * half - host_bits, int.from_bytes(base.value[:half], "big") >> host_bits


def _networks(address: bytes) -> set[Hashable] | None:
    bits, number = 8 * len(address), int.from_bytes(address, "big")
    if bits not in (32, 128):
        return None
    return {(bits, bits - shift, number >> shift) for shift in range(bits + 1)}


def _text(name: der.Node) -> str:
    """Latin-1, so that every byte is a character: what is not ASCII fits no form."""
    return name.value.decode("latin-1")
