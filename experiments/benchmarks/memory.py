"""The memory that a piece of work needs, as the system counts it: tensors and Python's objects alike. Linux only."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

PROCESS = Path("/proc/self")


def peak_megabytes(work: Callable[[], object]) -> float:
    """Megabytes resident at the peak, over what was resident before."""
    reset_peak()
    before = read_kilobytes("VmRSS")
    work()
    return (read_kilobytes("VmHWM") - before) / 1000


def reset_peak() -> None:
    """VmHWM is counted from here on."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back to the system, or it would be taken again unseen
    (PROCESS / "clear_refs").write_text("5")


def read_kilobytes(field: str) -> int:
    return parse_kilobytes((PROCESS / "status").read_text(), field)


def parse_kilobytes(status: str, field: str) -> int:
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))
