"""The library: its graph of a network, its groups and its scores, by the names of layers."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.graph.inputs import Batch, Shapes, call, map_batch, random_batch

Ties = dict[str, dict[int, int]]  # by layer, for its filters that go with a root's: which of the root's


def load_library() -> Any:
    """Raises ValueError without the extra."""
    try:
        import torch_pruning
    except ImportError as error:
        raise ValueError(
            "this method asks the library Torch-Pruning, which is not installed: "
            "pip install 'cnn-pruning[torch-pruning]'"
        ) from error
    return torch_pruning


@dataclass(frozen=True)
class GroupScores:
    """What the library says of all filters of one layer, the root: a score of each, and what goes with which."""

    scores: Float[Tensor, " filters"]
    ties: Ties


class Peer:
    """Its graph of a copy of the network: it leaves what it traces in eval, and follows no layer that is frozen."""

    def __init__(self, network: nn.Module, image_shape: Shapes) -> None:
        self.library, self.network = load_library(), copy.deepcopy(network).requires_grad_(True)
        self.names = {module: name for name, module in self.network.named_modules()}
        example = example_for(self.network, image_shape)
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            try:
                self.graph = self.library.DependencyGraph().build_dependency(
                    self.network, example_inputs=example, forward_fn=call, verbose=False
                )
            except Exception as error:  # a peer fails in its own words
                raise ValueError(
                    f"Torch-Pruning {self.library.__version__} cannot follow this network: "
                    f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
                ) from error

    def score(self, root: str, importance: Any) -> GroupScores:
        """Raises ValueError for a layer that the library does not know."""
        layer = dict(self.network.named_modules()).get(root)
        if layer not in self.graph.module2node:
            raise ValueError(f"Torch-Pruning does not see the layer {root!r}: leave it out by {key('exclude')}=")
        pruner = self.graph.get_pruner_of_module(layer)
        filters = list(range(pruner.get_out_channels(layer)))
        group = self.graph.get_pruning_group(layer, pruner.prune_out_channels, filters)
        return GroupScores(importance(group).detach().float().cpu(), self.ties(group))

    def ties(self, group: Any) -> Ties:
        rows = (self.library.prune_conv_out_channels, self.library.prune_linear_out_channels)
        items = [(item.dep, item.idxs, item.root_idxs) for item in group]
        return {
            self.names[dep.target.module]: dict(zip(idxs, roots, strict=True))
            for dep, idxs, roots in items
            if dep.handler in rows
        }


def example_for(network: nn.Module, image_shape: Shapes) -> Batch:
    """Two images of the network's own type, on its device."""
    parameter = next(network.parameters())
    return map_batch(random_batch(image_shape, 2, parameter.dtype), lambda tensor: tensor.to(parameter.device))
