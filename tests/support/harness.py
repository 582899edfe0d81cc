"""`run.py` in processes that cost a fork: a server has imported torch and lightning once, its children run commands."""

import contextlib
import json
import multiprocessing
import os
import re
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from experiments.system.checkout import ROOT
from experiments.system.processes import read_stat
from support import hindrances
from support.tiny_run import PATHS, TINY, quadrants

TYPED = tuple(each for each in TINY if not each.startswith("hydra."))
PAIR = ("trainer.devices=2", "trainer.strategy=ddp")
PATIENCE = 60  # seconds until a process counts as hanging
GATED = ("method=fcf", "recipe.prune.epochs=38", "method.lr=0.1", "recipe.baseline.epochs=8")
SHORT = ("recipe.finetune.epochs=4", "recipe.grant=false")

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["support.saboteurs", "support.hindrances", "experiments.pipeline"])


class Job:
    """One `python run.py ...` on the tiny network. `log` holds what it printed."""

    def __init__(self, folder: Path, *overrides: str, env: dict[str, str] | None = None, make: bool = True) -> None:
        os.environ["PYTHONPATH"] = PATHS  # the server has no other way to find the tests
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        self.log = Path(tempfile.mkstemp(suffix=".log", prefix=f"{folder.name}.", dir=logs(folder))[1])
        arguments = (*TYPED, f"folder={folder}", *overrides)
        self.process = context.Process(target=command, args=(arguments, env or {}, str(self.log)), daemon=True)
        self.process.start()

    def wait(self, seconds: float = 2 * PATIENCE) -> int:
        """The exit code; that of a process killed by a signal is negative."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.kill()
            raise AssertionError(f"still running after {seconds} s; it said\n{self.said()}")
        return self.process.exitcode

    def finish(self) -> None:
        assert self.wait() == 0, self.said()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def until(self, true: Callable[[], Any], seconds: float = PATIENCE) -> None:
        """Returns as soon as it is true; the job must still run then."""
        end = time.monotonic() + seconds
        while not true():
            assert self.process.is_alive(), f"ended too early; it said\n{self.said()}"
            assert time.monotonic() < end, f"waited in vain; it said\n{self.said()}"
            time.sleep(0.002)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


def pair(folder: Path, *overrides: str, envs: Sequence[dict[str, str]] = ({}, {})) -> tuple[Job, Job]:
    """One run in two processes, as srun or torchrun starts them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(listener.getsockname()[1])}
    first, second = (
        Job(folder, *PAIR, *overrides, env=where | {"LOCAL_RANK": str(rank)} | env) for rank, env in enumerate(envs)
    )
    return first, second


def whole(folder: Path, *overrides: str) -> Any:
    """The numbers of a run that nothing disturbs."""
    Job(folder, *overrides).finish()
    return numbers(folder)


def words(folder: Path, overrides: Sequence[str], env: dict[str, str]) -> dict[str, Any]:
    """Of a typed command, as subprocess takes them."""
    command = [sys.executable, "run.py", *TYPED, f"folder={folder}", *overrides]
    return {"args": command, "cwd": ROOT, "env": os.environ | {"PYTHONPATH": PATHS} | env}


def typed(folder: Path, *overrides: str, **env: str) -> subprocess.CompletedProcess[str]:
    """For real, in an interpreter of its own, without this harness's server: slow."""
    said: dict[str, Any] = {"capture_output": True, "text": True}
    return subprocess.run(**words(folder, overrides, env), **said, timeout=2 * PATIENCE)


def begun(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """A typed command in a process group of its own, as soon as it trains."""
    process = subprocess.Popen(**words(folder, overrides, {}), start_new_session=True, stdout=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while not any(path.stat().st_size for path in folder.glob("store/*/metrics.jsonl")):
        assert process.poll() is None, "ended too early"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return process


def image_files(root: Path) -> tuple[str, ...]:
    """The tiny run's images as files: 20 of each class in train, 10 in test; and what to ask for."""
    for part, first, last in (("train", 0, 80), ("test", 80, 120)):
        pixels, labels = (each[first:last] for each in quadrants(120, seed=0))
        for number, (image, label) in enumerate(zip(pixels.numpy(), labels.tolist(), strict=True)):
            folder = root / part / "abcd"[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number:03}.png")
    small = ("data.size=8", "data.resize=8", "data.val=16")
    return "data=folder", f"data.root={root}", "data._target_=support.saboteurs.StoppingFolder", *small


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone in between
            if int(read_stat(child := int(path.parent.name))[1]) == pid:
                found.append(child)
    return found


def command(arguments: Sequence[str], env: dict[str, str], log: str) -> None:
    """In the child."""
    os.environ.update(env)
    multiprocessing.current_process()._config["daemon"] = False  # a loader's workers are children, which daemons lack
    with open(log, "wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    hindrances.hinder(env)
    sys.argv = ["run.py", *arguments]
    sys.orig_argv = [sys.executable, str(ROOT / "run.py"), *arguments]  # what a run's further processes are started by
    runpy.run_path(str(ROOT / "run.py"), run_name="__main__")


def logs(folder: Path) -> Path:
    """Beside the folder, or where that is closed beside its parent."""
    return folder.parent if os.access(folder.parent, os.W_OK) else folder.parent.parent


def record(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*/record.json")
    return json.loads(path.read_text())


TIMES = re.compile(r"seconds|images_per_second|latency_ms|reused|commit|command|config")


def numbers(folder: Path) -> Any:
    """All that two runs of the same must share: the record but for times and places, and the digests of weights."""
    return untimed(record(folder)), digests(folder)


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untimed(each) for key, each in value.items() if not TIMES.search(key)}
    return [untimed(each) for each in value] if isinstance(value, list) else value


def digests(folder: Path) -> dict[str, str]:
    stages = (json.loads(path.read_text()) for path in folder.glob("store/*/stage.json"))
    return {stage["name"]: stage["weights_sha256"] for stage in stages}


def litter(folder: Path) -> list[Path]:
    """Temporary files, which no clean exit may leave."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name.startswith(".")]
