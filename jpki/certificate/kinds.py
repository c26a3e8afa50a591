# SPDX-License-Identifier: Apache-2.0
"""The words that tell JPKI certificates apart. Shared by readers, validators and makers."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """The two CA families of JPKI."""

    SIGN = "sign"  # 署名用
    AUTH = "auth"  # 利用者証明用


class Medium(StrEnum):
    """What carries the private key."""

    CARD = "card"  # 個人番号カード用
    PHONE = "phone"  # 移動端末設備用


class Environment(StrEnum):
    """Where a root belongs. Test and production never mix; ``custom`` is a file the user named."""

    PRODUCTION = "production"
    TEST = "test"  # JPKI-SYNTH, made by this toolkit
    JLIS_TEST = "jlis-test"  # JPKI-TEST, lent by J-LIS
    CUSTOM = "custom"
