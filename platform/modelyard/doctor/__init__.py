"""Doctor: what can go wrong on a machine before it does, and the command that mends it.

Each module is one noun: a `gather_*` that asks the machine, and a `decide_*` that is pure.
"""

from modelyard.doctor.commands import before_up
from modelyard.doctor.examination import examine, quick
from modelyard.doctor.finding import Finding

__all__ = ["Finding", "before_up", "examine", "quick"]
