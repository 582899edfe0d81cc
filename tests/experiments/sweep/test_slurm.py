"""A sweep on a real SLURM of this machine (`-m slurm`): what kills, requeues and restarts leave of it."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments.records import jobs, record, status
from experiments.records.jobs import Job
from experiments.system.checkout import ROOT
from support.sweeping import finish, refusal_of, start

SCRIPT = ROOT / "tests" / "support" / "slurm.sh"
pytestmark = pytest.mark.slurm
SMALL = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1", "hydra.launcher.poll_s=1")
LONG = "recipe.baseline.epochs=300"


@pytest.fixture(scope="module", autouse=True)
def _own_slurm() -> Iterator[None]:
    if os.geteuid() != 0 or not (shutil.which("slurmctld") and shutil.which("munged")):
        pytest.skip("starts a SLURM, as root: apt-get install slurm-wlm")
    folder = tempfile.mkdtemp(prefix="slurm")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SLURM_CONF", f"{folder}/slurm.conf")
        try:
            subprocess.run(["bash", SCRIPT, "start", folder], check=True)
            yield
        finally:
            subprocess.run(["bash", SCRIPT, "stop", folder], check=True)
            shutil.rmtree(folder, ignore_errors=True)


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


def test_whatever_disturbs_them_jobs_end_in_the_weights_of_an_undisturbed_sweep(tmp_path: Path) -> None:
    """The driver is killed; of what runs on one job is put back by an administrator, one leaves as it does before its
    time is over, and one makes way for another partition's job; then all do, for a second driver that waits."""
    asked = ("method=l1", "seed=0,1,2", LONG)
    killed = start(tmp_path / "slurm", *asked, *SMALL)
    wait_until(lambda: count_checkpoints(tmp_path / "slurm") == 3, killed)
    killed.kill()
    finish(killed)
    first, second, third = (job.scheduler for job in jobs.read(tmp_path / "slurm"))
    follower = start(tmp_path / "slurm", *asked, *SMALL)
    scontrol("requeue", first)
    subprocess.run(["scancel", "--signal=USR2", second], check=True)
    wait_until(lambda: all(restarts(name) for name in (first, second)), follower)
    preempt(third)
    wait_until(lambda: restarts(third), follower)
    code, output = finish(follower)
    assert code == 0, output
    assert "3 jobs are in SLURM's queue already" in output
    assert "3 jobs: 3 done, 0 not" in output
    assert [job.scheduler for job in jobs.read(tmp_path / "slurm")] == [first, second, third]
    code, output = finish(start(tmp_path / "local", *asked))
    assert code == 0, output
    assert weights(tmp_path / "slurm") == weights(tmp_path / "local")


def count_checkpoints(folder: Path) -> int:
    return len(list(folder.glob("store/*/last.ckpt")))


def restarts(name: str) -> int:
    """How often it was put back into the queue; many of one that has left it."""
    shown = subprocess.run(["scontrol", "-o", "show", "job", name], capture_output=True, text=True).stdout
    found = re.search(r"Restarts=(\d+)", shown)
    return int(found[1]) if found else 99


def preempt(name: str) -> None:
    """All processors for a moment."""
    asked = ["srun", "--partition=urgent", "--exclusive", "--mem=0", "sleep", "1"]
    subprocess.run(asked, check=True, capture_output=True)
    assert restarts(name)


def the_job(folder: Path) -> Job:
    (job,) = jobs.read(folder)
    return job


def test_a_job_that_is_cancelled_says_so(tmp_path: Path) -> None:
    driver = start(tmp_path, "method=l1", "seed=0", "recipe.baseline.epochs=5000", *SMALL)
    wait_until(lambda: count_checkpoints(tmp_path), driver)
    subprocess.run(["scancel", the_job(tmp_path).scheduler], check=True)
    code, output = finish(driver)
    assert code == 1, output
    job = the_job(tmp_path)
    assert str(job.reason).startswith(f"CANCELLED in SLURM (job {job.scheduler}): ")
    assert job.state in (status.PREEMPTED, status.FAILED)  # by whether its step ended within KillWait


def test_a_job_out_of_memory_says_so(tmp_path: Path) -> None:
    code, output = finish(start(tmp_path, "method=l1", "seed=0", *SMALL, "hydra.launcher.mem_gb=0.1"))
    assert code == 1, output
    assert "OUT_OF_MEMORY in SLURM" in str(the_job(tmp_path).reason)


def test_a_job_leaves_with_a_checkpoint_before_its_time_is_over(tmp_path: Path) -> None:
    limit = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=30", "hydra.launcher.max_requeues=0")
    code, output = finish(start(tmp_path, "method=l1", "seed=0", "recipe.baseline.epochs=50000", *SMALL, *limit))
    assert code == 1, output
    job = the_job(tmp_path)
    assert (job.state, job.exit_code) == (status.PREEMPTED, 143)
    assert job.reason == "preempted by SIGUSR2: the same command does what is left"


def test_two_processes_of_a_job_run_within_it(tmp_path: Path) -> None:
    asked = ("method=l1", "seed=0", "trainer.devices=2", "trainer.strategy=ddp")
    code, output = finish(start(tmp_path, *asked, *SMALL, "hydra.launcher.cpus_per_task=2", "hydra.launcher.mem_gb=3"))
    assert code == 0, output
    (path,) = tmp_path.glob("*/record.json")
    assert record.read(path).config["trainer"]["devices"] == 2  # type: ignore[index, call-overload]


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
    assert words in refusal_of(output)
    assert not list(tmp_path.iterdir())
