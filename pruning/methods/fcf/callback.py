"""FCF-ADMM (Li et al., "Compressing CNNs via Factorized Convolutional Filters", CVPR 2019)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.targets import Budget
from pruning.graph.inputs import Shapes
from pruning.methods.fcf.gates import Gate, attach_gates, gate_on, gate_targets, plain_tensors, rank_gates, remove_gates
from pruning.methods.fcf.lpbox import LpBox
from pruning.methods.filters import FilterMethod, Scores
from pruning.selection import Selection

MIN_STEPS = 150  # fewer, and gates end near 1/2 (card.md)
UNSTABLE_STEP = 4 / 3  # the gate step with its duals diverges from lr * alpha * 2 rho_max = 4/3 on
MAX_BINARY_GAP = 0.05  # mean distance from {0, 1} under which gates count as binary
PUBLISHED_THRESHOLD = 0.1  # the authors keep v >= 0.1, whatever number that gives
BOX = "box"  # where the duals live in the first gate


@final
class FCF(FilterMethod):
    """Learns which filters stay: binary gates by lp-box ADMM, trained together with the weights.

    Defaults are the paper's for CIFAR-10 (section 4.1); for ImageNet it has alpha 0.65, rho 0.001, mu 1.005.

    Args:
        budget, joined, only, cross, linear: as in FilterMethod; the paper's form is joined="expand", cross=True.
        gate: "filter", v scales the filter (the paper); "norm", v scales what the norm behind it gives.
        alpha: weight of the constraints in the gates' gradient, in [0, 1).
        rho, mu, rho_max: penalty at the start, its growth at each step, its end. A stage whose first half is too
            short for this growth gets a steeper one.
        lr: learning rate of the gates, constant.
        start: "one", every gate starts at 1 (the paper); "l1", ordered by the filters' L1 norms, and what the gates
            have scaled stays scaled when they go.
    """

    needs_training = True
    gated = True

    def __init__(
        self,
        budget: Budget,
        joined: str = "expand",
        cross: bool = True,
        gate: str = "filter",
        alpha: float = 0.99,
        rho: float = 0.01,
        mu: float = 1.01,
        rho_max: float = 6.0,
        lr: float = 0.1,
        start: str = "one",
        only: Sequence[str] | None = None,
        linear: bool = False,
    ) -> None:
        if joined == "couple":
            raise ValueError(
                f"FCF gates every convolution on its own: {key('joined')} must be expand or keep, got couple"
            )
        super().__init__(budget, joined, only, cross, linear=linear)
        _check_arguments(gate, start, alpha, rho, mu, rho_max, lr)
        self.gate, self.alpha, self.rho, self.mu, self.rho_max, self.lr = gate, alpha, rho, mu, rho_max, lr
        self.start = start

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        if steps < MIN_STEPS:
            raise ValueError(
                f"FCF needs {MIN_STEPS} steps or more for its gates to become binary, got {steps}; "
                f"raise {key('steps')} or take smaller batches"
            )
        self.survey(network, image_shape)
        self.settle_counts(network, self.magnitudes(network))
        self.targets = gate_targets(self.graph, list(self.groups.units), self.gate)
        attach_gates(network, self.targets, self.start_values(network))
        widths = [len(gate_on(network, target).v) for target in self.targets.values()]
        keep = [self.counts[name] for name in self.targets]
        box = LpBox(widths, keep, self.alpha, self.rho, self.growth(steps), self.rho_max)
        self.first_gate(network).add_module(BOX, box.to(next(network.parameters())))

    def start_values(self, network: nn.Module) -> Scores:
        norms = self.norms(network, "sum")
        if self.start == "one":
            return {name: torch.ones_like(norm) for name, norm in norms.items()}
        return {name: rank_gates(norm, 1 - self.counts[name] / len(norm)) for name, norm in norms.items()}

    def growth(self, steps: int) -> float:
        """mu, or what brings the penalty to its end within half of the steps if that is more."""
        return max(self.mu, (self.rho_max / self.rho) ** (2 / steps))

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
        v = v.sub(gradient.nan_to_num(0.0, 0.0, 0.0), alpha=self.lr)
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
                f"FCF's gates are not binary at the end of their stage: mean distance {gap:.3f} from 0 or 1, more than "
                f"{MAX_BINARY_GAP}; train them longer ({key('steps')})",
                stacklevel=2,
            )
        remove_gates(network, self.targets, scaled=self.start == "l1")

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


def _check_arguments(gate: str, start: str, alpha: float, rho: float, mu: float, rho_max: float, lr: float) -> None:
    if gate not in ("filter", "norm"):
        raise ValueError(f"{key('gate')} must be filter (the paper) or norm, got {gate!r}")
    if start not in ("one", "l1"):
        raise ValueError(f"{key('start')} must be one (the paper) or l1, got {start!r}")
    if not 0 <= alpha < 1:
        raise ValueError(f"{key('alpha')} must lie in [0, 1), got {alpha}")
    if not (0 < rho <= rho_max and mu >= 1):
        raise ValueError(
            f"0 < {key('rho')} <= {key('rho_max')} and {key('mu')} >= 1 are needed, got {rho}, {rho_max} and {mu}"
        )
    step = lr * alpha * 2 * rho_max
    if step >= 1.25:
        warnings.warn(
            f"the gates' step is lr * alpha * 2 rho_max = {step:.3f}; from {UNSTABLE_STEP:.3f} on it diverges "
            f"(the paper's values give 1.19): lower {key('lr')} or {key('rho_max')}",
            stacklevel=3,
        )
