"""The life of a pruning method: five verbs, called while a network trains (three) and by the pipeline (two).

    attach   in setup, before the optimiser exists       add gates
    steer    after backward, before the step             move gates, edit gradients
    settle   after each optimiser step                   follow the weights: project, mask
    select   asked after training                        return a Selection; change nothing
    detach   last                                        leave a plain network, names and order of parameters as before

A method sees the network, never the Trainer. All that it learns lives in the network's module tree, so that
checkpoints, resuming, device moves and several processes come free. `pruning.lightning` calls the verbs in a Trainer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import final

from torch import nn

from pruning.arguments import key
from pruning.graph.graph import Graph
from pruning.selection import Selection


class PruningMethod(ABC):
    """Abstract; every concrete method is final."""

    needs_training: bool = False  # False: decides on the network as it is; its stage has no epochs of its own
    form: str = "split"  # in which small networks are timed and exported, one of pruning.surgery.forms.FORMS
    observes: bool = False  # True: gradients of a few batches are enough for it, no step has to be made
    graph: Graph | None = None  # of the network attached last, as it is without what attach put on
    gated: bool = False  # True: while attached, the network computes something else than when silenced

    # -- the verbs -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def attach(self, network: nn.Module, image_shape: tuple[int, int, int], steps: int) -> None:
        """Prepare a plain network, in place, for a stage of `steps` optimiser steps; its output does not change.

        Raises:
            ValueError: the budget cannot be met on this network, or the stage is too short.
        """

    @abstractmethod
    def select(self, network: nn.Module) -> Selection:
        """The choice, by the state of an attached network; exact in number, ties by index. Changes nothing."""

    def detach(self, network: nn.Module) -> None:
        """Take everything off that attach put on; names and order of parameters are as before."""

    def steer(self, network: nn.Module) -> None:
        """Between backward and the optimiser's step: move the method's own parameters, which no optimiser knows, and
        leave them without a gradient; edit those of the weights."""

    def settle(self, network: nn.Module) -> None:
        """Follow the weights after the optimiser's step."""

    def report(self, network: nn.Module) -> dict[str, float]:
        """Figures of the moment, by name."""
        return {}

    # -- for plans and scans -------------------------------------------------------------------------------------------

    def widths(self) -> dict[str, int]:
        """How many units (filters, or channels of a pattern) there are at each site of the network attached last."""
        return {}

    def choose(self, network: nn.Module, counts: Mapping[str, int]) -> Selection:
        """The choice that the method makes when each site keeps this many units. Changes nothing."""
        return self.select(network)

    def exclusion_reasons(self) -> dict[str, str | None]:
        """For every convolution of the network attached last, why it is left whole; None for one that is cut."""
        return {}

    @final
    def refuse_scaled(self, precision: str) -> None:
        """Raises ValueError where gradients are infinite in some steps, and the method would learn from them."""
        if self.needs_training and precision == "16-mixed":
            raise ValueError(
                f"{key('precision')}=16-mixed leaves out steps whose gradients are infinite, and "
                f"{type(self).__name__} would learn from them: take bf16-mixed or 32-true"
            )

    @final
    def begin_stage(self, network: nn.Module, image_shape: tuple[int, int, int], steps: int) -> None:
        """attach, as whoever runs or plans a stage calls it.

        Raises:
            ValueError: as attach; or a method that learns has no steps to learn in, and would choose by index.
        """
        if self.needs_training and steps < 1:
            raise ValueError(
                f"{type(self).__name__} learns what to remove while its stage trains, and {key('steps')}=0 leaves it "
                f"no steps: raise {key('steps')}, or take a method that decides at once, such as l1"
            )
        self.attach(network, image_shape, steps)
