"""What this machine likes is a number before anything is made: the same run as with that number written out."""

from pathlib import Path

import pytest
import torch
from tiny_run import config

from experiments import hardware
from experiments.prepare import prepare


def test_round_to_auto_is_a_run_with_that_number(tmp_path: Path) -> None:
    wanted = hardware.lanes(torch.device("cpu"))
    auto, written = (prepare(config(f"folder={tmp_path}", f"budget.round_to={of}")) for of in ("auto", wanted))
    assert auto.values["budget"]["round_to"] == auto.values["method"]["budget"]["round_to"] == wanted
    assert auto.digest == written.digest


@pytest.mark.parametrize(("word", "numbers"), [("AVX512", 16), ("AVX2", 8), ("DEFAULT", 4)])
def test_a_register_holds_so_many_float32_numbers(monkeypatch: pytest.MonkeyPatch, word: str, numbers: int) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: word)
    assert hardware.lanes(torch.device("cpu")) == numbers
    assert hardware.lanes(torch.device("cuda")) == 8
