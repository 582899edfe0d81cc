"""README is short, its code works as printed, and its numbers are those of committed runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import pruning
from experiments.cli import summary
from experiments.records.record import read
from experiments.system.checkout import ROOT
from pruning.budget.targets import PerLayer
from pruning.models import resnet
from pruning.surgery import certify, compact, mask

README = (ROOT / "README.md").read_text()
SHAPE = (3, 32, 32)
MAIN_JOB = ROOT / "experiments" / "results" / "digits_vgg16" / "fcf.json"


def executed(text: str, part: str, **values: Any) -> dict[str, Any]:
    """The names that are there after the only block of Python that has this part."""
    (code,) = (block for block in re.findall(r"^```python\n(.+?)^```", text, re.S | re.M) if part in block)
    exec(code, values)
    return values


def defined(text: str, name: str) -> Any:
    return executed(text, f" {name}(")[name]


def test_readme_is_read_at_one_sitting():
    assert len(README.encode()) <= 10_000


def test_exactly_two_commands_install_and_run():
    first, second = re.findall(r"```bash\n(.+?)\n```", README, re.S)
    assert first.endswith("python3 run.py method=fcf model=vgg16")
    assert "pytest" in second


def test_the_ending_is_what_the_committed_run_prints(capsys: pytest.CaptureFixture[str]):
    record = read(MAIN_JOB)
    summary.show(record, Path("outputs") / f"{record.name}-{record.digest[:8]}")
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert record.command == "python run.py method=fcf model=vgg16"
    assert "\n".join(["```", *printed, "```"]) in README


def test_the_dense_network_of_the_results_is_that_of_the_committed_runs():
    records = [read(path) for path in ROOT.glob("experiments/results/cifar10_resnet20_short/*-0.7-*/record.json")]
    (dense,) = {f"{100 * record.dense.accuracy:.2f} %" for record in records}
    assert f"The dense network, which every row starts from, has {dense}." in README


def test_the_network_and_the_method_of_your_own_work_as_printed():
    """The method takes the whole way on the network, and cuts what it says: half of the filters with the least norm."""
    network = defined(README, "small_cnn")(classes=10, image_shape=SHAPE, seed=0)
    method = defined(README, "L2")(PerLayer(0.5))
    method.attach(network, SHAPE, steps=0)
    choice = method.select(network)
    first = next(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    norms = network.get_submodule(first).weight.flatten(1).norm(dim=1)
    assert choice[first].any(1).tolist() == (norms >= norms.sort().values[len(norms) // 2]).tolist()
    small = compact(network.eval(), choice, SHAPE)
    assert certify(mask(network, choice, SHAPE), small, torch.randn(4, *SHAPE)) < 1e-5


def test_the_method_of_your_own_scores_what_is_added_up_together():
    network = resnet(20, 10, SHAPE, "B")
    method = defined(README, "L2")(PerLayer(0.5), joined="couple")
    method.attach(network, SHAPE, steps=0)
    assert {choice.any(1).sum().item() * 2 for choice in method.select(network).values()} <= {16, 32, 64}


def test_the_one_call_prunes_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.chdir(tmp_path)
    model = defined(README, "small_cnn")(classes=10, image_shape=SHAPE, seed=0)
    small = executed(README, "pruning.prune(", pruning=pruning, torch=torch, model=model)["small"]
    assert "certificate" in capsys.readouterr().out
    images = torch.randn(2, *SHAPE)
    assert torch.equal(pruning.load("out").network(images), small.network.eval()(images))
