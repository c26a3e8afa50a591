# SPDX-License-Identifier: Apache-2.0
"""What a reader tells of itself by PC/SC part 10."""

from __future__ import annotations

from collections.abc import Callable

# Which control code tells a reader's properties, and the property wanted.
_GET_FEATURE_REQUEST = 3400
_FEATURE_GET_TLV_PROPERTIES = 0x12
_MAX_APDU_DATA_SIZE = 0x0A


def max_apdu_data_size(control_code: Callable[[int], int], control: Callable[[int], bytes]) -> int:
    """dwMaxAPDUDataSize (bytes) as the reader tells it; 0 if it does not.

    ``control_code``: SCARD_CTL_CODE. ``control``: what the reader answers, b"" for nothing.
    """
    features = control(control_code(_GET_FEATURE_REQUEST))
    where = _simple_tlv(features).get(_FEATURE_GET_TLV_PROPERTIES)
    if where is None:
        return 0
    properties = control(int.from_bytes(where, "big"))
    return int.from_bytes(_simple_tlv(properties).get(_MAX_APDU_DATA_SIZE, b""), "little")


def _simple_tlv(data: bytes) -> dict[int, bytes]:
    """Tags and values of one-byte TLV as PC/SC part 10 has it; what is cut off is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found
