# SPDX-License-Identifier: Apache-2.0
"""From what a card gave to a verdict: the login challenge and the whole-card check."""
