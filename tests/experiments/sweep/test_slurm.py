"""A sweep on a real SLURM of this machine (`-m slurm`): what kills, requeues and restarts leave of it."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.records import jobs, record
from support.sweeping import finish, start


def answers() -> bool:
    return bool(shutil.which("sinfo")) and subprocess.run(["sinfo"], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(not answers(), reason="no SLURM answers here: install slurm-wlm and munge, and start one"),
]
SMALL = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1", "hydra.launcher.poll_s=1")
LONG = "recipe.baseline.epochs=300"


def scontrol(*words: str) -> None:
    subprocess.run(["scontrol", *words], check=True)


def wait_until(happened: Callable[[], object], driver: "subprocess.Popen[str] | None" = None) -> None:
    while not happened():
        assert driver is None or driver.poll() is None, finish(driver)
        time.sleep(0.2)


def weights(folder: Path) -> dict[int, bytes]:
    made = {record.read(path).seed: path.parent for path in folder.glob("*/record.json")}
    return {seed: (run / "network" / "model.safetensors").read_bytes() for seed, run in made.items()}


def test_a_job_that_is_killed_is_one_failed_job(tmp_path: Path) -> None:
    """With its reason; the sweep goes to its end, and the same command submits what is left."""
    asked = ("data._target_=support.dying.Dying", "+data.death=no,kill", *SMALL)
    code, output = finish(start(tmp_path, *asked))
    assert code == 1, output
    assert "2 jobs: 1 done, 1 not" in output
    assert "killed by SIGKILL" in output
    assert "report.html" in output
    first = {job.overrides[-1]: job.scheduler for job in jobs.read(tmp_path)}
    code, output = finish(start(tmp_path, *asked))
    assert code == 1
    assert "1 of them before" in output
    again = {job.overrides[-1]: job.scheduler for job in jobs.read(tmp_path)}
    assert [name for name in first if first[name] != again[name]] == ["+data.death=kill"]


def test_requeued_preempted_and_followed_by_another_driver_weights_are_equal(tmp_path: Path) -> None:
    asked = ("method=l1", "seed=0,1", LONG)
    killed = start(tmp_path / "slurm", *asked, *SMALL)
    wait_until(lambda: len(list(tmp_path.glob("slurm/store/*/last.ckpt"))) == 2, killed)
    killed.kill()
    finish(killed)
    first, second = (job.scheduler for job in jobs.read(tmp_path / "slurm"))
    scontrol("requeue", first)
    subprocess.run(["scancel", "--signal=USR2", second], check=True)  # as SLURM does before the time is over
    follower = start(tmp_path / "slurm", *asked, *SMALL)
    for name in (first, second):  # a job that was put back waits for two minutes, unless it is told to begin
        wait_until(lambda name=name: is_pending(name), follower)
        scontrol("update", f"JobId={name}", "StartTime=now")
    code, output = finish(follower)
    assert code == 0, output
    assert "2 jobs are in SLURM's queue already" in output
    assert "2 jobs: 2 done, 0 not" in output
    assert [job.scheduler for job in jobs.read(tmp_path / "slurm")] == [first, second]
    code, output = finish(start(tmp_path / "local", *asked))
    assert code == 0, output
    assert weights(tmp_path / "slurm") == weights(tmp_path / "local")


def is_pending(name: str) -> bool:
    shown = subprocess.run(["squeue", "-h", "-j", name, "-o", "%T"], capture_output=True, text=True).stdout
    return shown.strip() == "PENDING"


def test_ctrl_c_says_what_runs_on_and_how_to_stop_it(tmp_path: Path) -> None:
    driver = start(tmp_path, "method=l1", "seed=0", "recipe.baseline.epochs=5000", *SMALL)
    wait_until(lambda: list(tmp_path.glob("store/*/last.ckpt")), driver)
    driver.send_signal(signal.SIGINT)
    code, output = finish(driver)
    assert code == 1, output
    found = re.search(r"1 jobs run on in SLURM: .*scancel (\d+) stops", output)
    assert found, output
    subprocess.run(["scancel", found[1]], check=True)


@pytest.mark.parametrize(
    ("value", "words"), [("partition=nowhere", "invalid partition specified: nowhere"), ("gpus_per_node=1", "(gres)")]
)
def test_what_slurm_would_not_take_is_refused_before_the_first_job(tmp_path: Path, value: str, words: str) -> None:
    code, output = finish(start(tmp_path, "seed=0", *SMALL, f"hydra.launcher.{value}"))
    assert code == 2
    assert words in output
    assert len(output.splitlines()) == 1
    assert not list(tmp_path.iterdir())
