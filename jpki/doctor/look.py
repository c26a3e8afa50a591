# SPDX-License-Identifier: Apache-2.0
"""Lists the PC/SC readers for the doctor, as a process of its own: ``python -m jpki.doctor.look``.

One JSON object on stdout: ``readers`` as [name, card present, busy, ATR], and ``error``.
"""

from __future__ import annotations

import json
import sys

from jpki_apdu.errors import CardError, NoServiceError, PcscMissingError
from jpki_apdu.readers import list_readers


def answer() -> dict[str, object]:
    """What is to be said."""
    try:
        readers = [[r.name, r.card_present, r.busy, r.atr.hex()] for r in list_readers()]
    except PcscMissingError:
        return {"readers": [], "error": "missing"}
    except NoServiceError as error:
        denied = error.code == "access_denied"
        return {"readers": [], "error": "access_denied" if denied else "no_service"}
    except CardError:
        return {"readers": [], "error": "failed"}
    return {"readers": readers, "error": ""}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer()))
