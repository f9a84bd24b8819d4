"""The most memory that this process has taken, for programs that measure themselves."""

import resource
import sys


def peak_bytes() -> int:
    """The largest resident memory that this process has had, in bytes."""
    try:
        # The system's other account, below, starts with the size of the process that started this one.
        with open("/proc/self/status", encoding="ascii") as file:
            peak = next(line for line in file if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    except (OSError, StopIteration):
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return highest if sys.platform == "darwin" else highest * 1024  # Linux counts in KiB
