"""A sweep on Ray: a new one on this machine, or that of an address. Those that start one are marked `sweeps`."""

import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.records import status
from experiments.records.jobs import Job
from experiments.sweep.engines.ray import Asked, claims_of_job, count_places
from experiments.system.checkout import ROOT
from support.sweeping import finish, refusal_of, start

CPUS = {"CPU": 8.0, "memory": 1e9}
GPUS = {"CPU": 16.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("asked", "trainer", "nodes", "claims"),
    [
        (("auto", "auto"), ("cpu", 1), [GPUS], (1, 0)),
        (("auto", "auto"), ("cpu", 2), [CPUS], (2, 0)),
        (("auto", "auto"), ("auto", 1), [CPUS], (1, 0)),
        (("auto", "auto"), ("auto", 2), [CPUS, GPUS], (2, 2)),
        (("auto", "auto"), ("gpu", 1), [CPUS], (1, 1)),
        ((4, 0.5), ("gpu", 1), [GPUS], (4, 0.5)),
    ],
)
def test_a_job_claims_what_its_trainer_takes(
    asked: tuple[float | str, float | str],
    trainer: tuple[str, int],
    nodes: list[dict[str, float]],
    claims: tuple[float, float],
) -> None:
    found = claims_of_job(Asked(None, *asked), {"accelerator": trainer[0], "devices": trainer[1]}, nodes)
    assert (found["num_cpus"], found["num_gpus"]) == claims


def test_a_claim_that_the_trainer_does_not_tell_must_be_given() -> None:
    with pytest.raises(ValueError, match=r"hydra\.launcher\.num_cpus must be a number.*trainer\.devices=auto"):
        claims_of_job(Asked(None, "auto", 0), {"accelerator": "cpu", "devices": "auto"}, [CPUS])


@pytest.mark.parametrize(("cpus", "gpus", "places"), [(1, 0, 24), (3, 0, 7), (2, 0.5, 8), (9, 0, 1), (1, 8, 0)])
def test_places_are_counted_node_by_node(cpus: float, gpus: float, places: int) -> None:
    assert count_places({"num_cpus": cpus, "num_gpus": gpus}, [CPUS, GPUS]) == places


@pytest.fixture
def _own_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its sockets want a short path; a token of its own leaves that of the user alone."""
    pytest.importorskip("ray")
    folder = tempfile.mkdtemp(prefix="ray")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield
    shutil.rmtree(folder, ignore_errors=True)


def run_jobs(folder: Path, address: str, *number: str) -> tuple[str | None, list[Job]]:
    """How the driver left, and what is written of its jobs."""
    command = [sys.executable, ROOT / "tests" / "support" / "ray_jobs.py", folder, address, *number]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads(ended.stdout.splitlines()[-1])
    return result["left"], [Job(**job) for job in result["jobs"]]


def check_ends(found: list[Job]) -> None:
    good, kill, words, last = found
    assert [job.state for job in found] == [status.COMPLETED, status.FAILED, status.FAILED, status.COMPLETED]
    assert [job.reason for job in (kill, words)] == ["killed by SIGKILL", "no licence"]
    assert good.started < str(kill.ended)  # side by side
    assert kill.started < str(good.ended)
    assert str(last.ended) > str(good.started)


@pytest.mark.sweeps
@pytest.mark.usefixtures("_own_ray")
def test_two_jobs_at_once_and_one_that_is_killed_is_one_failed_job(tmp_path: Path) -> None:
    left, found = run_jobs(tmp_path, "local")
    assert left is None
    check_ends(found)
    assert (tmp_path / "sweep" / "abc" / "last" / "log.txt").read_text() == "last\n"


@pytest.mark.sweeps
@pytest.mark.usefixtures("_own_ray")
@pytest.mark.parametrize(("number", "how"), [("SIGTERM", "Preempted"), ("SIGINT", "KeyboardInterrupt")])
def test_jobs_leave_with_the_driver_each_as_it_wants(tmp_path: Path, number: str, how: str) -> None:
    left, found = run_jobs(tmp_path, "local", number)
    assert left == how
    assert [job.state for job in found[:2]] == [status.PREEMPTED] * 2
    assert {job.reason for job in found[:2]} == {"preempted by SIGTERM: with a checkpoint"}
    assert all("not begun" in str(job.reason) for job in found[2:])


@pytest.mark.sweeps
@pytest.mark.usefixtures("_own_ray")
def test_jobs_go_to_the_cluster_of_an_address(tmp_path: Path) -> None:
    ports = ["--port=0", f"--ray-client-server-port={free_port()}", f"--dashboard-agent-listen-port={free_port()}"]
    own = ["--block", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    command = [Path(sys.executable).parent / "ray", "start", "--head", "--node-ip-address=127.0.0.1", *own, *ports]
    head = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert head.stdout is not None
        found = next(match for line in head.stdout if (match := re.search(r"--address='(\S+)'", line)))
        check_ends(run_jobs(tmp_path, found[1])[1])
    finally:
        head.terminate()
        head.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.sweeps
@pytest.mark.usefixtures("_own_ray")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "Connection refused"),
        ("ray://127.0.0.1:1", "Connection refused"),
        ("nowhere", "Invalid address"),
    ],
)
def test_an_address_that_does_not_answer_is_one_line_before_the_first_job(
    tmp_path: Path, address: str, words: str
) -> None:
    code, output = finish(start(tmp_path, "seed=0", "hydra/launcher=ray", f"hydra.launcher.address={address}"))
    assert code == 2, output
    assert f"hydra.launcher.address={address} gives no Ray" in (line := refusal_of(output))
    assert words in line
    assert not list(tmp_path.iterdir())
