"""Whole runs: prune, compact, certify, fine-tune, resume, export; every method, precision, compiled and not."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from experiments.records.record import Record
from support.gpu_runs import METHODS, asked
from support.harness import numbers
from support.running import run as run_here
from support.tiny_run import POWER_CUT

EXPORT = ("export=onnx",) if all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))) else ()


def run(folder: Path, *overrides: str) -> Record:
    """As in a process of its own: what was compiled before decides on what is compiled, and whether anything is."""
    torch.compiler.reset()
    return run_here(folder, *overrides)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_cut_off_in_fine_tuning_ends_as_one_that_was_not_bit_for_bit(
    device: torch.device, method: str, precision: str, compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of the same, one of them resumed: the same bits, a certificate, and a file for other programs."""
    same = (*asked(device, method, precision, compiled), *EXPORT)
    whole = run(tmp_path / "whole", *same)
    monkeypatch.setenv(POWER_CUT, "2:1")
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "cut", *same)
    monkeypatch.delenv(POWER_CUT)
    run(tmp_path / "cut", *same)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")
    assert whole.certificate <= 1e-4
    assert len(list(tmp_path.glob("whole/*/network.onnx"))) == len(EXPORT)


def test_one_shot_methods_train_in_float16(device: torch.device, tmp_path: Path) -> None:
    if device.type == "cpu":
        pytest.skip("float16 is for GPUs")
    made = run(tmp_path, *asked(device, "l1", "16-mixed"))
    assert made.precision == "16-mixed"
    assert made.tuned.accuracy > 0.9
