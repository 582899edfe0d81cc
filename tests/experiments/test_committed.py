"""A committed record comes out again at this commit."""

from pathlib import Path
from typing import Any

import pytest
from committed import KEPT, made

from experiments.record import Network, Record, read

REMEDY = "a wanted change re-makes it (python tests/experiments/committed.py), and LOG.md says why"


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
    before, now = read(KEPT), made(tmp_path)
    assert shape(now) == shape(before), REMEDY
    for name in ("dense", "pruned", "tuned"):
        assert images(getattr(now, name), getattr(before, name)) < 2.01, (name, REMEDY)
    if (now.device, now.versions["torch"]) == (before.device, before.versions["torch"]):
        assert figures(now) == figures(before), REMEDY
