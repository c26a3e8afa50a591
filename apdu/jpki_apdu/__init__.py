# SPDX-License-Identifier: Apache-2.0
"""The card as ISO/IEC 7816 sees it; nothing Japanese in here."""
