"""LayerNorm and GroupNorm over channels of which some are gone: exactly torch's own on the masked, full-size tensor."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.files.artifact import load, save
from pruning.files.export import exported, onnx
from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.pruned import Pruned
from pruning.selection import Selection
from pruning.surgery.mask import silence
from pruning.surgery.norms import LiveGlobalResponseNorm, LiveGroupNorm, LiveLayerNorm
from pruning.testing import assert_small_is_masked, images, random_rows, randomised, relative

SHAPE = (3, 6, 6)
EXACT = 1e-13
LIVE = torch.tensor([1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0], dtype=torch.bool)  # of 3 groups of 4: 3, 0 and 2
EVEN = torch.tensor([1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1], dtype=torch.bool)


def tensors(live: Tensor, *shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """A tensor whose mean is far from zero, a scale and a shift; dead channels (on axis 1) are zero in all three."""
    draws = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(2, len(live), *shape, generator=draws).double() + 5
    scale, shift = torch.randn(2, len(live), generator=draws).double() * live
    return x * live.view(-1, *(1,) * len(shape)), scale, shift


@pytest.mark.parametrize("live", [LIVE, EVEN], ids=["uneven", "even"])
@pytest.mark.parametrize("shape", [(2, 2), ()], ids=str)
def test_group_norm_of_live_channels(live: Tensor, shape: tuple[int, ...]) -> None:
    x, scale, shift = tensors(live, *shape)
    sizes = [n for n in live.view(3, 4).sum(1).tolist() if n]
    norm = LiveGroupNorm(sizes, 4, nn.Parameter(scale[live]), nn.Parameter(shift[live]), 1e-5)
    carried = x[:, live].requires_grad_()
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            assert relative(F.group_norm(x, 3, scale, shift, 1e-5)[:, live], norm(carried)) < EXACT
    assert torch.autograd.gradcheck(norm, (carried,))


@pytest.mark.parametrize("gradients", [True, False])
def test_layer_norm_of_live_channels(gradients: bool) -> None:
    x, scale, shift = tensors(LIVE, 5)
    x = x.transpose(1, 2)
    norm = LiveLayerNorm(12, nn.Parameter(scale[LIVE]), nn.Parameter(shift[LIVE]), 1e-6)
    with torch.set_grad_enabled(gradients):
        assert relative(F.layer_norm(x, (12,), scale, shift, 1e-6)[..., LIVE], norm(x[..., LIVE])) < EXACT


def test_gradient_of_a_layer_norm_of_live_channels() -> None:
    norm = LiveLayerNorm(7, nn.Parameter(torch.randn(4).double()), None, 1e-6)
    assert torch.autograd.gradcheck(norm, (torch.randn(3, 4).double().requires_grad_(),))


@pytest.mark.parametrize("kind", [torch.half, torch.bfloat16], ids=str)
def test_statistics_of_half_floats_are_taken_in_floats(kind: torch.dtype) -> None:
    x, scale, shift = (t.to(kind) for t in tensors(EVEN, 5))
    wanted = F.group_norm(x, 3, scale, shift)[:, EVEN]
    norm = LiveGroupNorm([2, 2, 2], 4, nn.Parameter(scale[EVEN]), nn.Parameter(shift[EVEN]), 1e-5)
    assert norm(x[:, EVEN]).dtype == kind
    torch.testing.assert_close(norm(x[:, EVEN]), wanted, atol=0.03, rtol=0.03)


class Next(nn.Module):
    """ConvNeXt's block: a norm and linear layers on the last axis, and a scale for each channel before the addition."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.wide, self.narrow = nn.Linear(channels, 3 * channels), nn.Linear(3 * channels, channels)
        self.scale = nn.Parameter(torch.rand(channels, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.narrow(F.gelu(self.wide(self.norm(y)))).permute(0, 3, 1, 2)
        return x + self.scale * y


def around(*middle: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    head = nn.Conv2d(12, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    return randomised(nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), *middle, *head))


def cut(network: nn.Module, ratio: float = 0.5, seed: int = 0) -> nn.Module:
    """Random filters of all layers but the classifier go."""
    graph = trace(network, SHAPE)
    rows = {n: random_mask(op.width, ratio, seed + k) for k, (n, op) in enumerate(list(graph.weighted().items())[:-1])}
    return assert_small_is_masked(network, Selection.of_rows(network, rows), SHAPE, EXACT, graph)


def random_mask(width: int, ratio: float, seed: int) -> Tensor:
    drawn = torch.rand(width, generator=torch.Generator().manual_seed(seed))
    return (drawn >= ratio) | (drawn == drawn.max())


@pytest.mark.parametrize("ratio", [0.3, 0.6])
@pytest.mark.parametrize(
    "middle",
    [
        (Next(12), Next(12)),
        (nn.GroupNorm(3, 12), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.GroupNorm(1, 12)),
        (nn.GroupNorm(12, 12),),
        (nn.LayerNorm([12, 6, 6]), nn.ReLU()),
        (nn.LayerNorm([12, 6, 6], bias=False),),
    ],
    ids=["next", "groups", "a group each", "of images", "no shift"],
)
def test_small_is_masked(middle: tuple[nn.Module, ...], ratio: float) -> None:
    cut(around(*middle), ratio).train()(images(SHAPE)).square().sum().backward()


def test_a_narrow_norm_knows_how_wide_it_was() -> None:
    rows = {"0": torch.arange(12) % 3 == 0}
    small = assert_small_is_masked(
        around(nn.GroupNorm(1, 12)), Selection.of_rows(around(nn.GroupNorm(1, 12)), rows), SHAPE
    )
    assert repr(small.get_submodule("1")) == "LiveGroupNorm([4] channels in groups of 12, eps=1e-05)"


def test_a_norm_whose_groups_are_whole_or_gone_is_torchs_own() -> None:
    network = around(nn.GroupNorm(3, 12))
    small = assert_small_is_masked(network, Selection.of_rows(network, {"0": torch.arange(12) // 4 != 1}), SHAPE)
    norm = small.get_submodule("1")
    assert type(norm) is nn.GroupNorm
    assert (norm.num_groups, norm.num_channels) == (2, 8)


def test_nothing_cut_is_the_network_itself() -> None:
    network = around(Next(12), nn.GroupNorm(3, 12))
    same = assert_small_is_masked(network, Selection.full(network), SHAPE, 0.0)
    assert [type(layer) for layer in same.modules() if "Norm" in type(layer).__name__] == [nn.LayerNorm, nn.GroupNorm]


@pytest.mark.parametrize(
    "norm", [nn.GroupNorm(3, 12, affine=False), nn.LayerNorm([12, 6, 6], elementwise_affine=False)]
)
def test_without_a_scale_a_dead_channel_comes_out_as_a_constant(norm: nn.Module) -> None:
    """So nothing behind it is narrow."""
    network = around(norm)
    small = assert_small_is_masked(network, Selection.of_rows(network, {"0": torch.arange(12) % 2 == 0}), SHAPE)
    assert small.get_submodule("0").out_channels == 6
    assert small.get_submodule("2").in_channels == 12


def test_all_channels_of_a_group_are_read_though_few_are_wanted() -> None:
    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x[:, :2], x[:, :10]], 1)

    network = around(nn.GroupNorm(3, 12), Half())
    columns = torch.ones(5, 12, dtype=torch.bool)
    columns[:, 2:] = False
    small = assert_small_is_masked(network, Selection({"3": columns}), SHAPE)
    assert small.get_submodule("0").out_channels == 4


def test_silenced_again_after_a_step_of_a_masked_training() -> None:
    network = around(Next(12))
    graph = trace(network, SHAPE)
    liveness = analyse(graph, random_rows(graph, 0.5, 0))
    silence(network, liveness)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(images(SHAPE)).square().sum().backward()
    optimiser.step()
    silence(network, liveness)
    dead = ~liveness.live[next(node for node in graph.ops if "norm" in node.name)]
    norm = network.get_submodule("1.norm")
    assert dead.any()
    assert not norm.weight[dead].any()  # type: ignore[index]
    assert not norm.bias[dead].any()  # type: ignore[index]


def test_a_cut_network_is_cut_again_exported_saved_and_loaded(tmp_path: object) -> None:
    once = cut(around(Next(12), nn.GroupNorm(3, 12)), 0.3)
    twice, batch = cut(once, 0.3, seed=9), images(SHAPE)
    assert {type(layer) for layer in twice.modules()} >= {LiveLayerNorm, LiveGroupNorm}
    with torch.no_grad():
        wanted = twice(batch)
        assert relative(wanted, exported(twice, SHAPE).module()(batch)) < EXACT
        save(Pruned(twice, Selection({}), None, SHAPE), f"{tmp_path}/saved")  # type: ignore[arg-type]
        assert torch.equal(load(f"{tmp_path}/saved").network(batch), wanted)


def test_norms_are_written_as_onnx(tmp_path: object) -> None:
    weight, bias = nn.Parameter(torch.rand(3)), nn.Parameter(torch.rand(3))
    of_groups, of_layer = LiveGroupNorm([2, 1], 2, weight, bias, 1e-5), LiveLayerNorm(6, weight, bias, 1e-5)
    network = nn.Sequential(of_groups, nn.Flatten(2), nn.Unflatten(2, (4, 3)), of_layer)
    assert onnx(network, (3, 4, 3), f"{tmp_path}/network.onnx") < 1e-5


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.filterwarnings("ignore")  # torch.jit.script is deprecated
def test_global_response_norm_of_live_channels(channels_last: bool, tmp_path: object) -> None:
    """Of ConvNeXt V2; timm's is a leaf."""
    norm = pytest.importorskip("timm.layers.grn").GlobalResponseNorm(12, channels_last=channels_last)
    norm.weight.data.uniform_(0.5, 1.5)
    order = ((0, 2, 3, 1), (0, 3, 1, 2)) if channels_last else ((0, 1, 2, 3),) * 2
    network = around(Permute(order[0]), norm, Permute(order[1]))
    small, batch = cut(network), images(SHAPE)
    assert type(small.get_submodule("2")) is LiveGlobalResponseNorm
    again = cut(small, 0.3, seed=5)
    save(Pruned(again, Selection({}), None, SHAPE), f"{tmp_path}/saved")  # type: ignore[arg-type]
    assert torch.equal(load(f"{tmp_path}/saved").network(batch), again(batch))
    assert torch.equal(torch.jit.script(again)(batch), again(batch))


class Permute(nn.Module):
    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


@pytest.mark.filterwarnings("ignore")  # torch.jit.script is deprecated
def test_norms_are_scripted() -> None:
    small, batch = cut(around(Next(12), nn.GroupNorm(3, 12))), images(SHAPE)
    assert torch.equal(torch.jit.script(small)(batch), small(batch))
