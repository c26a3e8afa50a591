# SPDX-License-Identifier: Apache-2.0
"""Signs a digest with a card, a token or a key file, and builds signatures in the usual formats."""
