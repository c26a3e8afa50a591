# SPDX-License-Identifier: Apache-2.0
"""The command line: parse, prompt, render. No card or PKI logic in here."""
