# SPDX-License-Identifier: Apache-2.0
"""An invented issuer and an invented resident, for tests of issued documents."""

from __future__ import annotations

from datetime import UTC, date, datetime

from jpki.certificate.kinds import Environment
from jpki.kiosk.documents.issuing import Issuer
from jpki.kiosk.records import ResidentRecord, SealRecord, TaxRecord
from jpki.synth.keystore import stored_ec_key

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
ISSUER = Issuer(
    "清瀬市", "清瀬市長", "JPKI-SYNTH-ISSUER", stored_ec_key("document-issuer"), Environment.TEST
)
HANAKO = ResidentRecord(
    name="番号　花子",
    kana="ばんごう はなこ",
    birth=date(1980, 2, 17),
    sex="女",
    address="東京都清瀬市中里五丁目842番地",
    resident_since=date(2010, 4, 1),
    head="番号　太郎",
    relation="妻",
    seal=SealRecord(date(2012, 5, 6), "番号"),
    tax=TaxRecord(2026, 3_456_000, 2_345_000, 234_500),
)
