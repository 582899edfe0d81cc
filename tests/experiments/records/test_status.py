import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.records.status import Run, Status, keep_status
from experiments.system.preemption import Preempted

RUN = Run("python run.py method=l1", "l1", "l1", "vgg16", "digits", 0.5, 0, "ab" * 32)


def read(folder: Path) -> Status:
    found = status.read(folder)
    assert found is not None
    return found


def change(folder: Path, **values: object) -> None:
    path = folder / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_it_says_what_runs_where(tmp_path: Path) -> None:
    assert status.read(tmp_path) is None
    with keep_status(tmp_path, RUN):
        found = read(tmp_path)
    assert (found.state, found.pid, found.host, found.ended) == ("RUNNING", os.getpid(), socket.gethostname(), None)
    assert (found.command, found.ratio, found.digest) == (RUN.command, 0.5, RUN.digest)
    assert (read(tmp_path).state, read(tmp_path).started) == ("COMPLETED", found.started)


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (ValueError("ratio must\n lie in 0"), "FAILED", "ratio must lie in 0"),
        (KeyError("a bug"), "FAILED", "KeyError: 'a bug'"),
        (MemoryError(), "FAILED", "MemoryError"),
        (SystemExit(0), "FAILED", "ended with exit code 0 before the run was complete"),
        (SystemExit(), "FAILED", "ended with exit code 0 before the run was complete"),
        (SystemExit("no licence\nfor this data"), "FAILED", "no licence for this data"),
        (KeyboardInterrupt(), "FAILED", "interrupted by Ctrl-C"),
        (Preempted("preempted by SIGTERM"), "PREEMPTED", "preempted by SIGTERM"),
    ],
)
def test_every_end_has_its_state_and_one_line(tmp_path: Path, error: BaseException, state: str, reason: str) -> None:
    with pytest.raises(type(error)), keep_status(tmp_path, RUN):
        raise error
    assert (read(tmp_path).state, read(tmp_path).reason) == (state, reason)
    assert read(tmp_path).ended is not None


def test_a_killed_process_is_no_running_one(tmp_path: Path) -> None:
    code = "import os; from pathlib import Path; from experiments.records.status import Run, keep_status\n"
    code += f"with keep_status(Path({str(tmp_path)!r}), Run(**{vars(RUN)!r})): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "RUNNING"
    assert read(tmp_path).state == "FAILED"
    assert str(read(tmp_path).reason).startswith("killed: process")


def test_another_process_of_the_same_number_is_not_it(tmp_path: Path) -> None:
    with keep_status(tmp_path, RUN):
        change(tmp_path, birth="another")
        assert read(tmp_path).state == "FAILED"


@pytest.mark.parametrize("started", ["2020-01-01T00:00:00+00:00", "2120-01-01T00:00:00+00:00"])
def test_a_clock_that_was_set_declares_no_living_run_dead(tmp_path: Path, started: str) -> None:
    """Neither forward nor back since it began; nor its job, in a sweep."""
    with keep_status(tmp_path, RUN):
        change(tmp_path, started=started)
        assert read(tmp_path).state == "RUNNING"
        here = {"pid": os.getpid(), "birth": read(tmp_path).birth, "host": socket.gethostname()}
        job = Job([], status.RUNNING, started=started, **here)
        assert jobs.correct_if_killed(tmp_path, job) == job
        assert jobs.correct_if_killed(tmp_path, replace(job, birth="another")).state == "FAILED"


def test_of_another_host_nothing_can_be_said(tmp_path: Path) -> None:
    with keep_status(tmp_path, RUN):
        change(tmp_path, host="elsewhere", pid=999_999_999)
        assert read(tmp_path).state == "RUNNING"


def test_a_finished_run_is_not_written_again_and_one_killed_before_it_said_so_is(tmp_path: Path) -> None:
    with keep_status(tmp_path, RUN):
        pass
    before = (tmp_path / "status.json").stat().st_mtime_ns
    with keep_status(tmp_path, RUN, anew=False):
        pass
    assert (tmp_path / "status.json").stat().st_mtime_ns == before
    (tmp_path / "status.json").write_text("{torn")
    with keep_status(tmp_path, RUN, anew=False):
        pass
    assert read(tmp_path).state == "COMPLETED"


def test_a_finished_run_found_whole_by_other_code_is_next_time_answered_at_once(tmp_path: Path) -> None:
    with keep_status(tmp_path, replace(RUN, identity="before")):
        pass
    before = read(tmp_path)
    with keep_status(
        tmp_path, replace(RUN, identity="now", command="python run.py method=l1 trainer.progress=false"), anew=False
    ):
        pass
    assert read(tmp_path) == replace(before, identity="now")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 9}', '{"schema": 1}', "[" * 100_000])
def test_what_is_no_status_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(ValueError, match=r"status\.json is not a whole status"):
        status.read(tmp_path)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    with pytest.raises(ValueError, match=r"status\.json is not a whole status: IsADirectoryError"):
        status.read(tmp_path)
