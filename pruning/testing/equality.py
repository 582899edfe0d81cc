"""What pruning promises of a selection: the small network computes what the masked one does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from pruning.graph.cost import Cost, count_macs, count_params, predict
from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Shapes, call, random_batch
from pruning.graph.liveness import analyse
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.surgery.certificate import flatten_output, named_outputs
from pruning.surgery.compact import parameter_origins


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Random norms, scales and biases, in place: fresh ones are ones and zeros, and would hide a forgotten constant."""
    draws = torch.Generator().manual_seed(seed)

    def draw(value: object, low: float) -> None:
        if isinstance(value, Tensor):
            value.data.copy_(torch.rand(value.shape, generator=draws) + low)

    for module in network.modules():
        if getattr(module, "running_var", None) is not None:
            draw(module.running_mean, -0.5)
            draw(module.running_var, 0.5)
            draw(module.weight, 0.5)
        if isinstance(getattr(module, "bias", None), Tensor):
            draw(module.bias, -0.5)
    for parameter in scales(network):
        draw(parameter, 0.5)
    return network.double().eval()


def scales(network: nn.Module) -> Iterator[nn.Parameter]:
    """Numbers by which channels are multiplied, but for those of batch norms: of other norms, and of whole branches."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_vector = parameter.numel() == max(parameter.shape, default=1)
            if is_vector and name != "bias" and getattr(module, "running_var", None) is None:
                yield parameter


def images(shape: Shapes, count: int = 4, seed: int = 0) -> Any:
    """Random ones in float64; of several inputs a tuple or a dict."""
    return random_batch(shape, count, torch.double, seed)


def random_rows(graph: Graph, ratio: float, seed: int, spared: Iterable[str] = ()) -> Selection:
    """Every filter goes with probability `ratio`, but for one in each layer and for the layers that are spared."""
    draws = torch.Generator().manual_seed(seed)
    rows = {}
    for name, conv in graph.convolutions().items():
        drawn = torch.rand(conv.width, generator=draws)
        rows[name] = (drawn >= ratio) | (drawn == drawn.max()) | (name in set(spared))
    return Selection.of_rows(graph.trace.module, rows)


def assert_small_is_masked(
    network: nn.Module, choice: Selection, shape: Shapes, tolerance: float = 1e-9, graph: Graph | None = None
) -> fx.GraphModule:
    """The small network; it is the masked one to `tolerance` of the scale, and costs what was predicted."""
    graph = graph or trace(network, shape)
    small, batch = compact(network, choice, shape, graph), images(shape)
    with torch.no_grad():
        wanted, got = call(mask(network, choice, shape, graph), batch), call(small, batch)
    assert relative(wanted, got) <= tolerance
    changes = [(output - output[:1]).abs().max() > 0 for output in flatten_output(wanted)]
    assert any(changes), "the masked network is constant: equality proves nothing"
    assert predict(analyse(graph, choice)) == Cost(count_macs(small, shape), count_params(small))
    assert_order_is_kept(network, small)
    return small


def assert_order_is_kept(network: nn.Module, small: nn.Module) -> None:
    """Parameters stand in the full-size network's order, or an optimiser's state would land on others."""
    kept = list(dict.fromkeys(parameter_origins(small).values()))
    assert kept == [name for name, _ in network.named_parameters() if name in kept]


def relative(wanted: Any, got: Any) -> float:
    """The largest difference of any output, relative to the largest value in it."""
    wanted, got = named_outputs(wanted), named_outputs(got)
    assert {name: a.shape for name, a in wanted.items()} == {name: b.shape for name, b in got.items()}
    return max(((a - got[name]).abs().max() / a.abs().max()).item() for name, a in wanted.items())
