"""Groups of filters and their patterns: which filters share their input channels, and which channels those are.

Alternates two exact steps on one objective, the sum of the scores that are kept, which therefore never falls: patterns
given groups (the channels with the largest summed score), groups given patterns (a balanced assignment).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pruning.draws import random_scores

MAX_ROUNDS = 30  # stable within ten on all layers tried; the objective rises at every round, so it cannot cycle

Scores = Float[Tensor, "filters channels"]
Groups = Int[Tensor, " filters"]  # the group of each filter


def normalise_per_filter(scores: Scores) -> Scores:
    """Scores as shares of each filter's own sum, so that every filter has the same say."""
    return scores / scores.sum(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)


def best_patterns(scores: Scores, groups: Groups, count: int, keep: int) -> Int[Tensor, "groups keep"]:
    """For each of `count` groups the `keep` channels with the largest summed score, ties by index, ascending."""
    summed = torch.zeros(count, scores.shape[1], dtype=scores.dtype).index_add_(0, groups, scores)
    return summed.sort(dim=1, descending=True, stable=True).indices[:, :keep].sort(dim=1).values


def kernel_mask(scores: Scores, groups: Groups, count: int, keep: int) -> Bool[Tensor, "filters channels"]:
    """The kernels under the patterns: every filter those channels that its group keeps."""
    patterns = best_patterns(scores, groups, count, keep)
    return torch.zeros(scores.shape, dtype=torch.bool).scatter(1, patterns[groups], True)


def assign_balanced(gain: Float[Tensor, "filters groups"]) -> Groups:
    """Groups of equal size with the largest total gain: an assignment of filters to places, exactly solved."""
    size = len(gain) // gain.shape[1]
    gains = np.repeat(gain.double().numpy(), size, axis=1)
    _, column = linear_sum_assignment(gains, maximize=True)
    return torch.from_numpy(column // size)


def kept_score_share(scores: Scores, groups: Groups, patterns: Int[Tensor, "groups keep"]) -> float:
    """Share of all scores that lies on the kernels that the patterns keep."""
    return (scores.gather(1, patterns[groups]).sum() / scores.sum()).item()


def contiguous_groups(filters: int, count: int) -> Groups:
    """The first filters, the next ones, and so on."""
    return torch.arange(filters) // (filters // count)


def groups_by_lot(seed: int, name: str, filters: int, count: int) -> Groups:
    """Of equal size, by nothing but (seed, name): the control of learned groups."""
    return contiguous_groups(filters, count)[random_scores(seed, f"{name} groups", filters).argsort()]


def alternate(scores: Scores, groups: Groups, count: int, keep: int) -> Groups:
    """The two steps by turns from given groups, until the objective stands still."""
    best = -1.0
    for _ in range(MAX_ROUNDS):
        patterns = best_patterns(scores, groups, count, keep)
        share = kept_score_share(scores, groups, patterns)
        if share <= best + 1e-9:
            break
        best = share
        gain = torch.stack([scores[:, channels].sum(1) for channels in patterns], dim=1)
        groups = assign_balanced(gain)
    return groups


def assign_groups(scores: Scores, count: int, keep: int) -> Groups:
    """`count` equal groups whose common patterns of `keep` channels hold much of the score.

    The better end of two starts: contiguous groups, and filters in the order of their first principal component.
    `count` divides the filters.
    """
    shares = normalise_per_filter(scores)
    filters = len(scores)
    if count == 1:
        return torch.zeros(filters, dtype=torch.long)
    if count == filters:
        return torch.arange(filters)
    centred = (shares - shares.mean(0)).double()
    leading = torch.linalg.svd(centred, full_matrices=False).U[:, 0]
    spectral = torch.empty(filters, dtype=torch.long)
    spectral[leading.sort(stable=True).indices] = contiguous_groups(filters, count)
    ends = [alternate(shares, start, count, keep) for start in (contiguous_groups(filters, count), spectral)]
    return max(ends, key=lambda groups: kept_score_share(shares, groups, best_patterns(shares, groups, count, keep)))
