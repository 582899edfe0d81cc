"""A network that no name builds is saved with its own graph and comes back bit for bit; a lying graph is refused."""

import json
import math
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

import pruning
from pruning.files.artifact import DESCRIPTION
from pruning.files.program import describe

NAMES = ("resnet18", "shufflenet_v2_x0_5", "squeezenet1_1")
Lie = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize("name", NAMES)
def test_a_network_comes_back_without_dense(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    example = torch.randn(1, 3, 64, 64)
    small = pruning.prune(models.get_model(name, weights=None, num_classes=5).eval(), example, "l1", layer=0.3)
    pruning.save(small, tmp_path)
    got = pruning.load(tmp_path)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(got.network(images), small.network(images))
    assert (got.report, got.selection, got.classes) == (small.report, small.selection, ())
    for listed in (nn.Module.named_parameters, nn.Module.named_buffers):
        assert [name for name, _ in listed(got.network)] == [name for name, _ in listed(small.network)]


def test_columns_in_groups_come_back(tmp_path: Path) -> None:
    model, example = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), torch.randn(1, 3, 10, 10)
    model.add_module("a-name-1", nn.Conv2d(8, 8, 3))
    model.append(nn.Flatten()).append(nn.Linear(8 * 36, 4))
    small = pruning.prune(model, example, "group2d", layer=0.5, score="l1", groups=2)
    pruning.save(small, tmp_path)
    assert torch.equal(pruning.load(tmp_path).network(example), small.network(example))


class Foreign(nn.Module):
    """Parameter-free, of a class that no file may name."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.erf(x)


def test_what_a_file_may_not_hold_is_named_with_the_remedy(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), Foreign(), nn.Conv2d(8, 4, 3))
    small = pruning.prune(model, torch.randn(1, 3, 8, 8), "l1", layer=0.5)
    with pytest.raises(ValueError, match=r"special_erf holds a call of special_erf, .*: give save\(\) dense="):
        pruning.save(small, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    pruning.save(small, tmp_path / "new", dense=model)
    assert torch.equal(
        *(each.network(torch.ones(1, 3, 8, 8)) for each in (pruning.load(tmp_path / "new", model), small))
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    pruning.save(pruning.prune(model, torch.randn(1, 3, 8, 8), "l1", layer=0.5), folder)
    return folder


def node(index: int, *changed: Any) -> Lie:
    """The node at a place in other words: op, name, target, args, kwargs as far as they are given."""

    def lie(values: dict[str, Any]) -> None:
        whole = values["program"]["nodes"][index]
        values["program"]["nodes"][index] = [b if a is None else a for a, b in zip(changed, whole, strict=False)]
        values["program"]["nodes"][index] += whole[len(changed) :]

    return lie


def layer(**changed: Any) -> Lie:
    return lambda values: values["program"]["layers"]["0"].update(changed)


def attribute(name: str, value: Any) -> Lie:
    return lambda values: values["program"]["layers"]["0"]["attributes"].update({name: value})


LIES: dict[str, tuple[Lie, str]] = {
    "a function": (node(1, "call_function", None, "os.system", {"tuple": ["touch harm"]}), "no call_function may be"),
    "a builtin": (node(1, "call_function", None, "builtins.eval", {"tuple": ["1"]}), "no call_function may be"),
    "an attribute": (
        node(1, "call_function", None, "builtins.getattr", {"tuple": [{"node": "input_1"}, "__class__"]}),
        "no attribute of a tensor that may be read",
    ),
    "a method": (node(1, "call_method", None, "__reduce__"), "no call_method may be"),
    "text for a name": (node(1, None, "x = __import__('os')"), "no name of a node"),
    "text for a layer": (node(1, None, None, '0")'), "no name of a layer"),
    "text for an argument": (node(1, None, None, None, None, {"dict": {"a=1, b": 1}}), "no node of a graph"),
    "a later node": (node(1, None, None, None, {"tuple": [{"node": "output"}]}), "no value of a graph"),
    "no layer": (node(1, None, None, "9"), "the graph is damaged"),
    "a class": (layer(**{"class": "os.PathLike"}), "no layer may be a"),
    "a forward": (attribute("forward", "x"), "no attribute of a torch.nn.Conv2d may be 'forward'"),
    "a hook": (attribute("_forward_hooks", {"dict": {}}), "may be '_forward_hooks'"),
    "a huge weight": (layer(parameters={"weight": [[2**50, 2**50], "float32", True], "bias": None}), "damaged|take"),
    "a wide weight": (layer(parameters={"weight": [[2**20, 3, 3, 3], "float32", True], "bias": None}), "not take"),
    "a strange number": (layer(parameters={"weight": [[4, 3, 3, 3], "object", True]}), "no tensor of object"),
    "words for numbers": (attribute("stride", "two"), "does not take images"),
    "a strange value": (attribute("stride", {"code": "1"}), "no value of a graph"),
    "no nodes": (lambda values: values["program"].pop("nodes"), "the graph is damaged"),
    "no output": (lambda values: values["program"]["nodes"].pop(), "the graph"),
    "an endless selection": (lambda v: v["kernels"]["0"].update(shape=[2**26, 2**26]), "more than"),
    "a report in words": (lambda values: values["report"].update(bytes=["a", "b"]), "whole numbers"),
    "an order to the terminal": (lambda v: v["report"]["rows"][0].update(name="\x1b[2J"), "no row of a report"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_graph_is_refused(name: str, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = json.loads((kept / DESCRIPTION).read_text())
    lie, words = LIES[name]
    lie(values)
    (tmp_path / DESCRIPTION).write_text(json.dumps(values))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=words) as refused:
        pruning.load(tmp_path)
    assert "\n" not in str(refused.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB
    assert [path.name for path in tmp_path.iterdir()] == [DESCRIPTION]


def test_deep_nesting_is_refused(kept: Path, tmp_path: Path) -> None:
    values = json.loads((kept / DESCRIPTION).read_text())
    nested: Any = 1
    for _ in range(400):
        nested = {"list": [nested]}
    values["program"]["nodes"][1][3] = {"tuple": [nested]}
    (tmp_path / DESCRIPTION).write_text(json.dumps(values))
    with pytest.raises(ValueError, match=DESCRIPTION):
        pruning.load(tmp_path)


def test_dense_is_not_looked_at_where_the_folder_has_the_graph(kept: Path) -> None:
    plain, given = pruning.load(kept).network, pruning.load(kept, nn.Identity()).network
    assert all(torch.equal(value, given.state_dict()[name]) for name, value in plain.state_dict().items())


def test_a_network_that_nobody_compacted_has_no_graph() -> None:
    with pytest.raises(ValueError, match="a Conv2d is no network that compact has made"):
        describe(nn.Conv2d(3, 3, 3))


class Numbers(nn.Module):
    """Functions of numbers, of sizes and of Python that a file may hold."""

    def forward(self, x: Tensor) -> Tensor:
        side = round(math.ceil(x.shape[-1] / 2) + len(x.shape) / 2)
        x = F.interpolate(x, (side, side)).clamp(min=-1) * torch.median(x.flatten(2), 2).values[:, :, None, None]
        return torch.hypot(x, torch.fmod(x, 0.5)).minimum(x.topk(2, 3)[0].sum(3, keepdim=True))


def test_functions_of_numbers_and_of_sizes_come_back(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), Numbers(), nn.Conv2d(8, 4, 3))
    example = torch.randn(1, 3, 8, 8)
    small = pruning.prune(model, example, "l1", layer=0.5, joined="couple")
    pruning.save(small, tmp_path)
    assert torch.equal(pruning.load(tmp_path).network(example), small.network(example))
