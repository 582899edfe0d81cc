"""What group-wise pruning hangs on a convolution: a mask of kernels, the evidence for each kernel, the groups."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize


class KernelGate(nn.Module):
    """A parametrisation of a weight [out, in, kh, kw]: only kernels under the mask work.

    All state is in the module: tensors in buffers, and counts as numbers, which nobody has to wait for a GPU to read;
    a state dict has them as its extra state.

    Args:
        weight: the weight it will sit on.
        groups: number of groups of filters.
    """

    mask: Tensor
    evidence: Tensor
    activity: Tensor
    group: Tensor
    strength: Tensor

    def __init__(self, weight: Float[Tensor, "out in kh kw"], groups: int) -> None:
        super().__init__()
        out, columns = weight.shape[:2]
        self.register_buffer("mask", weight.new_ones(out, columns, 1, 1))
        self.register_buffer("evidence", weight.new_zeros(out, columns))  # sum over steps of |sum W dL/dW|
        self.register_buffer("activity", weight.new_zeros(columns))  # sum over steps of the mean |input|
        self.register_buffer("group", torch.full((out,), -1, device=weight.device))  # -1: not learned yet
        self.register_buffer("strength", weight.new_full((groups,), 0.01))  # of the group lasso
        self.has_groups = False  # do the filters have their groups?
        self.observed_steps = 0  # steps summed over
        self.total_steps = 0  # steps in all
        self.level = 0  # of the ladder

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.has_groups, self.observed_steps, self.total_steps, self.level], dtype=torch.long)

    def set_extra_state(self, state: Tensor) -> None:
        has_groups, self.observed_steps, self.total_steps, self.level = state.tolist()
        self.has_groups = bool(has_groups)

    def forward(self, weight: Float[Tensor, "out in kh kw"]) -> Float[Tensor, "out in kh kw"]:
        return weight * self.mask

    @torch.no_grad()
    def accumulate_evidence(self, weight: Float[Tensor, "out in kh kw"]) -> None:
        """One more step: its gradient is evidence for every kernel."""
        if weight.grad is not None:
            self.evidence += (weight * weight.grad).sum((2, 3)).abs()
        self.observed_steps += 1
        self.total_steps += 1

    def learn(self, groups: Int[Tensor, " out"]) -> None:
        """Fix the groups."""
        self.group = groups.to(self.group.device)
        self.has_groups = True

    def tighten(self, groups: Int[Tensor, " out"], kernels: Bool[Tensor, "out in"], level: int) -> None:
        """Fix the groups, mask all but these kernels, and start the evidence anew."""
        self.learn(groups)
        self.mask = kernels.to(self.mask)[:, :, None, None]
        self.evidence.zero_()
        self.activity.zero_()
        self.observed_steps, self.level = 0, level


def attach_gates(network: nn.Module, counts: dict[str, int], watch: bool) -> None:
    """Put a gate on every named convolution, with its number of groups; `watch` its inputs too."""
    for name, groups in counts.items():
        layer = network.get_submodule(name)
        gate = KernelGate(layer.get_parameter("weight").detach(), groups)
        parametrize.register_parametrization(layer, "weight", gate, unsafe=True)
        if watch:
            layer.register_forward_pre_hook(_record_activity)


def _record_activity(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """A function, not a closure, so that it follows a copy of the network."""
    if torch.is_grad_enabled():  # not while it is measured
        gate: Any = layer.parametrizations.weight[0]  # type: ignore[union-attr, index]
        gate.activity += inputs[0].detach().abs().mean((0, 2, 3)).to(gate.activity.dtype)


def gate_on(network: nn.Module, name: str) -> KernelGate:
    gate = network.get_submodule(name).parametrizations.weight[0]  # type: ignore[union-attr, index]
    assert isinstance(gate, KernelGate)
    return gate


def ungated_weight(network: nn.Module, name: str) -> nn.Parameter:
    """The weight itself, without its gate."""
    return network.get_submodule(name).parametrizations.weight.original  # type: ignore[union-attr, return-value]


def remove_gates(network: nn.Module, names: list[str]) -> None:
    """Remove gates and hooks, in place; what the masks had removed is zero; parameters are in their old order."""
    for name in names:
        layer = network.get_submodule(name)
        with torch.no_grad():
            ungated_weight(network, name).mul_(gate_on(network, name).mask)
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        layer._parameters = {key: layer._parameters[key] for key in sorted(layer._parameters, reverse=True)}
        for key, hook in list(layer._forward_pre_hooks.items()):
            if hook is _record_activity:
                del layer._forward_pre_hooks[key]
