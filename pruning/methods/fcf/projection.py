"""The two projections of the lp-box, exact, all layers at once.

Layers of different widths are rows of one padded matrix; `valid` marks the places that exist.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def onto_box_with_sum(
    x: Float[Tensor, "layers units"], total: Float[Tensor, " layers"], valid: Bool[Tensor, "layers units"]
) -> Float[Tensor, "layers units"]:
    """The nearest point of {0 <= z <= 1, sum z = total} in every row (Li et al. 2019, equation for z1; there a QP).

    It is clip(x - t, 0, 1) with the one t that makes the sum right. The sum falls piecewise linearly in t with corners
    at x and x - 1: sort the corners, add up the slopes from the right, and solve on the piece that holds the total.
    `total` lies in (0, number of valid places].
    """
    exact = x.double()
    inside = exact.masked_fill(~valid, 0)
    corners = torch.cat([inside, inside - 1], dim=1)
    turns = torch.cat([valid, valid], dim=1).double()
    turns[:, x.shape[1] :] *= -1
    corners, order = corners.sort(dim=1, descending=True)
    turns = turns.gather(1, order)
    slopes = turns.cumsum(1)  # of the piece to the left of each corner
    offsets = (turns * corners).cumsum(1)
    sums = offsets - slopes * corners
    piece = ((sums < total[:, None] - 1e-9).sum(1) - 1).clamp(min=0)[:, None]
    shift = (offsets.gather(1, piece) - total[:, None]) / slopes.gather(1, piece).clamp(min=1)
    return ((exact - shift).clamp(0, 1) * valid).to(x.dtype)


def onto_sphere(x: Float[Tensor, "layers units"], valid: Bool[Tensor, "layers units"]) -> Float[Tensor, "layers units"]:
    """The nearest point of |z - 1/2|^2 = m / 4 in every row of m valid places; the centre itself goes to all ones."""
    away = (x - 0.5) * valid
    length = away.norm(dim=1, keepdim=True)
    radius = valid.sum(1, keepdim=True).to(x.dtype).sqrt() / 2
    direction = torch.where(length > 1e-12, away / length.clamp(min=1e-12), valid / (2 * radius))
    return (0.5 + radius * direction) * valid
