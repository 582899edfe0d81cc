"""A network in eight-bit integers answers as in float32, is checked against a simulation, and says what stays float."""

from pathlib import Path

import pytest
import torch
from torch import nn

import pruning
from pruning.deploy import int8
from pruning.files import export

for library in export.EXTRA:
    pytest.importorskip(library)

SHAPE = (3, 8, 8)


class Gated(nn.Module):
    """A sigmoid of which ONNX Runtime has no integer kernel in QDQ, between two convolutions that have one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(8), nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.first(images)).relu()
        return self.head(torch.nn.functional.softplus(self.second(hidden)).mean((2, 3)))


def batches(count: int = 2) -> list[torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    return [torch.randn(8, *SHAPE, generator=draws) for _ in range(count)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Gated, Path, int8.Quantised]:
    torch.manual_seed(0)
    network, path = Gated().eval(), tmp_path_factory.mktemp("int8") / "int8.onnx"
    return network, path, int8.onnx_int8(network, SHAPE, path, batches())


def test_its_answers_are_those_of_float32_to_a_few_steps(written: tuple[Gated, Path, int8.Quantised]) -> None:
    network, path, _ = written
    (images,) = batches(1)
    (logits,) = int8.make_session(path.read_bytes()).run(["logits"], {"images": images.numpy()})
    wanted = network(images).detach()
    assert torch.from_numpy(logits).sub(wanted).abs().max() < 0.05 * wanted.abs().max()
    assert torch.from_numpy(logits).unique().numel() > 4


def test_weights_are_integers_with_a_scale_for_each_filter(written: tuple[Gated, Path, int8.Quantised]) -> None:
    import onnx

    graph = onnx.load(written[1]).graph
    weights = [onnx.numpy_helper.to_array(each) for each in graph.initializer]
    assert {(8, 3, 3, 3), (8, 8, 3, 3)} <= {array.shape for array in weights if array.dtype.name == "int8"}
    assert any(array.shape == (8,) and array.dtype.name == "float32" for array in weights)


def test_what_stays_in_float_is_listed(written: tuple[Gated, Path, int8.Quantised]) -> None:
    assert "Softplus" in written[2].left_in_float
    assert not [name for name in written[2].left_in_float if name.startswith("Conv")]


def test_the_simulation_is_met_and_a_broken_file_is_seen(written: tuple[Gated, Path, int8.Quantised]) -> None:
    """The oracle: the same graph without integer kernels."""
    network, path, done = written
    inputs = int8.as_arrays(network, batches(1)[0])
    assert 0 <= done.difference == int8.compare_with_simulation(path.read_bytes(), inputs) < int8.TOLERANCE


def test_a_pruned_network_is_exported_by_one_call(tmp_path: Path) -> None:
    small = pruning.prune(Gated().eval(), torch.randn(2, *SHAPE), "l1", layer=0.5)
    loader = [(images, torch.zeros(8, dtype=torch.long)) for images in batches()]
    assert pruning.export(small, tmp_path / "small.onnx", int8=loader) < int8.TOLERANCE
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_other_sizes_of_batches_are_answered(written: tuple[Gated, Path, int8.Quantised]) -> None:
    session = int8.make_session(written[1].read_bytes())
    assert session.run(None, {"images": torch.randn(3, *SHAPE).numpy()})[0].shape == (3, 4)


@pytest.mark.parametrize(
    ("network", "given", "message"),
    [
        (Gated(), [], "int8 takes the ranges of activations from images: int8= has no batches"),
        (Gated().double(), batches(), "int8 starts from float32, got torch.float64: give a copy, network.float()"),
    ],
)
def test_what_cannot_be_quantised_is_refused(
    network: nn.Module, given: list[torch.Tensor], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        int8.onnx_int8(network, SHAPE, tmp_path / "int8.onnx", given)
    assert not list(tmp_path.iterdir())
