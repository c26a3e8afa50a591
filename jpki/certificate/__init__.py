# SPDX-License-Identifier: Apache-2.0
"""The JPKI certificate profile: names, attributes, policy, medium, generation."""
