"""Methods that learn which filters stay by gates which the lp-box ADMM makes binary while the network trains."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.allocations import WITHOUT_SCORES
from pruning.budget.targets import Budget
from pruning.graph.inputs import Shapes
from pruning.methods.filters import FilterMethod, Scores
from pruning.methods.gates.gate import (
    Gate,
    attach_gates,
    gate_on,
    gate_targets,
    plain_tensors,
    rank_gates,
    remove_gates,
)
from pruning.methods.gates.lpbox import LpBox
from pruning.methods.gates.schedule import Schedule
from pruning.selection import Selection

MIN_STEPS = 150  # fewer, and gates end near 1/2 (fcf/card.md)
MAX_BINARY_GAP = 0.05  # mean distance from {0, 1} under which gates count as binary
PUBLISHED_THRESHOLD = 0.1  # FCF's authors keep v >= 0.1, whatever number that gives
BOX = "box"  # where the duals live in the first gate


class GatedMethod(FilterMethod):
    """Binary gates by lp-box ADMM, trained together with the weights; where they start says what the method is.

    Args:
        budget, joined, only, cross, linear: as in FilterMethod, but for joined="couple".
        gate: "filter", v scales the filter; "norm", v scales what the norm behind it gives.
        schedule: how the gates are pulled to 0 or 1.
    """

    needs_training = True
    gated = True
    allocates = WITHOUT_SCORES
    scaled = False  # True: what the gates have scaled stays scaled when they go

    def __init__(
        self,
        budget: Budget,
        joined: str,
        gate: str,
        schedule: Schedule,
        only: Sequence[str] | None = None,
        cross: bool = False,
        linear: bool = False,
    ) -> None:
        if joined == "couple":
            raise ValueError(
                f"{type(self).__name__} gates every convolution on its own: {key('joined')} must be expand or keep, "
                "got couple"
            )
        if gate not in ("filter", "norm"):
            raise ValueError(f"{key('gate')} must be filter (the paper) or norm, got {gate!r}")
        super().__init__(budget, joined, only, cross, linear=linear)
        self.gate, self.schedule = gate, schedule

    @abstractmethod
    def start_values(self, network: nn.Module) -> Scores:
        """Where the gates of each site start, above 0."""

    def start_in_order(self, scores: Scores) -> Scores:
        """From 1 for the largest score of each site down, so that those with the smallest go, as many as the budget
        asks."""
        return {name: rank_gates(values, 1 - self.counts[name] / len(values)) for name, values in scores.items()}

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        if steps < MIN_STEPS:
            raise ValueError(
                f"{type(self).__name__} needs {MIN_STEPS} steps or more for its gates to become binary, got {steps}; "
                f"raise {key('steps')} or take smaller batches"
            )
        self.survey(network, image_shape)
        self.settle_counts(network, self.magnitudes(network))
        self.targets = gate_targets(self.graph, list(self.groups.units), self.gate)
        attach_gates(network, self.targets, self.start_values(network))
        values, widths = self.schedule, [len(gate_on(network, target).v) for target in self.targets.values()]
        keep = [self.counts[name] for name in self.targets]
        box = LpBox(widths, keep, values.alpha, values.rho, values.growth(steps), values.rho_max)
        self.first_gate(network).add_module(BOX, box.to(next(network.parameters())))

    @torch.no_grad()
    def steer(self, network: nn.Module) -> None:
        """Plain gradient descent of the gates, whatever moves the weights; then their duals.

        A gradient that is no number moves no gate: whoever looks for where it came from finds the gates sound.
        """
        box, gates = self.box(network), self.gates(network)
        grads = [gate.grad if gate.grad is not None else torch.zeros_like(gate) for gate in gates]
        self.measure_forces(network, gates, grads)
        v = box.stack([gate.detach() for gate in gates])
        gradient = box.constrained_gradient(v, box.stack(grads))
        v = v.sub(gradient.nan_to_num(0.0, 0.0, 0.0), alpha=self.schedule.lr)
        torch._foreach_copy_(list(gates), box.rows(v))
        box.settle(v)
        for gate in gates:
            gate.grad = None

    def measure_forces(self, network: nn.Module, gates: list[nn.Parameter], grads: list[Tensor]) -> None:
        """How much of the loss the gates feel: behind a norm the sum of U dL/dU over a filter U = v W is rounding.

        That sum is v dL/dv, and U dL/dU is W dL/dW of the tensors without their gates.
        """
        box, scaled = self.box(network), [p for target in self.targets.values() for p in plain_tensors(network, target)]
        trained = [p for p in scaled if p.grad is not None]
        box.pull = torch.stack(torch._foreach_norm(torch._foreach_mul(list(gates), grads), 1)).sum()
        box.force = torch.stack([(p.detach() * p.grad).abs_().sum() for p in trained if p.grad is not None]).sum()

    def select(self, network: nn.Module) -> Selection:
        """In the numbers that the gates have learned for."""
        return self.choose(network, self.counts)

    def scores(self, network: nn.Module) -> Scores:
        return {name: gate_on(network, target).v.detach() for name, target in self.targets.items()}

    def detach(self, network: nn.Module) -> None:
        gap = self.report(network)["gap"]
        if gap > MAX_BINARY_GAP and self.has_moved(network):
            warnings.warn(
                f"{type(self).__name__}'s gates are not binary at the end of their stage: mean distance {gap:.3f} "
                f"from 0 or 1, more than {MAX_BINARY_GAP}; train them longer ({key('steps')})",
                stacklevel=2,
            )
        remove_gates(network, self.targets, scaled=self.scaled)

    def has_moved(self, network: nn.Module) -> bool:
        """Gates that were never trained, as in a dry run of a large network, have no end to be judged by."""
        gates = [gate_on(network, target) for target in self.targets.values()]
        return any(not torch.equal(gate.v, gate.start) for gate in gates)

    @torch.no_grad()
    def report(self, network: nn.Module) -> dict[str, float]:
        """The penalty, how far the gates are from their constraints, and how much the loss has to say.

        `gate_pull` = sum |v dL/dv| against `weight_force` = sum |U dL/dU|, U = v W; `over_threshold` = filters with
        v >= 0.1, the authors' own rule; `crossings` = how often gates have crossed 1/2.
        """
        box = self.box(network)
        v = box.stack([gate.detach() for gate in self.gates(network)])
        primal_box, primal_sphere = torch.linalg.vector_norm((v - box.z) * box.valid, dim=(1, 2)).tolist()
        over_threshold = box.stack([(gate >= PUBLISHED_THRESHOLD).float() for gate in self.gates(network)])
        return {
            "rho": box.rho.item(),
            "primal_box": primal_box,
            "primal_sphere": primal_sphere,
            "dual": box.dual.item(),
            "gap": box.gap(v).mean().item(),
            "crossings": box.crossings.item(),
            "over_threshold": over_threshold.sum().item(),
            "gate_pull": box.pull.item(),
            "weight_force": box.force.item(),
        }

    def gates(self, network: nn.Module) -> list[nn.Parameter]:
        return [gate_on(network, target).v for target in self.targets.values()]

    def box(self, network: nn.Module) -> LpBox:
        return getattr(self.first_gate(network), BOX)

    def first_gate(self, network: nn.Module) -> Gate:
        """The gate that carries the duals of all: the root of a network may be a Sequential, which would call them."""
        return gate_on(network, next(iter(self.targets.values())))
