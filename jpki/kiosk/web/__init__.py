# SPDX-License-Identifier: Apache-2.0
"""The prototype in a browser: the page of a terminal, and a bench to try it with."""
