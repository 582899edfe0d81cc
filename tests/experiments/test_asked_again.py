"""A finished run that is asked for again: its answer takes no torch, and is given for nothing else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import asked_again
from experiments.system.checkout import ROOT
from support.running import run
from support.tiny_run import PATHS, TINY, settings

AGAIN = """
import runpy, sys
sys.argv = ["run.py", *sys.argv[1:]]
try:
    runpy.run_path("run.py", run_name="__main__")
finally:
    print("heavy:", sorted({"torch", "lightning", "numpy", "scipy", "sklearn", "wandb"} & set(sys.modules)))
"""


def test_a_finished_run_is_answered_without_torch_or_numpy(tmp_path: Path) -> None:
    made = run(tmp_path)
    (folder,) = (path.parent for path in tmp_path.glob("*/record.json"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    command = [sys.executable, "-c", AGAIN, *TINY, f"folder={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": PATHS}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{folder} is complete: nothing to make" in done.stdout
    assert f"{100 * made.tuned.accuracy:.2f} %" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    run(folder, "name=mine")
    return folder


def test_the_same_is_answered(finished: Path) -> None:
    assert asked_again.find(settings(f"folder={finished}", "name=mine")) is not None


@pytest.mark.parametrize("other", ["store=false", "seed=1", "tracking=online", "trainer.devices=2", "ratio=0.25"])
def test_anything_else_is_a_run_of_its_own(finished: Path, other: str) -> None:
    """Under the same name too."""
    assert asked_again.find(settings(f"folder={finished}", "name=mine", other)) is None


def test_a_run_that_is_being_made_is_not_answered(finished: Path) -> None:
    (path,) = finished.glob("*/status.json")
    complete = path.read_text()
    path.write_text(complete.replace("COMPLETED", "FAILED"))
    assert asked_again.find(settings(f"folder={finished}", "name=mine")) is None
    path.write_text(complete)


def test_what_it_was_made_of_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, weights = tmp_path / "photos", tmp_path / "weights.safetensors"
    images.mkdir()
    weights.write_bytes(b"1")
    asked = (f"+data.root={images}", f"baseline={weights}", f"folder={tmp_path}")
    seen = [asked_again.identify(settings(*asked))]
    weights.write_bytes(b"2")
    seen.append(asked_again.identify(settings(*asked)))
    (images / "one.png").write_bytes(b"")
    seen.append(asked_again.identify(settings(*asked)))
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    seen.append(asked_again.identify(settings(*asked)))
    assert len({*seen}) == len(seen)
    assert asked_again.identify(settings(*asked)) == seen[-1]


def test_too_many_images_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_again, "MANY", 3)
    asked = settings(f"+data.root={tmp_path}", "folder=elsewhere")
    for number in range(3):
        (tmp_path / f"{number}.png").touch()
    assert asked_again.identify(asked)
    (tmp_path / "3.png").touch()
    assert not asked_again.identify(asked)
    assert asked_again.find(asked) is None
