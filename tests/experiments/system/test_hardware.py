"""What this machine likes is a number before anything is made: the same run as with that number written out."""

from pathlib import Path

import pytest
import torch

from experiments import program
from experiments.config.node import plain
from experiments.run.prepare import prepare
from experiments.system import hardware
from pruning.deploy.runtimes import channel_multiple
from support.tiny_run import config, settings


def test_round_to_auto_is_a_run_with_that_number(tmp_path: Path) -> None:
    wanted = channel_multiple(torch.device("cpu"))
    auto, written = (prepare(settings(f"folder={tmp_path}", f"budget.round_to={of}")) for of in ("auto", wanted))
    assert auto.settings.budget.arguments["round_to"] == wanted
    assert auto.settings.method.arguments["budget"] == plain(auto.settings.budget)
    assert auto.digest == written.digest


@pytest.mark.parametrize(("word", "numbers"), [("AVX512", 16), ("AVX2", 8), ("DEFAULT", 4)])
def test_a_register_holds_so_many_float32_numbers(monkeypatch: pytest.MonkeyPatch, word: str, numbers: int) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: word)
    assert channel_multiple(torch.device("cpu")) == numbers
    assert channel_multiple(torch.device("cuda")) == 8


GPU0, GPU1 = torch.device("cuda", 0), torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("devices", "rank", "wanted"),
    [
        (1, 0, GPU0),
        ([1], 0, GPU1),
        ("1,", 0, GPU1),
        ("auto", 0, GPU0),
        (2, 1, GPU1),
        ([3, 1], 1, GPU1),
        ("0,1", 1, GPU1),
        (-1, 1, GPU1),
    ],
)
def test_a_process_has_the_gpu_that_was_asked_for(devices: object, rank: int, wanted: torch.device) -> None:
    """Said without asking any GPU: this holds where there is none."""
    assert hardware.device("gpu", devices, rank) == wanted


def test_other_words_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.device("cpu", [1]) == torch.device("cpu")
    with pytest.raises(ValueError, match=r"trainer\.accelerator must be auto, cpu or gpu, got abacus"):
        hardware.device("abacus")
    monkeypatch.setenv("SLURM_LOCALID", "3")
    assert hardware.local_rank() == 3
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert hardware.local_rank() == 1


def test_a_plan_is_made_where_the_asked_accelerator_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the widths that it likes."""
    asked = ("plan=true", "trainer.accelerator=gpu", "trainer.devices=[1]", "trainer.precision=auto")
    program.run(config(f"folder={tmp_path}", "budget.round_to=auto", *asked))
    assert "budget.round_to=8" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_a_run_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trainer\.\* asks for what is not here"):
        prepare(settings(f"folder={tmp_path}", "trainer.accelerator=gpu"))


@pytest.mark.parametrize("method", ["l1", "fcf"])
def test_float16_is_for_gpus(tmp_path: Path, method: str) -> None:
    with pytest.raises(ValueError, match="16-mixed needs a GPU, and this run is on the cpu: take bf16-mixed"):
        prepare(settings(f"folder={tmp_path}", "trainer.precision=16-mixed", f"method={method}"))
