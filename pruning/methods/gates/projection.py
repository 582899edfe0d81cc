"""The two projections of the lp-box, exact, all layers at once.

Layers of different widths are rows of one padded matrix; `valid` marks the places that exist.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

PADDING = -1e9  # where places stand that do not exist


def onto_box_with_sum(
    x: Float[Tensor, "layers units"], total: Float[Tensor, " layers"], valid: Bool[Tensor, "layers units"]
) -> Float[Tensor, "layers units"]:
    """The nearest point of {0 <= z <= 1, sum z = total} in every row (Li et al. 2019, equation for z1; there a QP).

    It is clip(x - t, 0, 1) with the one t that makes the sum right. The sum falls piecewise linearly in t with corners
    at x and x - 1: sort the corners, add up the slopes from the right, and solve on the piece that holds the total.
    `total` lies in (0, number of valid places].
    """
    exact = x.double().masked_fill(~valid, PADDING)  # never reached by t, so that no later line needs `valid`
    corners, order = torch.cat([exact, exact - 1], dim=1).sort(dim=1, descending=True)
    turns = torch.where(order < x.shape[1], 1.0, -1.0).double()
    slopes = turns.cumsum(1)  # of the piece to the left of each corner
    offsets = turns.mul_(corners).cumsum(1)
    sums = torch.addcmul(offsets, slopes, corners, value=-1)
    piece = torch.searchsorted(sums, total[:, None] - 1e-9).sub_(1).clamp_(min=0)
    shift = (offsets.gather(1, piece) - total[:, None]) / slopes.gather(1, piece).clamp_(min=1)
    return exact.sub_(shift).clamp_(0, 1).to(x.dtype)


def onto_sphere(x: Float[Tensor, "layers units"], valid: Bool[Tensor, "layers units"]) -> Float[Tensor, "layers units"]:
    """The nearest point of |z - 1/2|^2 = m / 4 in every row of m valid places; the centre itself goes to all ones."""
    offset = (x - 0.5) * valid
    length = torch.linalg.vector_norm(offset, dim=1, keepdim=True)
    radius = torch.linalg.vector_norm(valid.to(x.dtype), dim=1, keepdim=True) / 2
    nearest = torch.addcmul(valid / 2, offset, radius / length)
    return torch.where(length > 1e-12, nearest, valid.to(x.dtype))
