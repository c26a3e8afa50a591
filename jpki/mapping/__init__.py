# SPDX-License-Identifier: Apache-2.0
"""Serial-number mapping under a policy. Nothing is imported here: most users need one part."""
