"""Fine-tuning at full size under the mask makes the network that fine-tuning the small one makes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import pruning
from experiments.records.record import Record
from support.running import run, untimed
from support.tiny_run import POWER_CUT

GROUPS = ("method=group2d", "method.groups=2", "method.score=l1", "ratio=0.5", "trainer.precision=64-true")


def outputs(folder: Path) -> Tensor:
    (kept,) = folder.glob("*/network")
    with torch.no_grad():
        made: Tensor = pruning.load(kept).network.double()(
            torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()
        )
    return made


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    folder = tmp_path_factory.mktemp("masked")
    return folder, run(folder, *GROUPS, "repair=ls", "repair.images=40")


def test_both_ways_make_the_same_network(masked: tuple[Path, Record], tmp_path: Path) -> None:
    folder, made = masked
    small = run(tmp_path, *GROUPS, "repair=ls", "repair.images=40", "method.tune=small")
    torch.testing.assert_close(outputs(folder), outputs(tmp_path), rtol=0, atol=1e-9)
    assert (made.tuned.macs, made.tuned.params) == (small.tuned.macs, small.tuned.params)
    assert made.repaired is not None
    assert small.repaired is not None
    assert made.repaired.accuracy == small.repaired.accuracy
    assert made.stages[-1].train_macs > small.stages[-1].train_macs  # of the full size, as they were spent
    assert made.tuned.accuracy == small.tuned.accuracy


def test_killed_under_the_mask_it_goes_on_to_the_same_record(
    masked: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POWER_CUT, "2:1")
    asked = (*GROUPS, "repair=ls", "repair.images=40")
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path, *asked)
    monkeypatch.delenv(POWER_CUT)
    again = run(tmp_path, *asked)
    assert untimed(replace(again, config={})) == untimed(replace(masked[1], config={}))
    torch.testing.assert_close(outputs(tmp_path), outputs(masked[0]), rtol=0, atol=0)
