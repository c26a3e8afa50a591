# SPDX-License-Identifier: Apache-2.0
"""Unattended terminals: the session machine, flows on it, the web prototype."""
