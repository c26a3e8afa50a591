# SPDX-License-Identifier: Apache-2.0
"""Time stamps: asked of an authority over HTTP, and read. Source: [RFC3161], [RFC5816]."""

from __future__ import annotations

import http.client
import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from jpki.certificate import der
from jpki.errors import JpkiError
from jpki.signing.algorithms import HashName
from jpki.signing.cms_envelope import CmsError, Envelope, read_envelope

TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_LIMIT: Final = 1 << 18  # bytes of an answer; a token with its chain has about 6 kB
_HASHES: Final = {
    "2.16.840.1.101.3.4.2.1": HashName.SHA256,
    "2.16.840.1.101.3.4.2.2": HashName.SHA384,
    "2.16.840.1.101.3.4.2.3": HashName.SHA512,
}


class TimestampError(JpkiError):
    """No time stamp, or none that can be used. ``reason`` where a code covers several."""

    default_code = "timestamp"


@dataclass(frozen=True, slots=True)
class Token:
    """A time stamp token as it reads; nothing in it is believed yet.

    ``hash`` None: an algorithm that is not ours. ``info``: DER of the TSTInfo.
    """

    time: datetime
    hash: HashName | None
    imprint: bytes = field(repr=False)
    nonce: int | None
    info: bytes = field(repr=False)
    envelope: Envelope = field(repr=False)


def read_token(data: bytes) -> Token:
    """Read a token (ContentInfo, DER). Raises TimestampError."""
    content = bytearray()
    try:
        envelope = read_envelope(io.BytesIO(data), lambda hashes, kind: content.extend)
        if envelope.content_type != TST_INFO or len(envelope.signers) != 1:
            raise TimestampError("timestamp_form", reason="not_a_token")
        return _token(bytes(content), envelope)
    except CmsError as error:
        raise TimestampError("timestamp_form", reason=error.values["reason"]) from error
    except der.DerError as error:
        raise TimestampError("timestamp_form", reason=error.reason) from None


def _token(info: bytes, envelope: Envelope) -> Token:
    reader = der.whole(info).reader()
    if der.integer(reader.next(der.INTEGER)) != 1:
        raise TimestampError("timestamp_form", reason="version")
    reader.next(der.OBJECT_ID)
    imprint = reader.next(der.SEQUENCE).reader()
    algorithm = der.oid(imprint.next(der.SEQUENCE).reader().next(der.OBJECT_ID))
    digest = imprint.next(der.OCTET_STRING).value
    imprint.done()
    reader.next(der.INTEGER)
    time = _time(reader.next(der.GENERALIZED_TIME).value)
    reader.optional(der.SEQUENCE)  # accuracy
    reader.optional(der.BOOLEAN)  # ordering
    nonce = reader.optional(der.INTEGER)
    number = None if nonce is None else der.integer(nonce)
    return Token(time, _HASHES.get(algorithm), digest, number, info, envelope)


def _time(value: bytes) -> datetime:
    """GeneralizedTime, with fractions of a second if it has any."""
    whole, _, fraction = value.removesuffix(b"Z").partition(b".")
    if not value.endswith(b"Z") or len(whole) != 14 or not whole.isdigit():
        raise TimestampError("timestamp_form", reason="bad_time")
    if b"." in value and not (fraction.isdigit() and len(fraction) <= 9):
        raise TimestampError("timestamp_form", reason="bad_time")
    parts = [int(whole[:4]), *(int(whole[at : at + 2]) for at in range(4, 14, 2))]
    try:
        moment = datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        raise TimestampError("timestamp_form", reason="bad_time") from None
    return moment + timedelta(microseconds=int((fraction or b"0").ljust(6, b"0")[:6]))


@dataclass(frozen=True, slots=True)
class TimestampClient:
    """Asks one authority. ``url``: http or https. ``timeout``: seconds for each step.

    The URL is asked as it is: no redirect is followed, no proxy is used.
    """

    url: str
    timeout: float = 20.0
    nonce: Callable[[], int] = lambda: secrets.randbits(63)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port or an address that is none
            known = False
        if not known:
            raise TimestampError("timestamp_url")

    def __call__(self, name: HashName, digest: bytes) -> bytes:
        """A token (DER) over ``digest``, which answers this very question.

        Whether the authority can be trusted is for the verifier. Raises TimestampError.
        """
        from jpki import _asn1

        nonce = self.nonce()
        answer = self._post(_asn1.time_stamp_request(name.value, digest, nonce))
        token = _granted(answer)
        found = read_token(token)
        if found.nonce != nonce:
            raise TimestampError("timestamp_other", reason="nonce")
        if found.hash is not name or found.imprint != digest:
            raise TimestampError("timestamp_other", reason="imprint")
        return token

    def _post(self, query: bytes) -> bytes:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection = kind(str(parts.hostname), parts.port, timeout=self.timeout)
            try:
                headers = {"Content-Type": "application/timestamp-query"}
                connection.request("POST", path, query, headers)
                with connection.getresponse() as reply:
                    body = reply.read(_LIMIT + 1)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise TimestampError("timestamp_unreachable") from exc
        media = reply.headers.get_content_type()
        if reply.status != 200 or media != "application/timestamp-reply" or len(body) > _LIMIT:
            raise TimestampError("timestamp_no_answer", status=reply.status)
        return body


def _granted(answer: bytes) -> bytes:
    """The token in a TimeStampResp. Raises TimestampError."""
    try:
        reader = der.whole(answer).reader()
        status = der.integer(reader.next(der.SEQUENCE).reader().next(der.INTEGER))
        if status not in (0, 1):
            raise TimestampError("timestamp_refused", status=status)
        token = reader.next(der.SEQUENCE).raw
        reader.done()
        return token
    except der.DerError as error:
        raise TimestampError("timestamp_form", reason=error.reason) from None
