"""Whatever lies in a folder of results is a row or is named with its reason."""

import json
import math
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments import sweeps
from experiments.benchmarks.synthetic_runs import vary, write
from experiments.record import SCHEMA, Record
from experiments.report.collect import Trouble, collect


def single(folder: Path) -> Path:
    return write(folder, ("l1",), (0.5,), (0,))[0] / "record.json"


def broken(folder: Path, **changes: Any) -> Trouble:
    """The only trouble of a folder whose record was changed by hand, or by an older program."""
    path = single(folder)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    found = collect([folder])
    assert found.runs == []
    (trouble,) = found.troubles
    assert trouble.what == str(path)
    return trouble


NETWORK = {"accuracy": 0.9, "accuracy_top5": None, "macs": 10, "params": 10, "bytes": 10, "latency_ms": {}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": SCHEMA - 1}, f"schema {SCHEMA - 1}"),
        ({"tuned": NETWORK | {"accuracy": math.nan}}, "accuracy of the tuned network is nan"),
        ({"tuned": NETWORK | {"accuracy": 93.1}}, "not a share"),
        ({"dense": NETWORK | {"macs": 0}}, "counts 0"),
        ({"dense": NETWORK | {"macs": 10**30}}, "counts"),
        ({"dense": NETWORK | {"latency_ms": {"1": 0.0}}}, "timed"),
        ({"certificate": 0.5}, "not the masked one"),
        ({"certificate": math.nan}, "not the masked one"),
        ({"ratio": 1.5}, "ratio 1.5"),
        ({"config": {}}, "lacks data, model"),
        (
            {
                "layers": {
                    "a": {"filters_kept": 9, "filters_total": 2, "kernels_kept": 9, "kernels_total": 2, "kept": None}
                }
            },
            "9 of 2",
        ),
        ({"colour": "red"}, "unknown keys"),
    ],
)
def test_what_is_not_sound_is_named_and_never_ranked(tmp_path: Path, changes: dict[str, Any], reason: str):
    assert reason in broken(tmp_path, **changes).reason


@pytest.mark.parametrize("text", ["", "{", '{"schema": 2', "[]", "[" * 100_000, "\x00\xff"])
def test_half_written_ones_are_named(tmp_path: Path, text: str):
    path = single(tmp_path)
    path.write_text(text)
    (trouble,) = collect([tmp_path]).troubles
    assert (trouble.what, trouble.state) == (str(path), "unreadable")


def test_committed_records_go_by_any_name_and_other_json_is_no_trouble(tmp_path: Path):
    vary("l1", 0.5, 0).write(tmp_path / "l1.json")
    (tmp_path / "other.json").write_text('{"benchmark": "compaction"}')
    (tmp_path / "torn.json").write_text('{"schema": 2, "dig')
    found = collect([tmp_path])
    assert [run.path.name for run in found.runs] == ["l1.json"]
    assert [Path(trouble.what).name for trouble in found.troubles] == ["torn.json"]


def test_an_empty_folder_says_what_to_do(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no record in .*python run\.py"):
        collect([tmp_path])
    with pytest.raises(FileNotFoundError):
        collect([tmp_path / "nowhere"])


def said(state: str, reason: str | None = None, pid: int = 1, host: str = "elsewhere") -> str:
    words = dict.fromkeys(("command", "name", "method", "model", "data", "digest"), "mine")
    times = {"started": "2026-01-01T00:00:00+00:00", "ended": None, "ratio": 0.5, "seed": 0}
    return json.dumps({"schema": 1, "state": state, "reason": reason, "pid": pid, "host": host} | words | times)


@pytest.mark.parametrize(
    ("text", "state", "reason"),
    [
        (said("FAILED", "loss is nan at step 3"), "FAILED", "loss is nan at step 3"),
        (said("PREEMPTED"), "PREEMPTED", "goes on where it was"),
        (said("RUNNING"), "RUNNING", "still at work"),
        (said("RUNNING", pid=2**22 + 1, host=socket.gethostname()), "FAILED", "killed"),
        (said("COMPLETED"), "COMPLETED", "no record"),
        ("[]", "unreadable", "not a whole status"),
        ("{", "unreadable", "not a whole status"),
    ],
)
def test_a_run_without_a_record_is_shown_by_its_status(tmp_path: Path, text: str, state: str, reason: str):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text(text)
    (trouble,) = collect([tmp_path]).troubles
    assert trouble.state == state
    assert reason in trouble.reason


def test_a_completed_run_is_no_trouble(tmp_path: Path):
    path = single(tmp_path)
    (path.parent / "status.json").write_text(said("COMPLETED"))
    found = collect([tmp_path, tmp_path])
    assert (len(found.runs), found.troubles) == (1, [])


def test_jobs_of_a_sweep_are_shown_once_with_their_logs(tmp_path: Path):
    """Three jobs: one done, one failed (its run says so too), one not begun."""
    single(tmp_path)
    asked = [["method=l1", "seed=0"], ["method=l1", "seed=1"], ["method=fcf", "name=a b"]]
    place = sweeps.place(tmp_path, ["method=l1,fcf"])
    sweeps.begin(place, "python run.py -m", asked)
    done = sweeps.Job(asked[0], state="COMPLETED", run="x", exit_code=0)
    failed = sweeps.Job(asked[1], state="FAILED", run="dead", reason="exit code 7", log="sweep/log.txt", exit_code=7)
    for job in (done, failed):
        (place / sweeps.key(job.overrides)).mkdir()
        sweeps.write(place / sweeps.key(job.overrides), job)
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "status.json").write_text(said("RUNNING"))
    found = collect([tmp_path])
    assert [(each.state, each.reason, each.command) for each in found.troubles] == [
        ("FAILED", "exit code 7", "python run.py method=l1 seed=1"),
        ("WAITING", "not begun", "python run.py method=fcf 'name=a b'"),
    ]
    assert found.troubles[0].log == str(tmp_path / "sweep" / "log.txt")
    (place / "sweep.json").write_text("{")
    assert "unreadable" in [each.state for each in collect([tmp_path]).troubles]


def test_two_of_one_setting_and_seed_are_not_two_samples(tmp_path: Path):
    old, new = single(tmp_path / "a"), single(tmp_path / "b")
    record = vary("l1", 0.5, 0)
    replace(record, digest="0" * 64).write(new)
    os.utime(old, (1, 1))
    found = collect([tmp_path])
    assert [run.path for run in found.runs] == [new]
    (trouble,) = found.troubles
    assert (trouble.what, trouble.state) == (str(old), "set aside")


def test_the_shape_from_scratch_is_a_row_of_its_own(tmp_path: Path):
    record: Record = vary("l1", 0.5, 0)
    replace(record, scratch=replace(record.tuned, accuracy=0.5), control="scratch").write(tmp_path / "record.json")
    plain, scratch = collect([tmp_path]).runs
    assert (plain.scratch, scratch.scratch) == (False, True)
    assert scratch.final.accuracy == 0.5
