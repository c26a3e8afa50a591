# SPDX-License-Identifier: Apache-2.0
"""One module per noun; each is imported only when its command runs."""
