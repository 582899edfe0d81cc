"""The lp-box ADMM on the gates of all layers at once (Li et al. 2019, Algorithm 1; lp-box: Wu and Ghanem 2019)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pruning.methods.fcf.projection import onto_box_with_sum, onto_sphere

Gates = Float[Tensor, "layers units"]


class LpBox(nn.Module):
    """Duals and penalty, as buffers. Rows are layers, padded to the widest.

    Args:
        widths: units of each layer.
        keep: units that stay of each layer.
        alpha: weight of the constraints in a gate's gradient, in [0, 1]; the loss has the rest.
        rho, mu, rho_max: the penalty, its growth at each step, and where it stops growing.
    """

    valid: Bool[Tensor, "layers units"]
    keep: Tensor
    rho: Tensor
    y1: Tensor
    y2: Tensor
    z1: Tensor
    z2: Tensor
    up: Tensor  # gates over 1/2 at the last step
    dual: Tensor  # dual residual of the last step
    crossings: Tensor  # how often a gate has crossed 1/2 so far
    pull: Tensor  # sum |v dL/dv| of the last step
    force: Tensor  # sum |U dL/dU| over the same filters, U = v W
    places: Tensor

    def __init__(self, widths: list[int], keep: list[int], alpha: float, rho: float, mu: float, rho_max: float) -> None:
        super().__init__()
        self.widths, self.alpha, self.mu, self.rho_max = widths, alpha, mu, rho_max
        self.register_buffer("valid", torch.arange(max(widths)) < torch.tensor(widths)[:, None], persistent=False)
        self.register_buffer("places", self.valid.flatten().nonzero().flatten(), persistent=False)
        self.register_buffer("keep", torch.tensor(keep, dtype=torch.double), persistent=False)
        self.register_buffer("rho", torch.tensor(rho))
        self.register_buffer("up", self.valid.clone())
        for name in ("y1", "y2", "z1", "z2"):
            self.register_buffer(name, torch.zeros(self.valid.shape))
        for name in ("dual", "crossings", "pull", "force"):
            self.register_buffer(name, torch.zeros(()))

    def steered(self, v: Gates, pull: Gates) -> Gates:
        """The gradient of the gates: alpha of the augmented Lagrangian's, 1 - alpha of the loss's (`pull`)."""
        self.z1 = onto_box_with_sum(v + self.y1 / self.rho, self.keep, self.valid)
        z2 = onto_sphere(v + self.y2 / self.rho, self.valid)
        self.dual = self.rho * (z2 - self.z2).norm()
        self.z2 = z2
        constraint = self.y1 + self.y2 + self.rho * (2 * v - self.z1 - self.z2)
        return self.alpha * constraint + (1 - self.alpha) * pull

    def settle(self, v: Gates) -> None:
        """Move the duals by what the gates still violate, then let the penalty grow."""
        self.y1 = self.y1 + self.rho * (v - self.z1) * self.valid
        self.y2 = self.y2 + self.rho * (v - self.z2) * self.valid
        self.rho = torch.where(self.rho < self.rho_max, self.rho * self.mu, self.rho)
        up = v >= 0.5
        self.crossings = self.crossings + (up != self.up).sum()
        self.up = up

    def stack(self, rows: list[Tensor]) -> Gates:
        """Layers of different widths as one padded matrix."""
        flat = torch.cat(rows)
        return flat.new_zeros(self.valid.numel()).index_copy(0, self.places, flat).view(self.valid.shape)

    def rows(self, stacked: Gates) -> list[Tensor]:
        """And back."""
        return list(stacked.flatten()[self.places].split(self.widths))

    def gap(self, v: Gates) -> Float[Tensor, " layers"]:
        """Mean distance of a layer's gates from the nearer of 0 and 1."""
        return (torch.minimum(v.abs(), (v - 1).abs()) * self.valid).sum(1) / self.valid.sum(1)
