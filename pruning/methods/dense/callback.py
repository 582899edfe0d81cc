"""The null method: nothing goes. Through the same pipe it is the dense network trained for just as long."""

from typing import final

from torch import nn

from pruning.graph.inputs import Shapes
from pruning.methods.base import PruningMethod
from pruning.selection import Selection


@final
class Dense(PruningMethod):
    """Keeps everything."""

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        """Nothing to prepare."""

    def select(self, network: nn.Module) -> Selection:
        return Selection.full(network)
