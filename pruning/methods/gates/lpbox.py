"""The lp-box ADMM on the gates of all layers at once (Li et al. 2019, Algorithm 1; lp-box: Wu and Ghanem 2019)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pruning.methods.gates.projection import onto_box_with_sum, onto_sphere

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
    y: Float[Tensor, "2 layers units"]  # duals of the box with its sum, and of the sphere
    z: Float[Tensor, "2 layers units"]  # nearest points of both
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
        for name in ("y", "z"):
            self.register_buffer(name, torch.zeros(2, *self.valid.shape))
        for name in ("dual", "crossings", "pull", "force"):
            self.register_buffer(name, torch.zeros(()))

    def constrained_gradient(self, v: Gates, pull: Gates) -> Gates:
        """The gradient of the gates: alpha of the augmented Lagrangian's, 1 - alpha of the loss's (`pull`)."""
        x = torch.addcdiv(v, self.y, self.rho)
        z = torch.stack([onto_box_with_sum(x[0], self.keep, self.valid), onto_sphere(x[1], self.valid)])
        self.dual = self.rho * torch.linalg.vector_norm(z[1] - self.z[1])
        self.z = z
        constraint = self.rho * (x - z).sum(0)  # y1 + y2 + rho (2v - z1 - z2)
        return torch.lerp(pull, constraint, self.alpha)

    def settle(self, v: Gates) -> None:
        """Move the duals by what the gates still violate, then let the penalty grow."""
        self.y = torch.addcmul(self.y, v - self.z, self.rho)
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
