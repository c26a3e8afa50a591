# SPDX-License-Identifier: Apache-2.0
"""The general profile: any X.509 path, as [RFC5280] and [RFC6960] have it.

pyhanko-certvalidator (extra ``pki``) does the path algorithm of [RFC5280 6.1]. What it lets
pass is refused before it is asked; revocation, which it reads loosely, is judged here.
"""

from __future__ import annotations

from jpki.validation.rfc5280.options import GeneralOptions
from jpki.validation.rfc5280.validator import GeneralValidator

__all__ = ["GeneralOptions", "GeneralValidator"]
