"""Disks that are full, folders that may not be written, servers that do not answer. Faults E of docs/faults.md."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from experiments.records import metrics
from experiments.records.record import read
from experiments.tracking import wandb_run
from experiments.tracking.figures import summary_figures
from experiments.trainer.checkpoints import read_verified
from pruning.files import durable
from support.harness import Job, children, litter, numbers, whole
from support.running import run
from support.tiny_run import POWER_CUT
from support.wandb_server import server

pytestmark = pytest.mark.faults
MEEK = {"MEEK": ""}  # root may write everywhere


def test_a_full_disk_keeps_the_checkpoint_before_and_says_what_it_needed(tmp_path: Path) -> None:
    """The limit is on the size of one file, where no test may mount a disk. Room comes back, and the run goes on."""
    wide = ("model._target_=support.saboteurs.wide", "recipe.baseline.epochs=4")
    Job(tmp_path / "whole", *wide).finish()
    cut = tmp_path / "cut"
    assert Job(cut, *wide, env={POWER_CUT: "4:2"}).wait() == 1
    (last,) = cut.glob("store/*/last.ckpt")
    before = last.stat().st_size
    full = Job(cut, *wide, env={"FULL": str(before // 2)})
    assert full.wait() == 1
    assert f"{last}" in full.said()
    assert f"{before:,} bytes are to be written" in full.said()
    assert "Traceback" not in full.said()
    assert not litter(cut)
    assert any(read_verified(path) for path in cut.rglob("*.ckpt"))
    Job(cut, *wide).finish()
    assert numbers(cut) == numbers(tmp_path / "whole")


@pytest.mark.parametrize("place", ["nowhere", "/dev/null"])
def test_no_place_for_temporary_files_is_needed(tmp_path: Path, place: str) -> None:
    job = Job(tmp_path / "run", env={"TMPDIR": place})
    assert job.wait() == 0, job.said()
    assert len(list(tmp_path.glob("run/*/record.json"))) == 1


def test_a_folder_that_may_not_be_written_is_refused_at_once(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    job = Job(closed / "run", env=MEEK, make=False)
    assert job.wait() == 2
    assert f"folder={closed / 'run'} cannot be written: {closed} is not a folder one may write to" in job.said()


def test_a_folder_closed_in_mid_run_ends_it_with_its_name(tmp_path: Path) -> None:
    job = Job(tmp_path / "run", "recipe.baseline.epochs=300", env=MEEK)
    job.until(lambda: list(tmp_path.glob("run/store/*/last.ckpt")))
    (last,) = tmp_path.glob("run/store/*/last.ckpt")
    last.parent.chmod(0o555)
    assert job.wait() == 1
    last.parent.chmod(0o755)
    assert str(last.parent) in job.said()
    assert "Traceback" not in job.said()
    assert any(read_verified(each) for each in last.parent.glob("*.ckpt"))


def test_a_kill_leaves_every_line_in_our_own_file(tmp_path: Path) -> None:
    """W&B offline would have lost them. Killed in step 83; lines are due at each tenth step and each epoch's end."""
    stopping = ("tracking=offline", "recipe.baseline.epochs=300", "data._target_=support.saboteurs.Stopping")
    job = Job(tmp_path / "run", *stopping, env={"STOP": f"83:{signal.SIGKILL}"})
    assert job.wait() == -9, job.said()
    (path,) = tmp_path.glob("run/store/*/metrics.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(10, 83, 10))
    assert [line["step"] for line in lines if "val_accuracy" in line] == list(range(4, 83, 4))


def test_a_server_that_never_answers_is_a_warning_within_half_a_minute(tmp_path: Path) -> None:
    """And costs no number: it is reached, and keeps silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        env = {"WANDB_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}", "WANDB_API_KEY": "0" * 40}
        job = Job(tmp_path / "online", "tracking=online", env=env)
        job.until(lambda: "going on offline" in job.said())
        assert time.monotonic() - begun < 30
        job.finish()
    assert list(tmp_path.glob("online/*/wandb/offline-run-*/*.wandb"))
    assert numbers(tmp_path / "online") == whole(tmp_path / "offline", "tracking=offline")


ONLINE = ("tracking=online", "recipe.baseline.epochs=40")


@pytest.mark.parametrize(
    "odd", [(200, "<html>login</html>"), (200, "[]"), (200, '{"data": {"upsertBucket": 7}}'), (500, "")]
)
def test_odd_answers_of_a_server_cost_a_warning(tmp_path: Path, odd: tuple[int, str]) -> None:
    with server(odd) as wandb:
        job = Job(tmp_path / "run", "tracking=online", env=wandb.environment)
        job.finish()
    assert_written_offline(tmp_path / "run", job)


def test_a_name_that_wandb_refuses_is_refused_before_training(tmp_path: Path) -> None:
    with server() as wandb:
        job = Job(tmp_path / "run", "tracking=online", "tracking.project=a/b", env=wandb.environment)
        assert job.wait() == 2  # refused before anything is trained
    assert "tracking.project" in job.said()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_online_run_that_goes_on_has_each_line_once(tmp_path: Path, number: int) -> None:
    """What the server has of it at the end: who it is, its curves as in our own file, its figures, and its end."""
    asked = (*ONLINE, "tracking.group=sweep-7", "data._target_=support.saboteurs.Stopping")
    with server() as wandb:
        stopped = Job(tmp_path / "run", *asked, env=wandb.environment | {"STOP": f"83:{number}"})
        assert stopped.wait() != 0
        job = Job(tmp_path / "run", *asked, env=wandb.environment)
        job.finish()
    assert "W&B: http://127.0.0.1" in stopped.said()
    assert "W&B has failed" not in stopped.said() + job.said()
    assert not list(tmp_path.glob("run/*/wandb/offline-run-*")), "all of it was sent"
    (record,) = (read(path) for path in tmp_path.glob("run/*/record.json"))
    assert list(wandb.runs) == [record.digest[:16]]
    (sent,) = wandb.runs.values()
    lines = metrics.read(tmp_path.glob("run/l1-*/metrics.jsonl"))
    assert [stage_figures(line) for line in sent.history[:-1]] == [
        {f"{line['stage']}/{key}": value for key, value in line.items() if key not in ("stage", "step", "epoch")}
        for line in lines
    ]
    figures = summary_figures(record)
    assert {name: sent.summary.get(name) for name in figures} == figures
    assert (sent.exit_code, sent.asked["groupName"], sent.asked["notes"]) == (0, "sweep-7", record.command)
    assert "repair:none" in sent.asked["tags"]
    assert sent.config["seed"] == {"value": 0}
    assert sent.preempting == (number == signal.SIGTERM), "what a scheduler asks to leave is told to W&B"


def stage_figures(line: dict) -> dict:
    """Without the axes that all stages share, and W&B's own."""
    return {key: value for key, value in line.items() if "/" in key}


def test_a_killed_core_costs_a_warning(tmp_path: Path) -> None:
    """In the middle of the run, and of it the server has the lines so far."""
    with server() as wandb:
        job = Job(tmp_path / "run", *ONLINE, env=wandb.environment)
        job.until(lambda: list(tmp_path.glob("run/store/*/last.ckpt")))
        cores = [pid for pid in children(job.process.pid) if b"wandb-core" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert cores, job.said()
        for pid in cores:
            os.kill(pid, signal.SIGKILL)
        job.finish()
    assert any("upsertBucket" in each for each in wandb.asked)
    assert_written_offline(tmp_path / "run", job)


def assert_written_offline(folder: Path, job: Job) -> None:
    """One line of warning, COMPLETED, the record and W&B's own offline file."""
    assert job.said().count("W&B has failed") == 1, job.said()
    assert "Traceback" not in job.said()
    assert len(list(folder.glob("*/record.json"))) == len(list(folder.glob("*/wandb/offline-run-*/*.wandb"))) == 1
    assert json.loads(next(folder.glob("*/status.json")).read_text())["state"] == "COMPLETED"


def test_an_online_run_waits_for_a_slow_upload_of_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb_run, "REACH", 10)
    monkeypatch.setattr(wandb_run, "SLOWEST", 200)  # bytes a second: a minute for this network
    with server(delay=12) as wandb:
        for name, value in wandb.environment.items():
            monkeypatch.setenv(name, value)
        run(tmp_path, "tracking=online", "tracking.artifact=true")
    assert "W&B has failed" not in capsys.readouterr().out
    network = {path.name: path.stat().st_size for path in tmp_path.glob("l1-*/network/*")}
    assert network.items() <= wandb.uploaded.items()
    assert wandb.committed == ["model"]
    assert [each.exit_code for each in wandb.runs.values()] == [0]


def test_an_error_of_writing_names_path_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(durable.UnwritableError, match=r"3 bytes are to be written: '.*nowhere/file'"):
        durable.write(tmp_path / "nowhere" / "file", b"abc")
