# SPDX-License-Identifier: Apache-2.0
"""A CMS as it lies in a file: DER or BER, which are streamed, or PEM."""

from __future__ import annotations

import base64
import binascii
import io
import re
from pathlib import Path
from typing import BinaryIO, Final

from jpki.errors import InputFileError
from jpki.input_file import reading

_ARMOUR: Final = re.compile(
    rb"\A\s*-----BEGIN (CMS|PKCS7)-----\s(.*?)-----END \1-----\s*\Z", re.DOTALL
)
_MAX_ARMOURED: Final = 1 << 28  # bytes; larger ones come as DER, which is streamed


def open_cms(path: Path) -> BinaryIO:
    """The file, or what its armour holds, to be closed by the caller. Raises InputFileError."""
    with reading(path):
        file = path.open("rb")
        head = file.read(1)
        file.seek(0)
        if head == b"\x30":
            return file
        with file:
            data = file.read(_MAX_ARMOURED + 1)
    found = _ARMOUR.match(data) if len(data) <= _MAX_ARMOURED else None
    if found is None:
        raise InputFileError(path=str(path), reason="bad_pem")
    try:
        return io.BytesIO(base64.b64decode(b"".join(found[2].split()), validate=True))
    except binascii.Error as exc:
        raise InputFileError(path=str(path), reason="bad_pem") from exc
