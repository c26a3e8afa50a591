# SPDX-License-Identifier: Apache-2.0
"""The server half: takes a challenge's answer, decides, and gives what was asked for."""
