"""The life of a pruning method, in verbs; a method gives attach and select, and of the others those that it needs.

    attach     in setup, before the optimiser exists     add gates
    observe    for each batch of `data`, no step         see activations, or gradients of the loss; weights stay
    penalty    in each step, after backward              a term of the loss; steer adds its gradient
    steer      after backward, before the step           move gates, edit gradients
    settle     after each optimiser step                 follow the weights: project, mask
    end_epoch  after each epoch                          the same, less often
    select     asked after training                      return a Selection; change nothing
    detach     last                                      leave a plain network, names and order of parameters as before

A method sees the network, never the Trainer. All that it learns lives in the network's module tree, so that
checkpoints, resuming, device moves and several processes come free. `pruning.lightning` calls the verbs in a Trainer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.allocations import ALLOCATIONS
from pruning.budget.targets import Budget
from pruning.graph.graph import Graph
from pruning.graph.inputs import Batch, Shapes, call
from pruning.modes import eval_mode
from pruning.selection import Selection

Images = Batch  # also several inputs: `pruning.graph.inputs.call`
Loss = Callable[[Any], Float[Tensor, ""]]  # of a network's outputs, for the batch that they are of


class PruningMethod(ABC):
    """Abstract; every concrete method is final."""

    needs_training: bool = False  # False: decides on the network as it is; its stage has no epochs of its own
    form: str = "split"  # in which small networks are timed and exported, one of pruning.surgery.forms.FORMS
    observes: bool = False  # True: batches are enough for it, no step has to be made
    observed: bool = False  # since its stage has begun
    budget: Budget | None = None  # None: it asks for none
    graph: Graph | None = None  # of the network attached last, as it is without what attach put on
    tunes_masked: bool = False  # True: its small network is fine-tuned at full size under the mask, and cut at the end
    gated: bool = False  # True: while attached, the network computes something else than when silenced
    reduces: bool = False  # True: end_observation brings together what processes have seen, each of its own batches
    comparable: bool = False  # True: scores of different layers are of one scale, and may be ranked together
    allocates: Collection[str] = tuple(ALLOCATIONS)  # names of the allocations that it can do with

    def __str__(self) -> str:
        """What messages call it."""
        return type(self).__name__

    # -- the verbs -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        """Prepare a plain network, in place, for a stage of `steps` optimiser steps; its output does not change.

        Raises:
            ValueError: the budget cannot be met on this network, or the stage is too short.
        """

    @abstractmethod
    def select(self, network: nn.Module) -> Selection:
        """The choice, by the state of an attached network; exact in number, ties by index. Changes nothing."""

    def detach(self, network: nn.Module) -> None:
        """Take everything off that attach put on; names and order of parameters are as before."""

    def observe(self, network: nn.Module, images: Images, loss: Loss) -> None:
        """One of the batches that scores are made of, the network in eval; `loss(network(images))` is its loss.

        What is seen may live in the method: whoever asks it to select has shown it the batches.
        """
        loss(call(network, images)).backward()
        self.steer(network)

    def end_observation(self) -> None:
        """After the last of the batches."""

    def penalty(self, network: nn.Module) -> Float[Tensor, ""] | None:
        """A term of the loss, in each step of the optimiser; None for none."""
        return None

    def steer(self, network: nn.Module) -> None:
        """Between backward and the optimiser's step: move the method's own parameters, which no optimiser knows, and
        leave them without a gradient; edit those of the weights. One that has a penalty calls this first."""
        term = self.penalty(network)
        if term is not None:
            add_gradients(term, [parameter for parameter in network.parameters() if parameter.requires_grad])

    def settle(self, network: nn.Module) -> None:
        """Follow the weights after the optimiser's step."""

    def end_epoch(self, network: nn.Module, epoch: int) -> None:
        """Follow the weights after an epoch; the first is 0."""

    def report(self, network: nn.Module) -> dict[str, float]:
        """Figures of the moment, by name."""
        return {}

    # -- for plans and scans -------------------------------------------------------------------------------------------

    def widths(self) -> dict[str, int]:
        """How many units (filters, or channels of a pattern) there are at each site of the network attached last."""
        return {}

    def preview(self, network: nn.Module) -> Selection:
        """What select would be, of a stage that has just begun. Changes nothing."""
        return self.select(network)

    def choose(self, network: nn.Module, counts: Mapping[str, int]) -> Selection:
        """The choice that the method makes when each site keeps this many units. Changes nothing."""
        return self.select(network)

    def exclusion_reasons(self) -> dict[str, str | None]:
        """For every convolution of the network attached last, why it is left whole; None for one that is cut."""
        return {}

    @final
    def observe_batches(self, network: nn.Module, batches: Iterable[tuple[Images, Loss]]) -> None:
        """observe, as whoever has data calls it: in eval, and no gradient is left behind."""
        with eval_mode(network), torch.enable_grad():
            for images, loss in batches:
                network.zero_grad()
                self.observe(network, images, loss)
                self.observed = True
            network.zero_grad()
        self.end_observation()

    @final
    def refuse_unobserved(self) -> None:
        """Raises ValueError where scores would be made of batches that nobody has shown."""
        if self.observes and not (self.observed or self.needs_training):
            raise ValueError(
                f"{self} scores by what batches show it, and has seen none: give "
                "pruning.prune(..., data=) batches of (images, labels)"
            )

    @final
    def refuse_allocation(self, budget: Budget) -> None:
        """Raises ValueError for an allocation by scores that this method does not have in time."""
        name = budget.allocation.name
        if name in ALLOCATIONS and name not in self.allocates:
            raise ValueError(
                f"{type(self).__name__} sets its counts before it learns its scores, and {key('allocation')}={name} "
                f"ranks by them: take {key('allocation')}={', '.join(self.allocates)}"
            )

    @final
    def refuse_scaled(self, precision: str) -> None:
        """Raises ValueError where gradients are infinite in some steps, and the method would learn from them."""
        if self.needs_training and precision == "16-mixed":
            raise ValueError(
                f"{key('precision')}=16-mixed leaves out steps whose gradients are infinite, and "
                f"{self} would learn from them: take bf16-mixed or 32-true"
            )

    @final
    def begin_stage(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        """attach, as whoever runs or plans a stage calls it.

        Raises:
            ValueError: as attach; or a method that learns has no steps to learn in, and would choose by index.
        """
        if self.needs_training and steps < 1:
            raise ValueError(
                f"{self} learns what to remove while its stage trains, and {key('steps')}=0 leaves it "
                f"no steps: raise {key('steps')}, or take a method that decides at once, such as l1"
            )
        self.observed = False
        self.attach(network, image_shape, steps)


def add_gradients(term: Float[Tensor, ""], parameters: list[nn.Parameter]) -> None:
    """Of a further term of the loss, to those of the parameters that it reaches; no hook of a parameter is called."""
    for parameter, gradient in zip(parameters, torch.autograd.grad(term, parameters, allow_unused=True), strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
