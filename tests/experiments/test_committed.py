"""A committed record comes out again at this commit. A change that is meant to move numbers re-makes it, in the same
commit, and LOG.md says why: `REMAKE=1 python -m pytest -m faults tests/experiments/test_committed.py`."""

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments import program
from experiments.records.record import Network, Record, read
from support.tiny_run import composed

KEPT = Path(__file__).parent / "committed.json"
ASKED = (
    *("method=l1", "model=resnet20", "data=digits", "budget=macs", "ratio=0.5", "seed=0"),
    # float64 and small steps: training carries rounding on, and other processors round in another order (LOG.md)
    *("recipe.baseline.epochs=1", "recipe.baseline.lr=0.005", "recipe.finetune.epochs=1", "recipe.finetune.lr=0.005"),
    *(
        "recipe.batch=64",
        "trainer.accelerator=cpu",
        "trainer.precision=64-true",
        "trainer.compile=false",
        "tracking=none",
    ),
)


def figures(record: Record) -> dict[str, Any]:
    """All that is computed and not timed."""
    stages = [(stage.name, stage.epochs, stage.chosen_epoch, stage.val_accuracy) for stage in record.stages]
    networks = (record.dense, record.pruned, record.tuned)
    return {"certificate": record.certificate, "stages": stages, "accuracies": [each.accuracy for each in networks]}


def shape(record: Record) -> dict[str, Any]:
    networks = (record.dense, record.pruned, record.tuned)
    kept = {name: layer.kept for name, layer in record.layers.items()}
    return {"kept": kept, "costs": [(each.macs, each.params, each.bytes) for each in networks]}


def images(one: Network, other: Network) -> float:
    return abs(one.accuracy - other.accuracy) * 449  # the digits' test set


@pytest.mark.faults
def test_a_committed_record_comes_out_again(tmp_path: Path) -> None:
    """To the bit where processor, threads and torch are the record's."""
    now = program.run(composed(*ASKED, f"folder={tmp_path}", "hydra.mode=RUN"))
    assert now is not None
    if "REMAKE" in os.environ:
        replace(now, command=shlex.join(["python", "run.py", *ASKED])).write(KEPT)
    before = read(KEPT)
    assert shape(now) == shape(before)
    for name in ("dense", "pruned", "tuned"):
        assert images(getattr(now, name), getattr(before, name)) < 2.01, name
    if (now.device, now.versions["torch"]) == (before.device, before.versions["torch"]):
        assert figures(now) == figures(before)
