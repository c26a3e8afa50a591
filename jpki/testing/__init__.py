# SPDX-License-Identifier: Apache-2.0
"""Emulated cards for other people's tests: a pytest plug-in that loads nothing until used."""
