"""A forked job is what a process of its own would be: the same scripts by both, in a driver of their own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from experiments.sweep.engines import forked
from experiments.system.checkout import ROOT
from support.tiny_run import PATHS

DRIVER = """
import os, sys
from pathlib import Path
from experiments.sweep.engines import forked, local
from experiments.sweep.task import Task

start, script, folder, server = sys.argv[1:]
forked.SERVER = server or forked.SERVER
os.environ["OF_THE_DRIVER"] = "1"
variables = {"OF_THE_JOB": "2", "PYTHONUNBUFFERED": "1"}
command = [sys.executable, script, "ratio=0.5"]
job = Task(Path(folder), [], command, variables, "/tmp", "", "", True, True, False, {})
child = getattr(*{"forked": (forked, "ForkedChild"), "fresh": (local, "start_child")}[start])(job)
if "asked" in script:
    while not job.log.read_text():
        pass
    child.terminate()
print(child.wait(), child.pid)
"""
SCRIPTS = {
    "surroundings": """
import multiprocessing, os, sys
print(sys.argv[1:], sys.orig_argv[1:] == sys.argv, os.getcwd(), os.getsid(0) == os.getpid(), sys.stdin.read())
names = ("OF_THE_DRIVER", "OF_THE_JOB", "OMP_NUM_THREADS", "PYTHONPATH", "PYTHONSAFEPATH")
print([os.environ.get(name) for name in names])
print(__name__, __file__, multiprocessing.current_process().daemon)
print("to stderr", file=sys.stderr)
os.write(1, b"by number")
""",
    "words": "import sys; sys.exit('no licence for this data')",
    "code": "import sys; print('before'); sys.exit(143)",
    "at once": "import os; print('a line'); os._exit(7)",
    "killed": "import os, signal; print('a line'); os.kill(os.getpid(), signal.SIGKILL)",
    "asked": "import time; print('begun'); time.sleep(60)",
    "at exit": "import atexit, tempfile; atexit.register(print, 'left'); kept = tempfile.TemporaryDirectory(dir='.')",
    "signals": """
import signal
print([signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)])
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.set_wakeup_fd(-1))
""",
}


def drive(folder: Path, start: str, name: str, text: str, server: str) -> tuple[int, str]:
    """Exit code and log of a job that runs this text."""
    job = folder / start
    job.mkdir()
    script = folder / f"{name}.py"
    script.write_text(text)
    command = [sys.executable, "-c", DRIVER, start, str(script), str(job), server]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": PATHS}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return int(done.stdout.split()[0]), (job / "log.txt").read_text()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_forked_child_is_as_a_fresh_one(tmp_path: Path, name: str) -> None:
    """Of a server that has imported next to nothing."""
    forked, fresh = (drive(tmp_path, start, name, SCRIPTS[name], "json") for start in ("forked", "fresh"))
    assert forked == fresh


SERVER = """
import os, sys
parent = os.getppid()
print(len(os.listdir(f"/proc/{parent}/task")), os.getsid(parent) == parent, os.readlink(f"/proc/{parent}/fd/1"))
print("experiments.pipeline" in sys.modules, sys.modules["torch"].cuda.is_initialized())
"""


@pytest.mark.sweeps
def test_the_server_has_imported_all_and_holds_no_thread_no_terminal_and_no_gpu(tmp_path: Path) -> None:
    assert drive(tmp_path, "forked", "server", SERVER, "") == (0, "1 True /dev/null\nTrue False\n")


@pytest.mark.parametrize(("longer", "forks"), [(0, True), (1, False)])
def test_jobs_are_forked_where_the_server_s_socket_can_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longer: int, forks: bool
) -> None:
    """A batch system's temporary folders are deep."""
    monkeypatch.setattr("tempfile.tempdir", "/" + (forked.DEEPEST - 1 + longer) * "t")
    assert forked.can_fork({"accelerator": "cpu"}) == forks
    with socket.socket(socket.AF_UNIX) as listener:
        short, spare = Path(tempfile.mkdtemp(dir="/tmp")), len("/pymp-12345678/listener-12345678")
        path = str(short / ("s" * (forked.DEEPEST + spare + longer - len(f"{short}/"))))
        if forks:
            listener.bind(path)
        else:
            with pytest.raises(OSError, match="AF_UNIX path too long"):
                listener.bind(path)
    shutil.rmtree(short)


LEAVING = """
import sys
from pathlib import Path
from experiments.sweep.engines import forked
from experiments.sweep.task import Task

forked.SERVER = "never_imported"

def leave():
    raise InterruptedError("not begun")

try:
    forked.ForkedChild(Task(Path(sys.argv[1]), [], [], {}, "", "", "", True, True, False, {}), leave)
except InterruptedError as left:
    print(left)
"""


def test_who_is_asked_to_leave_does_not_wait_for_the_imports(tmp_path: Path) -> None:
    (tmp_path / "never_imported.py").write_text("import time\ntime.sleep(100)")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PATHS}"}
    command, output = [sys.executable, "-c", LEAVING, str(tmp_path)], tmp_path / "output"
    with output.open("w") as file:  # a pipe would stay open until the server ends
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=file, timeout=80)
    assert (done.returncode, output.read_text()) == (0, "not begun\n")
