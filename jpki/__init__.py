# SPDX-License-Identifier: Apache-2.0
"""Toolkit for the Japanese My Number card (個人番号カード).

Not made, tested or approved by J-LIS, the Digital Agency or a ministry.
"""

__version__ = "0.1.0"
