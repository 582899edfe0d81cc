"""What a forward may do besides calling layers: right in the small network, or refused by name when it is traced."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch import pow as pow_of_torch
from torch.nn.utils import parametrizations, prune

from pruning.files.artifact import load, save
from pruning.graph.attachments import refuse_computed_weights
from pruning.graph.graph import trace
from pruning.pruned import Pruned
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.testing import assert_small_is_masked, images, random_rows, randomised, relative
from support.around import Around

SHAPE = (3, 6, 6)
Forward = Callable[[nn.Module, Tensor], Tensor]


class Doing(nn.Module):
    """A middle of 8 channels that does `forward` with tensors and layers of its own."""

    def __init__(self, does: Forward, **own: object) -> None:
        super().__init__()
        self.does = does
        for name, value in own.items():
            buffer = isinstance(value, Tensor) and not isinstance(value, nn.Parameter)
            self.register_buffer(name, value) if buffer else setattr(self, name, value)  # type: ignore[func-returns-value]

    def forward(self, x: Tensor) -> Tensor:
        return self.does(self, x)


def around(does: Forward, **own: object) -> nn.Module:
    torch.manual_seed(0)
    return randomised(Around(Doing(does, **own)))


def holds(network: nn.Module) -> None:
    """Random filters of all layers that may be cut; and a training step of the small network."""
    graph = trace(network, SHAPE)
    for seed in range(3):
        rows = random_rows(graph, 0.5, seed).to_arrays()
        small = assert_small_is_masked(network, Selection.from_arrays(rows), SHAPE, graph=graph)
    small.train()(images(SHAPE)).square().sum().backward()


def numbers(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.rand(shape, generator=torch.Generator().manual_seed(0)) + 0.5)


def positions(self: nn.Module, x: Tensor) -> Tensor:
    n, _, h, w = x.shape
    rows = torch.linspace(-1, 1, h, device=x.device, dtype=x.dtype).view(1, 1, h, 1).expand(n, 1, h, w)
    return self.mix(torch.cat([x, rows], 1))


def fused(self: nn.Module, x: Tensor) -> Tensor:
    """BiFPN's: learnt scalars, normalised by their sum."""
    w = F.relu(self.w)
    w = w / (torch.sum(w, dim=0) + 1e-4)
    return w[0] * x + w[1] * self.mix(x)


def changed_before_another_reader(change: Callable[[Tensor], Tensor]) -> Forward:
    def does(self: nn.Module, x: Tensor) -> Tensor:
        y = x * 1
        z = y
        z = change(z)
        return z + y

    return does


def divided(x: Tensor) -> Tensor:
    x /= 2
    return x


def squared(x: Tensor) -> Tensor:
    x **= 2
    return x


def raised(x: Tensor) -> Tensor:
    x += 1
    return x


def multiplied(self: nn.Module, x: Tensor) -> Tensor:
    return self.pool((x.permute(0, 2, 3, 1) @ self.w).permute(0, 3, 1, 2))


def einsum(self: nn.Module, x: Tensor) -> Tensor:
    return self.pool(torch.einsum("bchw,cd->bhwd", x, self.w).permute(0, 3, 1, 2))


def last(does: Callable[[Tensor], Tensor]) -> Forward:
    """On channels-last tensors."""
    return lambda self, x: does(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def mix(into: int = 8, out: int = 8, size: int = 1) -> nn.Module:
    return nn.Conv2d(into, out, size, padding=size // 2)


def pooled() -> nn.Module:
    return nn.Sequential(nn.MaxPool2d(3, 1, 1), mix(16))


RIGHT: dict[str, Callable[[], nn.Module]] = {
    # tensors made or reshaped in forward
    "buffers reshaped": lambda: around(lambda s, x: (x - s.m.view(1, 8, 1, 1)) / s.m[:, None, None], m=numbers(8).data),
    "numbers": lambda: around(lambda s, x: x * torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8]).to(x).view(1, -1, 1, 1)),
    "numbers that are read": lambda: around(lambda s, x: x + sum(torch.linspace(0, 1, 3).tolist())),
    "as many as channels": lambda: around(lambda s, x: x + torch.zeros(1, x.shape[1], 1, 1, dtype=x.dtype)),
    "positions": lambda: around(positions, mix=mix(9)),
    "places": lambda: around(lambda s, x: x[:, torch.tensor([1, 0, 2, 3, 4, 5, 7, 6])]),
    "learnt scalars": lambda: around(fused, w=numbers(2), mix=mix()),
    "scalars of the image": lambda: around(lambda s, x: x * (x.mean() + torch.relu(x.sum()))),
    "a size of what nobody reads": lambda: around(lambda s, x: x * x.flatten(2).shape[-1]),
    # sums of unequal shapes
    "a pooled branch": lambda: around(lambda s, x: x + s.mix(x.mean((2, 3), keepdim=True)), mix=mix()),
    "a pooled branch first": lambda: around(lambda s, x: s.mix(x.mean(3, keepdim=True)) - x, mix=mix()),
    "a map of one filter": lambda: around(lambda s, x: x * s.mix(x).sigmoid() + s.mix(x), mix=mix(8, 1, 3)),
    **{
        f"plus {shape}": lambda shape=shape: around(lambda s, x: s.p + x, p=numbers(*shape))
        for shape in ((1, 8, 6, 6), (1, 1, 6, 6), (8, 1, 1), (8, 6, 6), (6, 6), ())
    },
    "an operand by name": lambda: around(lambda s, x: torch.mul(x, other=s.mix(x)), mix=mix()),
    # in place, before a second reader
    "divided": lambda: around(changed_before_another_reader(divided)),
    "squared": lambda: around(changed_before_another_reader(squared)),
    "raised": lambda: around(changed_before_another_reader(raised)),
    "relu by place": lambda: around(changed_before_another_reader(lambda x: F.relu(x, True))),
    "div_": lambda: around(changed_before_another_reader(lambda x: x.div_(2).sub_(1))),
    # channels last
    "matmul, then pooling": lambda: around(multiplied, w=numbers(8, 16), pool=pooled()),
    "einsum, then pooling": lambda: around(einsum, w=numbers(8, 16), pool=pooled()),
    "pooling along channels": lambda: around(last(lambda x: F.max_pool2d(x, (1, 3), 1, (0, 1)))),
    "resized along channels": lambda: around(last(lambda y: F.interpolate(y, (6, 8)))),
    "norm of rows": lambda: around(last(lambda x: F.layer_norm(x, (8,)))),
    # state
    "a norm without weights, twice": lambda: around(lambda s, x: s.n(s.n(x) * 2), n=nn.BatchNorm2d(8, affine=False)),
    "a norm of another class": lambda: around(lambda s, x: s.n(x), n=type("Mine", (nn.BatchNorm2d,), {})(8)),
    "a weight read beside its layer": lambda: around(lambda s, x: s.mix(x) + F.conv2d(x, s.mix.weight), mix=mix()),
    "dropout of share zero": lambda: around(lambda s, x: F.dropout(x, 0.0, s.training)),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_small_is_masked(name: str) -> None:
    holds(RIGHT[name]())


def assigned(self: nn.Module, x: Tensor) -> Tensor:
    x[:, 0] = 0.5
    return x


def view_read_later(self: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2)
    x.add_(1)
    return x * y.view(x.shape)


def counted(self: nn.Module, x: Tensor) -> Tensor:
    self.n.add_(1)
    return x


def written(self: nn.Module, x: Tensor) -> Tensor:
    return torch.add(x, 1, out=torch.empty_like(x))


DRAWS: dict[str, Callable[[nn.Module], bool]] = {
    "Python": lambda self: random.random() < 0.5,
    "numpy": lambda self: np.random.rand() < 0.5,  # noqa: NPY002
    "its own": lambda self: self.rng.random() < 0.5,
}
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    **{
        f"a block skipped by a draw of {whose}": (
            lambda draw=draw: around(lambda s, x: x if draw(s) else -x, rng=random.Random(0)),
            "Around: 'middle' draws random numbers in forward",
        )
        for whose, draw in DRAWS.items()
    },
    "a block skipped by a draw of torch": (
        lambda: around(lambda s, x: x if torch.rand(1) < 0.5 else -x),
        "Around: 'middle' draws random numbers in forward",
    ),
    "another way in training": (
        lambda: around(lambda s, x: 2 * x if s.training else x),
        "does something else in training than in eval, at .*; put that step into a module of its own",
    ),
    "dropout for ever": (lambda: around(lambda s, x: F.dropout(x)), "training flag .* nn.Dropout"),
    "a part assigned to": (lambda: around(assigned), "a part of a tensor is assigned to: .* torch.cat"),
    "a view read after a change": (lambda: around(view_read_later), "add_ changes a part of flatten in place"),
    "a buffer changed": (lambda: around(counted, n=torch.zeros(1)), "changes 'middle.n', a tensor of the network's"),
    "out=": (lambda: around(written), "writes to out=; write y = f"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_graph_cannot_say_is_refused_by_name(name: str) -> None:
    build, words = REFUSED[name]
    network = build()
    before = torch.get_rng_state(), random.getstate()
    with pytest.raises(ValueError, match=words) as refusal:
        trace(network, SHAPE)
    assert "\n" not in str(refusal.value)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


@pytest.mark.parametrize("drop", [F.dropout, F.dropout2d, F.alpha_dropout])
def test_a_dropout_by_function_stays_random_in_training_only(drop: Callable[..., Tensor], tmp_path: Path) -> None:
    network = around(lambda s, x: drop(x, 0.5, s.training))
    holds(network)
    small = compact(network, Selection({}), SHAPE)
    save(Pruned(small, Selection({}), None, SHAPE), tmp_path)
    for one in (small, load(tmp_path).network):
        assert torch.equal(one(images(SHAPE)), network(images(SHAPE)))
        assert not torch.equal(one.train()(images(SHAPE)), one(images(SHAPE)))


class Blur(nn.Module):
    """A fixed filter for each channel, which the state dict leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "filt", torch.rand(8, 1, 3, 3, generator=torch.Generator().manual_seed(0)), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.filt, padding=1, groups=8)


def test_a_buffer_that_is_not_saved_is_not_saved_of_the_small_network_either(tmp_path: Path) -> None:
    network = randomised(Around(Blur()))
    holds(network)
    small = compact(network, Selection({}), SHAPE)
    assert small.state_dict().keys() == network.state_dict().keys()
    save(Pruned(small, Selection({}), None, SHAPE), tmp_path)
    assert torch.equal(load(tmp_path).network(images(SHAPE)), network(images(SHAPE)))


@pytest.mark.parametrize(
    ("hang", "words"),
    [
        (nn.utils.weight_norm, "weight_norm: .*remove_weight_norm"),
        (nn.utils.spectral_norm, "spectral_norm: .*remove_spectral_norm"),
        (parametrizations.weight_norm, "parametrised: its weight .*remove_parametrizations"),
        (lambda conv: prune.ln_structured(conv, "weight", 0.5, 1, 0), r"Selection.of_masks.*prune.remove"),
        (lambda conv: (conv.register_forward_hook(lambda m, i, o: 2 * o), conv)[1], "hooked: the forward hook"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(weight_norm|spectral_norm)")
def test_a_layer_with_a_hook_is_left_whole_and_named(hang: Callable[[nn.Module], nn.Module], words: str) -> None:
    network = around(lambda s, x: s.mix(x), mix=mix())
    network.middle.mix = hang(network.middle.mix)
    holds(network.double())
    graph = trace(network, SHAPE)
    with pytest.raises(ValueError, match=words):
        compact(network, Selection({"middle.mix": torch.arange(64).view(8, 8) > 7}), SHAPE, graph)


def test_a_hook_on_the_whole_network_and_layers_without_a_size_are_refused() -> None:
    hooked = around(lambda s, x: x)
    hooked.register_forward_hook(lambda m, i, o: 2 * o)
    with pytest.raises(ValueError, match=r"Around itself has the forward hook .*handle.remove"):
        trace(hooked, SHAPE)
    with pytest.raises(ValueError, match=r"0.weight has no size yet .*run the network once"):
        trace(nn.Sequential(nn.LazyConv2d(4, 1)), SHAPE)


def test_masks_of_torch_prune_are_a_selection() -> None:
    network = randomised(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten()))
    with pytest.raises(ValueError, match="no convolution of the network has a mask"):
        Selection.of_masks(network)
    prune.ln_structured(network[0], "weight", 0.25, 1, 0)
    gone = network[0].weight_mask.flatten(1).sum(1) == 0
    choice = Selection.of_masks(network)
    assert int(gone.sum()) == 2
    assert torch.equal(choice["0"], ~gone[:, None].expand(8, 3))
    prune.remove(network[0], "weight")
    small = assert_small_is_masked(network, choice, SHAPE)
    assert small.get_submodule("0").out_channels == 6


def test_a_layer_that_forward_does_not_call_may_be_named_whole() -> None:
    network = around(lambda s, x: x, unused=mix())
    graph = trace(network, SHAPE)
    assert graph.uncuttable() == {"middle.unused": "unused: forward does not call it"}
    batch = images(SHAPE)
    assert relative(network(batch), compact(network, Selection.full(network), SHAPE)(batch)) < 1e-12
    with pytest.raises(ValueError, match=r"'middle.unused' cannot be cut \(unused"):
        compact(network, Selection.of_rows(network, {"middle.unused": torch.arange(8) > 0}), SHAPE)


@pytest.mark.parametrize("name", ["buffers reshaped", "numbers", "numbers that are read", "positions", "places"])
def test_what_is_made_in_forward_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    network = RIGHT[name]()
    choice = random_rows(trace(network, SHAPE), 0.5, 0)
    small = compact(network, choice, SHAPE).eval()
    save(Pruned(small, choice, None, SHAPE, ("a", "b", "c", "d")), tmp_path, network)
    batch = images(SHAPE)
    assert torch.equal(load(tmp_path, network).network(batch), small(batch))


@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_a_program_says_that_it_cannot_copy_such_weights() -> None:
    network = around(lambda s, x: s.mix(x), mix=mix())
    refuse_computed_weights(network)
    nn.utils.weight_norm(network.middle.mix)
    with pytest.raises(ValueError, match=r"layer 'middle.mix' .* cannot be copied \(weight_norm: .*remove_weight_norm"):
        refuse_computed_weights(network)


NUMBER_FIRST: dict[str, Callable[[Tensor], Tensor]] = {
    "pow": lambda x: torch.pow(x, 2) + torch.pow(2, x),
    "float_power": lambda x: torch.float_power(x, 2),
    "remainder": lambda x: torch.remainder(x, 0.3),
    "where": lambda x: torch.where(x > 0, 1.0, x),
    "its own name": lambda x: pow_of_torch(x, 2),
}


@pytest.mark.parametrize("name", NUMBER_FIRST)
def test_functions_that_ask_for_a_number_first(name: str) -> None:
    """Their C code crashed on what says that it is a tensor."""
    holds(around(lambda s, x: NUMBER_FIRST[name](x)))
