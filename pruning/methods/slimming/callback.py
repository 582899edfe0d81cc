"""Network slimming (Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.targets import Budget
from pruning.graph.inputs import Shapes
from pruning.methods.filters import FilterMethod, Scores


@final
class Slimming(FilterMethod):
    """An L1 penalty on the scales of norms while they train; the filters whose scales end largest stay.

    Args:
        budget, joined, only, grouped, linear: as in FilterMethod; every layer that is cut needs a batch norm with a
            scale behind it.
        strength: lambda of equation 1, 0 or more; the paper has 1e-4 for VGG and 1e-5 for ResNet and DenseNet.
    """

    needs_training = True
    comparable = True  # the paper ranks over all layers

    def __init__(
        self,
        budget: Budget,
        strength: float = 1e-4,
        joined: str = "keep",
        only: Sequence[str] | None = None,
        grouped: str | None = None,
        linear: bool = False,
    ) -> None:
        if not strength >= 0:
            raise ValueError(f"{key('strength')} must be 0 or more, got {strength}")
        super().__init__(budget, joined, only, grouped=grouped, linear=linear)
        self.strength = strength

    def survey(self, network: nn.Module, image_shape: Shapes) -> None:
        super().survey(network, image_shape)
        self.scale_names = {layer: f"{self.norm_after(layer)}.weight" for layer in self.layers}
        for name in self.scale_names.values():
            if not network.get_parameter(name).requires_grad:
                raise ValueError(
                    f"Slimming trains the scales of norms, and {name!r} is frozen (requires_grad=False): thaw it, or "
                    f"leave its layer out by {key('exclude')}="
                )

    def penalty(self, network: nn.Module) -> Float[Tensor, ""]:
        """lambda sum |gamma| over the norms of the layers that may be cut; its gradient at 0 is 0, as the authors'."""
        return self.strength * torch.cat([self.scale(network, layer).abs() for layer in self.layers]).sum()

    def scores(self, network: nn.Module) -> Scores:
        """|gamma|, added up over what is cut as one."""
        return self.sum_members(lambda layer: self.scale(network, layer).abs())

    def report(self, network: nn.Module) -> dict[str, float]:
        """`mean_scale`, the mean |gamma|: what the penalty pulls down."""
        scales = torch.cat([self.scale(network, layer).detach().abs() for layer in self.layers])
        return {"mean_scale": scales.mean().item()}

    def scale(self, network: nn.Module, layer: str) -> nn.Parameter:
        return network.get_parameter(self.scale_names[layer])
