# SPDX-License-Identifier: Apache-2.0
"""The registry entry of the invented library whose application is on the card ``library``."""

from __future__ import annotations

from jpki.card.free_area import FreeAreaApplication
from jpki.card.free_area_file import parse_applications

AID = "F04A504B492D544553542D4C4942"
REGISTRY = f"""
schema = "jpki.applications/1"

[[application]]
id = "sample-library"
aid = "{AID}"
name = {{ ja = "見本市立図書館", en = "Mihon City Library" }}

[[application.pin]]
id = "reader"
fid = "0011"
name = {{ ja = "図書館用暗証番号", en = "library PIN" }}
length = [4, 8]

[[application.file]]
id = "library"
fid = "0001"
name = {{ ja = "館名", en = "library" }}

[[application.file]]
id = "card-code"
fid = "0002"
name = {{ ja = "貸出券番号", en = "reader's code" }}
content = "digits"
size = 10

[[application.file]]
id = "branch"
fid = "0003"
name = {{ ja = "利用館", en = "branch" }}
kind = "record"
record = 2

[[application.file]]
id = "contact"
fid = "0004"
name = {{ ja = "連絡先", en = "contact" }}
opened_by = ["reader"]
"""


def library() -> FreeAreaApplication:
    """That application, as the registry describes it."""
    return parse_applications(REGISTRY.encode(), "registry.toml")[0]
