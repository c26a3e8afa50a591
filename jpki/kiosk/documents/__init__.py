# SPDX-License-Identifier: Apache-2.0
"""Documents a terminal issues: 住民票の写し, 印鑑登録証明書, 課税証明書."""
