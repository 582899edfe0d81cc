"""The whole path of ImageNet in small, by the typed command: 100 files of 100 classes, a ResNet-50, FCF, 64 pixels, two
processes, killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.system.checkout import ROOT
from support.harness import PAIR

pytestmark = pytest.mark.faults

SAMPLES = Path(os.environ.get("PRUNING_SHARED", ROOT.parent / "shared"), "data", "imagenet_samples")
ASKED = ("method=fcf", "model=resnet50", "data=imagenet", "data.size=64", "data.resize=72", "data.val=10")
SHORT = ("recipe.batch=12", "recipe.baseline.epochs=1", "recipe.prune.epochs=19", "recipe.finetune.epochs=1")
QUIET = ("tracking=none", "trainer.progress=false", "trainer.precision=32-true", "data.workers=0")
MINUTES = 10


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """train/ and val/ of the same files: photographs where they are here, noise elsewhere."""
    samples = SAMPLES if SAMPLES.is_dir() else write_noise(tmp_path / "samples")
    for part in ("train", "val"):
        (tmp_path / "images" / part).parent.mkdir(exist_ok=True)
        (tmp_path / "images" / part).symlink_to(samples)
    return tmp_path / "images"


def write_noise(folder: Path) -> Path:
    noise = np.random.default_rng(0)
    for number in range(100):
        name = folder / f"n{number:08}" / "image.JPEG"
        name.parent.mkdir(parents=True)
        Image.fromarray(noise.integers(0, 256, (90, 110, 3), dtype=np.uint8)).save(name)
    return folder


@contextmanager
def command(images: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "run.py", *ASKED, *SHORT, *QUIET, *PAIR, f"data.root={images}", f"folder={folder}"]
    with (folder.parent / "log.txt").open("a") as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, text=True, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def finish(images: Path, folder: Path) -> dict[str, Any]:
    with command(images, folder) as process:
        assert process.wait(60 * MINUTES) == 0, (folder.parent / "log.txt").read_text()
    (path,) = folder.glob("*/record.json")
    made: dict[str, Any] = json.loads(path.read_text())
    return made


def test_two_processes_that_were_killed_go_on_where_they_were(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with command(images, folder) as process:
        end = time.monotonic() + 60 * MINUTES
        while not list(folder.glob("store/prune-*/last.ckpt")):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    made = finish(images, folder)
    assert [(stage["name"], stage["reused"]) for stage in made["stages"]] == [
        ("baseline", True),
        ("prune", False),
        ("finetune", False),
    ]
    assert "going on from" in (tmp_path / "log.txt").read_text()
    assert (len(made["classes"]), made["tuned"]["tested"]) == (100, 100)
    assert 1 - made["tuned"]["macs"] / made["dense"]["macs"] == pytest.approx(0.5, abs=0.01)
    assert made["certificate"] < 1e-4
