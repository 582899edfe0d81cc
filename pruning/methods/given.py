"""A selection that somebody has made already, through the same pipe as a method's."""

from __future__ import annotations

from typing import final

from torch import nn

from pruning.graph.inputs import Shapes
from pruning.methods.base import PruningMethod
from pruning.selection import Selection


@final
class Given(PruningMethod):
    """Selects what it was given."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        self.selection.check(network)

    def select(self, network: nn.Module) -> Selection:
        return Selection({**Selection.full(network), **self.selection})

    def exclusion_reasons(self) -> dict[str, str | None]:
        whole = "whole: the selection keeps it"
        return {name: whole if kernels.all() else None for name, kernels in self.selection.items()}
