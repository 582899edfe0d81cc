"""Whether a process that a file names still runs. Imports no torch."""

import os
import socket
from pathlib import Path


def has_ended(host: str, pid: int, birth: str | None) -> bool:
    """Of what a file says is running; on another host nobody knows, and it counts as running."""
    return host == socket.gethostname() and not is_alive(pid, birth)


def is_alive(pid: int, birth: str | None) -> bool:
    """Of this host. A process of another birth only has the same number; without one (older files) that counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, and is another user's
    if not Path("/proc/self/stat").exists():
        return True
    current = process_birth(pid)
    return current is not None and birth in (None, current)


def process_birth(pid: int) -> str | None:
    """When, by a clock that nobody sets: ticks since the machine started, and which start that was. None where it is
    gone, or has ended and waits for its parent to hear so."""
    try:
        state, *fields = read_stat(pid)
    except OSError:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id")
    return None if state == "Z" else f"{boot.read_text().strip() if boot.exists() else ''}:{fields[18]}"


def read_stat(pid: int) -> list[str]:
    """Of /proc/PID/stat what follows the name, which may hold anything: the state first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
