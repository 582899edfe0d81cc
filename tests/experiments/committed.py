"""A small run whose record is kept beside this file. `python tests/experiments/committed.py` makes it anew: only for a
change that is meant to move numbers, in the same commit, and LOG.md says why."""

import os
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: as in the tests
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from tiny_run import composed

from experiments import pipeline
from experiments.record import Record

KEPT = HERE / "committed.json"
ASKED = (
    *("method=l1", "model=resnet20", "data=digits", "budget=macs", "ratio=0.5", "seed=0"),
    *("recipe.baseline.epochs=3", "recipe.finetune.epochs=2", "recipe.batch=64"),
    *("trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.compile=false", "tracking=none"),
)


def made(folder: Path) -> Record:
    found = pipeline.run(composed(*ASKED, f"folder={folder}", "hydra.mode=RUN"))
    assert found is not None
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made(Path(folder)).write(KEPT)
