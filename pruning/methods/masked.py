"""Training at full size under the mask of a selection that has been made: what `compact` then makes of it is exact."""

from __future__ import annotations

from typing import final

from torch import nn

from pruning.graph.graph import trace
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import analyse
from pruning.methods.base import PruningMethod
from pruning.selection import Selection
from pruning.surgery.mask import silence


@final
class Masked(PruningMethod):
    """Selects what it was given, and silences what that removes, at once and after each step of the optimiser."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        self.graph = trace(network, image_shape)
        self.liveness = analyse(self.graph, self.selection)
        silence(network, self.liveness)

    def settle(self, network: nn.Module) -> None:
        silence(network, self.liveness)

    def select(self, network: nn.Module) -> Selection:
        return self.selection
