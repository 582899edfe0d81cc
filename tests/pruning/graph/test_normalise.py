"""Layers of other classes, and functions that apply a weight: cut as torch's plain layers, or left whole and why."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.api import prune
from pruning.files.artifact import load, save
from pruning.graph.graph import trace
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.testing import assert_small_is_masked, check_network, images, random_rows, randomised, relative
from support.around import Around
from tests.networks.wirings.residual import StandardisedConv

SHAPE = (3, 6, 6)


class StaticPadding(nn.Conv2d):
    """EfficientNet-PyTorch's: pads by a layer of its own, made for one size of image."""

    def __init__(self) -> None:
        super().__init__(8, 8, 3)
        self.static_padding = nn.ZeroPad2d((0, 2, 0, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.static_padding(x)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Same(nn.Conv2d):
    """Timm's Conv2dSame: pads by the sizes of the image and of its own weight."""

    def forward(self, x: Tensor) -> Tensor:
        high, wide = (
            max((-(size // -step) - 1) * step + kernel - size, 0)
            for size, kernel, step in zip(x.shape[-2:], self.weight.shape[-2:], self.stride, strict=True)
        )
        x = F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, (0, 0), self.dilation, self.groups)


class WithNorm(nn.Conv2d):
    """Detectron2's: a norm and an activation hang on the convolution."""

    def __init__(self) -> None:
        super().__init__(8, 8, 3, padding=1, bias=False)
        self.norm, self.activation = nn.BatchNorm2d(8), F.relu

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return self.activation(self.norm(x))


class Fixed(nn.Conv2d):
    """Torchvision's Conv3DSimple and its like: other arguments, the same forward."""

    def __init__(self) -> None:
        super().__init__(8, 8, 3, padding=1, padding_mode="circular")

    @staticmethod
    def downsampling() -> int:
        return 1


class Calling(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return nn.ReLU()(self._conv_forward(x, self.weight, self.bias))


class Applying(nn.Module):
    """Does `forward` with a weight and a bias of its own."""

    def __init__(self, weight: Tensor, does: Callable[[nn.Module, Tensor], Tensor], **own: object) -> None:
        super().__init__()
        self.weight, self.does = nn.Parameter(weight), does
        for name, value in ({"bias": nn.Parameter(torch.rand(8))} | own).items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self, x)


def weight(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Stages(nn.Sequential):
    """A Sequential of one's own is walked through."""


CUT: dict[str, Callable[[], nn.Module]] = {
    "static padding": StaticPadding,
    "padding of the same size": lambda: Same(8, 8, 3),
    "norm and activation on it": WithNorm,
    "nothing changed": Fixed,
    "its own _conv_forward": lambda: Calling(8, 8, 3, padding=1),
    "torch.conv2d": lambda: Applying(weight(8, 8, 3, 3), lambda s, x: torch.conv2d(x, s.weight, s.bias, 1, "same")),
    "by name": lambda: Applying(weight(8, 8, 1, 1), lambda s, x: F.conv2d(bias=s.bias, weight=s.weight, input=x)),
    "without its bias": lambda: Applying(weight(8, 8, 1, 1), lambda s, x: F.conv2d(x, s.weight), bias=None),
    "in groups": lambda: Applying(weight(8, 1, 3, 3), lambda s, x: F.conv2d(x, s.weight, s.bias, padding=1, groups=8)),
    "of a Sequential": lambda: Stages(StaticPadding(), nn.ReLU(), Fixed()),
}


@pytest.mark.parametrize("name", CUT)
def test_convolutions_however_written_are_cut(name: str) -> None:
    torch.manual_seed(0)
    network = randomised(Around(CUT[name]()))
    check_network(lambda: network, torch.randn(1, *SHAPE), draws=1)
    graph = trace(network, SHAPE)
    assert graph.uncuttable() == {}
    assert {name.partition(".")[0] for name in graph.convolutions()} == {"before", "middle", "after"}


@pytest.mark.parametrize(
    "name", ["static padding", "padding of the same size", "norm and activation on it", "nothing changed"]
)
def test_they_are_saved_scripted_and_pruned_again(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Around(CUT[name]()).eval()
    small = prune(network, torch.randn(1, *SHAPE), "l1", layer=0.5, joined="expand")
    assert small.network.get_submodule("middle").weight.shape[:2] == (4, 4)
    save(small, tmp_path)
    batch = images(SHAPE).float()
    assert torch.equal(load(tmp_path).network(batch), small.network(batch))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        assert torch.equal(torch.jit.script(small.network)(batch), small.network(batch))
    again = prune(small.network, torch.randn(1, *SHAPE), "l1", layer={"middle": 2})
    assert again.network.get_submodule("middle").weight.shape[:2] == (2, 4)


def test_a_weight_is_silenced_where_it_lies() -> None:
    """What masks a network in training changes the user's own tensors."""
    from pruning.graph.liveness import analyse
    from pruning.surgery.mask import silence

    network = Around(StaticPadding()).eval()
    gone = torch.arange(8) < 3
    silence(network, analyse(trace(network, SHAPE), Selection.of_rows(network, {"middle": ~gone})))
    assert network.middle.weight.flatten(1).any(1).equal(~gone)
    assert not network.middle.bias[gone].any()


def strided(self: nn.Module, x: Tensor) -> Tensor:
    return F.conv2d(x, self.weight, self.bias, x.shape[-1] // 6)


WHOLE: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "another name": (
        lambda: type("Kernel", (nn.Module,), {"forward": lambda s, x: F.conv2d(x, s.kernel)})(),
        "middle.kernel",
        "named: its weight is called 'kernel'; call it 'weight'",
    ),
    "called twice": (
        lambda: Applying(weight(8, 8, 1, 1), lambda s, x: F.conv2d(F.relu(F.conv2d(x, s.weight)), s.weight)),
        "middle",
        "shared: called 2 times",
    ),
    "called in two ways": (
        lambda: Applying(weight(8, 8, 1, 1), lambda s, x: F.conv2d(F.conv2d(x, s.weight), s.weight, s.bias)),
        "middle",
        "shared: forward reads its weight",
    ),
    "another's bias": (
        lambda: Applying(weight(8, 8, 1, 1), lambda s, x: F.conv2d(s.c(x), s.weight, s.c.bias), c=nn.Conv2d(8, 8, 1)),
        "middle",
        "bias: what it adds is not the bias beside its weight",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_stays_whole_says_why(name: str) -> None:
    build, site, words = WHOLE[name]
    middle = build()
    if name == "another name":
        middle.kernel = nn.Parameter(weight(8, 8, 1, 1))
    network = randomised(Around(middle))
    graph = trace(network, SHAPE)
    assert words in graph.uncuttable()[site]
    assert_small_is_masked(network, random_rows(graph, 0.5, 0), SHAPE, graph=graph)
    with pytest.raises(ValueError, match=f"{site!r} cannot be cut"):
        compact(network, Selection({site: torch.arange(64).view(8, 8) > 7}), SHAPE, graph)


def test_a_subclass_that_changes_something_is_not_taken_for_its_base() -> None:
    class Doubled(nn.Conv2d):
        def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            return 2 * super()._conv_forward(x, weight, bias)

    network = randomised(Around(Doubled(8, 8, 3, padding=1)))
    check_network(lambda: network, torch.randn(1, *SHAPE), draws=1)
    batch = images(SHAPE)
    assert relative(network(batch), compact(network, Selection.full(network), SHAPE)(batch)) == 0


def test_a_layer_under_two_names_is_one_layer() -> None:
    network = Around(StaticPadding())
    network.alias = network.middle
    graph = trace(randomised(network), SHAPE)
    assert list(graph.convolutions()) == ["before", "middle", "after"]
    assert_small_is_masked(network, random_rows(graph, 0.5, 0), SHAPE, graph=graph)


# -- weights that forward computes -------------------------------------------------------------------------------------


class Standardised(nn.Conv2d):
    """Timm's ScaledStdConv2d."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__(8, 8, 3, padding=1, groups=groups)
        self.gain, self.scale, self.eps = nn.Parameter(torch.rand(8, 1, 1, 1) + 0.5), 0.3, 1e-6

    def standardised(self) -> Tensor:
        flat, gain = self.weight.reshape(1, self.out_channels, -1), (self.gain * self.scale).view(-1)
        made = F.batch_norm(flat, None, None, weight=gain, training=True, momentum=0.0, eps=self.eps)
        return made.reshape_as(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.standardised()
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def centred() -> nn.Conv2d:
    return StandardisedConv(8, 8, 3, padding=1, bias=False)


class OverAll(nn.Conv2d):
    """One mean for all filters: a filter of zeros would not stay one."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight - self.weight.mean(), self.bias, self.stride, self.padding)


COMPUTED = {"scaled": Standardised, "in groups": lambda: Standardised(8), "centred": centred}


@pytest.mark.parametrize("name", COMPUTED)
def test_standardised_weights_are_cut_filter_by_filter(name: str) -> None:
    torch.manual_seed(0)
    network = randomised(Around(COMPUTED[name]()))
    check_network(lambda: network, torch.randn(1, *SHAPE), draws=1)
    graph = trace(network, SHAPE)
    assert list(graph.convolutions()) == ["before", "middle", "after"]
    assert list(graph.trace.normal.computed) == ["middle"]


def test_a_layer_of_which_nothing_is_cut_goes_on_to_standardise() -> None:
    network = randomised(Around(Standardised()))
    spared = Selection.of_rows(network, {"after": torch.arange(5) < 3})
    small = assert_small_is_masked(network, spared, SHAPE)
    assert small.middle.gain is not network.middle.gain
    assert torch.equal(small.middle.gain, network.middle.gain)
    before = Selection.of_rows(network, {"before": torch.arange(8) < 3})
    small = assert_small_is_masked(network, before, SHAPE)
    assert type(small.middle) is nn.Conv2d
    assert torch.equal(small.middle.weight, network.middle.standardised()[:, :3])


def test_single_kernels_of_it_cannot_go() -> None:
    network = randomised(Around(Standardised()))
    with pytest.raises(ValueError, match=r"'middle' computes its weight from each filter as a whole .*whole filters"):
        compact(network, Selection({"middle": torch.arange(64).view(8, 8) > 3}), SHAPE)


def test_what_is_not_computed_filter_by_filter_stays_whole() -> None:
    network = randomised(Around(OverAll(8, 8, 1)))
    graph = trace(network, SHAPE)
    assert graph.uncuttable()["middle"].startswith("computed: forward makes its weight anew, and not each filter")
    assert_small_is_masked(network, random_rows(graph, 0.5, 0), SHAPE, graph=graph)


@pytest.mark.parametrize("layer", [{"before": 0.5}, {"after": 0.5}])
def test_standardised_networks_are_saved_scripted_and_pruned_again(layer: dict[str, float], tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, example = Around(Standardised()).eval(), torch.randn(1, *SHAPE)
    small = prune(network, example, "l1", layer=layer)
    save(small, tmp_path)
    batch = images(SHAPE).float()
    assert torch.equal(load(tmp_path).network(batch), small.network(batch))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        assert torch.equal(torch.jit.script(small.network)(batch), small.network(batch))
    again = prune(small.network, example, "l1", layer={"middle": 3})
    assert again.network.get_submodule("middle").weight.shape[0] == 3


def test_filters_are_scored_by_the_weights_that_forward_applies() -> None:
    network = Around(Standardised()).eval()
    with torch.no_grad():
        network.middle.gain[:3] = 1e-3
        network.middle.weight[3:] *= 1e-3
    small = prune(network, torch.randn(1, *SHAPE), "l1", layer={"middle": 5})
    assert not small.selection["middle"][:3].any()


# -- norms -------------------------------------------------------------------------------------------------------------


class ByFunction(nn.Module):
    """A batch norm and an activation in one (inplace_abn's ABN); `mode` is the flag that it gives, None its own."""

    def __init__(self, mode: bool | None = None) -> None:
        super().__init__()
        self.mode, self.weight, self.bias = mode, nn.Parameter(torch.rand(8) + 0.5), nn.Parameter(torch.rand(8))
        self.register_buffer("running_mean", torch.rand(8))
        self.register_buffer("running_var", torch.rand(8) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        mode = self.training if self.mode is None else self.mode
        return F.leaky_relu(
            F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, mode, 0.1, 1e-5)
        )


def test_a_batch_norm_by_function_is_narrowed_and_keeps_its_mode() -> None:
    network = randomised(Around(ByFunction()))
    small = assert_small_is_masked(network, Selection.of_rows(network, {"before": torch.arange(8) < 3}), SHAPE)
    assert type(small.middle) is nn.BatchNorm2d
    before = small.middle.running_mean.clone()
    small(images(SHAPE))
    assert torch.equal(small.middle.running_mean, before)
    small.train()(images(SHAPE))
    assert not torch.equal(small.middle.running_mean, before)


def test_one_that_is_always_in_eval_stays_so() -> None:
    network = randomised(Around(ByFunction(mode=False)))
    small = assert_small_is_masked(network, Selection.of_rows(network, {"before": torch.arange(8) < 3}), SHAPE)
    before = small.middle.running_mean.clone()
    small.train()(images(SHAPE))
    assert torch.equal(small.middle.running_mean, before)


def test_a_frozen_norm_is_narrowed(tmp_path: Path) -> None:
    frozen = pytest.importorskip("torchvision.ops").FrozenBatchNorm2d(8)
    for value in frozen.buffers():
        value.uniform_(0.5, 1)
    network = Around(frozen).double().eval()
    check_network(lambda: network, torch.randn(1, *SHAPE), draws=1)
    small = prune(network, images(SHAPE), "l1", layer={"before": 3})
    assert small.network.get_submodule("middle").weight.shape == (3,)
    save(small, tmp_path)
    assert torch.equal(load(tmp_path).network(images(SHAPE)), small.network(images(SHAPE)))
