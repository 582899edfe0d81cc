"""What is said while nothing moves, and when Ctrl-C is pressed, in a process of its own with and without a terminal."""

import os
import pty
import subprocess
import sys

from experiments.system.checkout import ROOT

WAITING = """
import time
from experiments.system.activity import activity
activity.begin("before")
with activity.shown():
    activity.begin("thinking [of it]")
    time.sleep(2.2)
    activity.begin("resting")
    time.sleep(0.1)
time.sleep(2.2)
print("the end")
"""
LONG_STEP = """
import hashlib, os, signal, subprocess
from experiments.system import interrupt
interrupt.answer_at_once()
signal.signal(signal.SIGINT, lambda number, frame: print("python's turn", flush=True))
subprocess.Popen(["sh", "-c", f"sleep 0.2; kill -INT {os.getpid()}"])
hashlib.pbkdf2_hmac("sha256", b"", b"", 4_000_000)  # about two seconds without the interpreter, as a step of torch
"""


def run(program: str) -> str:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ran.stderr == ""
    return ran.stdout


def run_in_terminal(program: str) -> str:
    """What a terminal gets."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", program], stdout=theirs, stderr=theirs, cwd=ROOT) as child:
        os.close(theirs)
        shown = read_all(ours)
    assert child.returncode == 0
    return shown


def read_all(file: int) -> str:
    parts = []
    try:
        while part := os.read(file, 4096):
            parts.append(part)
    except OSError:  # Linux ends a terminal so
        pass
    os.close(file)
    return b"".join(parts).decode()


def test_without_a_terminal_what_lasts_is_one_line() -> None:
    assert run(WAITING) == "thinking [of it] ...\nthe end\n"


def test_in_a_terminal_a_spinner_vanishes_and_gives_the_cursor_back() -> None:
    shown = run_in_terminal(WAITING)
    assert "before" not in shown
    assert "thinking [of it]" in shown
    assert "0:00:02" in shown
    assert "resting" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert shown.rstrip().endswith("the end")


def test_ctrl_c_is_answered_before_python_has_its_turn() -> None:
    assert run(LONG_STEP) == "interrupted: leaving at the end of this step\npython's turn\n"
