# SPDX-License-Identifier: Apache-2.0
"""A counter where people log in with their My Number card."""
