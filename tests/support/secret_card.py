# SPDX-License-Identifier: Apache-2.0
"""The invented card of the secrets test, every value of which stands nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime

from jpki.synth import my_number

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NAME, ADDRESS = "秘密野　漏子", "東京都清瀬市秘匿町七丁目７７７番地"
NUMBER = my_number("the secrets test")
PINS = {
    "auth": "8642", "sign": "LEAK9Z", "text": "9753", "juki": "8531", "common": "8542",
    "licence": "8426",
}  # fmt: skip
LICENCE, CONDITION = "997755331199", "秘密の条件"
NEW = {"auth": "7159", "sign": "DRIP8Y"}
FREE_AREA_CODE, FREE_AREA_PIN = "LIB-LEAK-73195", "6420"
WRONG = {"auth": "3917", "text": "3928"}
BIRTH_KEY = "031230"  # 平成3年
BORN = ["1991-12-30", "19911230", "平成3年"]

CARD = f"""
schema = "jpki.card/1"
name = "secrets"
applications = ["jpki", "surface", "text", "common", "juki", "licence"]

[holder]
name = "{NAME}"
address = "{ADDRESS}"
birth = 1991-12-30
sex = "female"
number = "{NUMBER}"

[municipality]
code = "13221"

[dates]
month_day = "10-27"
days_before = 365

[card]
security_code = "7391"

[certificates.auth]
serial = 0x0ACE0FF1

[certificates.sign]
serial = 0x0ACE0FF2

[pins]
{chr(10).join(f'{kind} = "{value}"' for kind, value in PINS.items())}

[licence]
number = "{LICENCE}"
history_number = "{LICENCE[::-1]}"
expires = 2029-03-07
conditions = ["{CONDITION}"]

[[free_area]]
id = "sample-library"
aid = "F04A504B492D4C45414B"

[[free_area.pin]]
fid = "0011"
value = "{FREE_AREA_PIN}"

[[free_area.file]]
fid = "0001"
text = "{FREE_AREA_CODE}"

[[free_area.file]]
fid = "0002"
text = "{FREE_AREA_CODE}"
opened_by = ["0011"]

[keys]
slot = 3
"""

REGISTRY = """
schema = "jpki.applications/1"

[[application]]
id = "sample-library"
aid = "F04A504B492D4C45414B"
name = { ja = "見本図書館", en = "Sample library" }

[[application.pin]]
id = "reader"
fid = "0011"
name = { ja = "暗証番号", en = "PIN" }
length = [4, 4]

[[application.file]]
id = "card-code"
fid = "0001"
name = { ja = "貸出券番号", en = "reader's code" }

[[application.file]]
id = "guarded"
fid = "0002"
name = { ja = "貸出券番号", en = "reader's code" }
opened_by = ["reader"]
"""
