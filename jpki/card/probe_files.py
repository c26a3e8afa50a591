# SPDX-License-Identifier: Apache-2.0
"""Files of a card of ours that need no PIN, hold nothing of a person and are long."""

from __future__ import annotations

from jpki.card.jpki_ap import certificate_size
from jpki.card_map import JPKI_AP, SURFACE_AP, Application
from jpki_apdu.probe import ProbeFile
from jpki_apdu.tlv import total_length


def _certificate(name: str) -> ProbeFile:
    return ProbeFile(JPKI_AP.aid, JPKI_AP.file(name).fid, certificate_size)


def _record(application: Application, name: str) -> ProbeFile:
    return ProbeFile(application.aid, application.file(name).fid, total_length)


# The CA certificates are the longest that every card has: about 1300 bytes [CA-DER].
PROBE_FILES = (
    _certificate("sign-ca-certificate"),
    _certificate("auth-ca-certificate"),
    _record(SURFACE_AP, "basic-info"),
)
