"""Whether a process that a file names still runs. Imports no torch."""

import os
import time
from datetime import datetime
from pathlib import Path

SLACK = 2.0  # seconds between a process's start by the kernel's clock and by ours


def alive(pid: int, started: str) -> bool:
    """Of this host. A process that began after `started` (ISO 8601) only has the same number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, and is another user's
    facts = Path(f"/proc/{pid}/stat")
    if not facts.exists():
        return not Path("/proc/self/stat").exists()
    state, *fields = facts.read_text().rpartition(")")[2].split()
    return state != "Z" and born(float(fields[18])) <= datetime.fromisoformat(started).timestamp() + SLACK


def born(ticks: float) -> float:
    """Seconds since 1970, of the 22nd field of /proc/PID/stat: ticks since the machine started."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
