"""What is proved of one network: traced, cut, equal to the masked one, counted as predicted, trained."""

from __future__ import annotations

import copy
import inspect
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from pruning.budget.targets import PerLayer
from pruning.graph.cost import Cost, count_macs, count_params, predict
from pruning.graph.graph import Graph, trace
from pruning.graph.liveness import analyse
from pruning.methods.random import Random
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.surgery.compact import parameter_origins
from tests.networks.zoo import Entry

RATIOS = (0.3, 0.6)
JOINED = ("couple", "expand")
EXACT, VARIES = 1e-12, 1e-6  # relative to the largest output
SEEDS = 5  # tries for a selection under which the outputs still tell one image from another
COUNTED = (torch.ops.aten.convolution, torch.ops.aten.addmm, torch.ops.aten.mm)
Row = dict[str, Any]


def prove(entry: Entry) -> Row:
    """`stage`: as far as it came (build, trace, cut, equal, train, done); `words`: what stopped it there."""
    row: Row = {"stage": "build"}
    try:
        fill(row, entry)
    except Exception as error:  # any network may fail in its own words
        row["words"] = words(error)
    return row


def words(error: BaseException) -> str:
    """Of a refusal what it says, of anything else also what and where it is."""
    said = " ".join(str(error).split())
    if isinstance(error, ValueError):
        return said
    *_, frame = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} ({Path(frame.filename).name}:{frame.lineno}): {said}"


def fill(row: Row, entry: Entry) -> None:
    network = entry.build()
    row["stage"], row["macs"] = "trace", computed_macs(network, entry)
    graph = trace(network, entry.shape)
    row["stage"], row["cut"] = "cut", {}
    methods = surveyed(network, entry)
    choices = {ratio: deepest(network, entry, methods, ratio) for ratio in RATIOS}
    row["stage"] = "equal"
    assert_full_selection_is_the_identity(network, entry, graph)
    for ratio, (method, choice) in choices.items():
        small = compact(network, choice, entry.shape, graph)
        row["cut"][str(ratio)] = {"joined": method.joined, "share": 1 - computed_macs(small, entry) / row["macs"]}
        row["left"] = Counter(why.partition(":")[0] for why in reasons_to_leave(method).values())
        row["certificate"] = max(row.get("certificate", 0), certificate(network, small, choice, entry, graph))
    assert row["certificate"] <= EXACT, f"small and masked network differ by {row['certificate']:.0e}"
    row["stage"] = "train"
    assert_trains(small, network, entry)
    row["stage"] = "done"


@torch.no_grad()
def computed_macs(network: nn.Module, entry: Entry) -> int:
    """Of one image: multiply-adds of convolutions and of products with a matrix, as torch executes them."""
    with MacCounter() as counter:
        network(*entry.inputs(2))
    return counter.flops // 4


class MacCounter(TorchDispatchMode):
    """torch.utils.flop_counter without its hooks on modules, which fail where a layer is given a parameter."""

    flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func._overloadpacket in COUNTED:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=output)
        return output


def surveyed(network: nn.Module, entry: Entry) -> list[Random]:
    """A method for each way with joins that may cut anything.

    Raises:
        ValueError: none may.
    """
    options = {"linear": True} if "linear" in inspect.signature(Random).parameters else {}
    methods, reasons = [], []
    for joined in JOINED:
        method = Random(PerLayer(0.0), joined=joined, **options)
        try:
            method.survey(network, entry.shape)
            methods.append(method)
        except ValueError as error:
            reasons.append(error)
    if not methods:
        raise reasons[0]
    return methods


def deepest(network: nn.Module, entry: Entry, methods: list[Random], ratio: float) -> tuple[Random, Selection]:
    """Random filters, by the way with joins that leaves fewest MACs.

    `ratio` of each layer that may be cut; where that is more than all but one, one stays.

    Raises:
        ValueError: whatever was tried empties a layer, or the masked network says the same of all images.
    """
    for seed in range(SEEDS):
        drawn = [(method, draw_selection(network, method, ratio, seed)) for method in methods]
        for method, choice in sorted(drawn, key=lambda pair: macs_left(*pair)):
            if is_telling(network, choice, entry, method.graph):
                return method, choice
    raise ValueError(f"without {ratio:.0%} of its filters the network says the same of all images, or nothing")


def draw_selection(network: nn.Module, method: Random, ratio: float, seed: int) -> Selection:
    last = {name: 1 for name, width in method.widths().items() if width * (1 - ratio) < 1}  # would be emptied
    method.budget, method.seed = PerLayer(ratio, last), seed
    method.settle_counts(network, method.scores(network))
    return method.select(network)


def macs_left(method: Random, choice: Selection) -> float:
    try:
        return predict(analyse(method.graph, choice)).macs
    except ValueError:  # a layer is emptied
        return float("inf")


def is_telling(network: nn.Module, choice: Selection, entry: Entry, graph: Graph) -> bool:
    try:
        masked = mask(network, choice, entry.shape, graph)
    except ValueError:  # a layer is emptied
        return False
    return varies(outputs(masked, entry))


def reasons_to_leave(method: Random) -> dict[str, str]:
    """By layer, of those that are left whole."""
    reasons = method.exclusion_reasons() | method.graph.uncuttable()
    return {name: why for name, why in reasons.items() if why is not None}


@torch.no_grad()
def outputs(network: nn.Module, entry: Entry) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(network(*entry.inputs(2))) if isinstance(leaf, Tensor)]


def varies(found: list[Tensor]) -> bool:
    return any(bool((o - o.flip(0)).abs().max() > VARIES * o.abs().max()) for o in found)


def assert_full_selection_is_the_identity(network: nn.Module, entry: Entry, graph: Graph) -> None:
    """What nobody reads may be left out, but nothing may be renamed."""
    same = compact(network, Selection.full(network), entry.shape, graph)
    pairs = zip(outputs(network, entry), outputs(same, entry), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs), (
        "with everything selected it is not the network itself, bit for bit"
    )
    new = sorted(same.state_dict().keys() - network.state_dict().keys())
    assert not new, f"with everything selected {new[0]} is saved, which the network does not save"
    assert_cost(same, Selection({}), entry, graph)


def assert_cost(small: nn.Module, choice: Selection, entry: Entry, graph: Graph) -> None:
    predicted, real = predict(analyse(graph, choice)), Cost(count_macs(small, entry.shape), count_params(small))
    assert predicted == real, f"predicted {predicted}, counted {real}"


def certificate(network: nn.Module, small: nn.Module, choice: Selection, entry: Entry, graph: Graph) -> float:
    """max |masked - small| relative to the largest output, of the worst output; the cost is checked too."""
    assert_cost(small, choice, entry, graph)
    wanted, got = outputs(mask(network, choice, entry.shape, graph), entry), outputs(small, entry)
    return max(distance(a, b) for a, b in zip(wanted, got, strict=True))


def distance(wanted: Tensor, got: Tensor) -> float:
    assert wanted.shape == got.shape, f"{tuple(wanted.shape)} became {tuple(got.shape)}"
    return ((wanted - got).abs().max() / wanted.abs().max().clamp(min=1e-30)).item()


def assert_trains(small: nn.Module, network: nn.Module, entry: Entry) -> None:
    """The loss stays finite over a step, and the gradient reaches what it reaches in the full-size network."""
    origins, without = parameter_origins(small), parameters_without_gradient(small, entry, steps=2)
    lost_before = parameters_without_gradient(copy.deepcopy(network), entry, steps=1)
    lost = sorted({origins[name] for name in without} - lost_before)
    assert not lost, f"no gradient reaches {', '.join(lost[:3])} of the small network"


def parameters_without_gradient(network: nn.Module, entry: Entry, steps: int) -> set[str]:
    """After training on a batch that norms over 1x1 maps can live with."""
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6)
    for _ in range(steps):
        found = tree_leaves(network(*(torch.cat([batch, -batch]) for batch in entry.inputs(2))))
        loss = sum(leaf.square().mean() for leaf in found if isinstance(leaf, Tensor))
        assert loss.isfinite(), "the loss is not finite"
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name for name, parameter in network.named_parameters() if parameter.grad is None}
