# SPDX-License-Identifier: Apache-2.0
"""What a card is used for at a terminal, one module for each use."""
