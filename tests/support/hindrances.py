"""What goes wrong around a run in the tests, before it begins: disks, rights, sudden deaths."""

import ctypes
import os
import resource
import signal
import stat
from pathlib import Path
from typing import Any


def hinder(env: dict[str, str]) -> None:
    """Before the program begins. DISK: `enter`; FULL: bytes that a file holds; MEEK: modes count for root too; DIE:
    `die_at`."""
    if "DISK" in env:
        enter(env["DISK"])
    if "FULL" in env:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(env["FULL"]), int(env["FULL"])))
    if "MEEK" in env:
        drop_privileges()
    if "DIE" in env:
        die_at(env["DIE"])


def enter(pid: str) -> None:
    """setns(2): where that process is, with the disks that are mounted there only."""
    here, libc = os.getcwd(), ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "mnt"):
        theirs, ours = Path(f"/proc/{pid}/ns/{kind}"), Path(f"/proc/self/ns/{kind}")
        if theirs.readlink() == ours.readlink():
            continue
        with open(theirs, "rb") as place:
            if libc.setns(place.fileno(), 0):
                raise OSError(ctypes.get_errno(), f"setns {theirs}: {os.strerror(ctypes.get_errno())}")
    os.chdir(here)


def drop_privileges() -> None:
    """capset(2): without capabilities root is a user like any other."""
    if os.getuid() == 0:
        header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, nothing) == 0


def die_at(point: str) -> None:
    """`<before|after|half>:<n>`: SIGKILL around the n-th file that is moved to, or half-way through its writing."""
    when, _, number = point.partition(":")
    countdown = [int(number)]

    def hit() -> bool:
        countdown[0] -= 1
        return countdown[0] == 0

    def replace(source: Any, target: Any) -> None:
        fatal = when != "half" and hit()
        if fatal and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        move(source, target)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def fdatasync(descriptor: int) -> None:
        if when == "half" and stat.S_ISREG(os.fstat(descriptor).st_mode) and hit():
            os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    move, sync = os.replace, os.fsync
    os.replace, os.fsync = replace, fdatasync
