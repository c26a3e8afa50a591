# SPDX-License-Identifier: Apache-2.0
"""What works on this machine, and what would make the rest work. Reads, and changes nothing.

Findings are data; words are in ``messages`` under ``doctor.``; the command line shows them.
"""

from jpki.doctor.examination import examine
from jpki.doctor.findings import Finding, Level
from jpki.doctor.host import Host, PcscAnswer
from jpki.doctor.real_host import RealHost

__all__ = ["Finding", "Host", "Level", "PcscAnswer", "RealHost", "examine"]
