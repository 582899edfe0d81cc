"""What pruning promises on a network of one's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import nn

from pruning.batches import example_shapes
from pruning.graph.cost import predict
from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Batch, Shapes, call
from pruning.graph.liveness import analyse
from pruning.graph.sites import sites
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.surgery.certificate import flatten_output, named_outputs
from pruning.testing.equality import assert_small_is_masked, images, random_rows, randomised

RATIOS = (0.3, 0.6)  # of the filters
TRIES = 10  # selections to draw for each that is wanted


def check_network(build: Callable[[], nn.Module], example: Batch, draws: int = 2) -> None:
    """Cut a network by random selections and assert that each small one is right; in float64, with random norms.

    Right: it computes what the masked network computes, costs what was predicted, has its parameters in the full-size
    network's order, and every one of them is reached by the gradient. With everything selected it is the network
    itself, bit for bit.

    Args:
        build: makes the network; it is copied first.
        example: a batch of images, or of several inputs, as in `pruning.prune`; only its shapes count.
        draws: selections for each of two ratios.

    Raises:
        AssertionError: a promise is not kept.
        ValueError: the network cannot be traced.
    """
    shape = example_shapes(example)
    network = with_fitting_norms(randomised(copy.deepcopy(build())), images(shape, 8, seed=1))
    graph = trace(network, shape)
    assert_full_selection_is_the_identity(network, graph, shape)
    for choice in telling_selections(network, graph, shape, draws):
        small = assert_small_is_masked(network, choice, shape, graph=graph)
        assert predict(analyse(graph, choice)).macs < predict(analyse(graph, Selection({}))).macs, "nothing was cut"
        assert_trains(small, shape)


def telling_selections(network: nn.Module, graph: Graph, shape: Shapes, draws: int) -> Iterator[Selection]:
    """Random ones, `draws` of each ratio, but for those that empty a layer or silence the whole: they prove nothing."""
    spared = [name for name, site in sites(graph).items() if site.pinned]
    for ratio in RATIOS:
        choices = (random_rows(graph, ratio, seed, spared) for seed in range(TRIES * draws))
        telling = list(islice((c for c in choices if is_telling(network, c, graph, shape)), draws))
        assert len(telling) == draws, f"without {ratio:.0%} of its filters the network says the same of all images"
        yield from telling


@torch.no_grad()
def is_telling(network: nn.Module, choice: Selection, graph: Graph, shape: Shapes) -> bool:
    try:
        outputs = flatten_output(call(mask(network, choice, shape, graph), images(shape)))
    except ValueError:  # a layer is emptied
        return False
    return any(bool((output - output[:1]).abs().max() > 1e-3 * output.abs().max()) for output in outputs)


def with_fitting_norms(network: nn.Module, batch: Batch) -> nn.Module:
    """Statistics that fit the weights, in place, so that images still matter after a hundred layers.

    `batch`: what forward takes; a norm over 1x1 maps needs several images.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)  # dropout, stochastic depth
        call(network.train(), batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


@torch.no_grad()
def assert_full_selection_is_the_identity(network: nn.Module, graph: Graph, shape: Shapes) -> None:
    same = compact(network, Selection.full(network), shape, graph)
    wanted, got = (named_outputs(call(each, images(shape, 2))) for each in (network, same))
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    assert same.state_dict().keys() == network.state_dict().keys()


def assert_trains(small: nn.Module, shape: Shapes) -> None:
    """A backward in train mode reaches every parameter."""
    outputs = flatten_output(call(small.train(), images(shape)))
    torch.stack([output.square().mean() for output in outputs]).sum().backward()
    assert [name for name, parameter in small.named_parameters() if parameter.grad is None] == []
