"""Groups and patterns: by hand, and against brute force."""

from itertools import permutations

import torch

from pruning.methods.group2d.assignment import (
    assign_balanced,
    assign_groups,
    best_patterns,
    contiguous_groups,
    kept_score_share,
    normalise_per_filter,
)


def planted(filters: int, channels: int, groups: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores in which filter n clearly wants the channels of its hidden group; and the hidden groups."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.arange(filters)[torch.randperm(filters, generator=generator)] % groups
    wanted = torch.arange(channels) % groups == hidden[:, None]
    return wanted * 5 + torch.rand(filters, channels, generator=generator), hidden


def same_partition(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.equal(a[:, None] == a, b[:, None] == b)


def test_patterns_by_hand():
    scores = torch.tensor([[3.0, 0, 1, 1], [3, 0, 1, 2], [0, 9, 0, 1], [0, 9, 1, 0]])
    chosen = best_patterns(scores, torch.tensor([0, 0, 1, 1]), 2, 2)
    assert chosen.tolist() == [[0, 3], [1, 2]]  # the tie of channels 2 and 3 in the second group goes by index


def test_balanced_is_the_best_of_all_assignments():
    gain = torch.rand(6, 2, generator=torch.Generator().manual_seed(3))
    best = max(sum(float(gain[n, g]) for n, g in enumerate(p)) for p in set(permutations([0, 0, 0, 1, 1, 1])))
    groups = assign_balanced(gain)
    assert groups.bincount().tolist() == [3, 3]
    assert abs(float(gain.gather(1, groups[:, None]).sum()) - best) < 1e-6


def test_hidden_groups_are_found():
    for seed in range(5):
        scores, hidden = planted(32, 16, 4, seed)
        assert same_partition(assign_groups(scores, 4, 4), hidden)


def test_learned_groups_keep_more_than_contiguous_ones():
    scores = normalise_per_filter(torch.rand(64, 32, generator=torch.Generator().manual_seed(0)) ** 4)
    learned, plain = assign_groups(scores, 4, 8), contiguous_groups(64, 4)
    shares = [kept_score_share(scores, groups, best_patterns(scores, groups, 4, 8)) for groups in (learned, plain)]
    assert learned.bincount().tolist() == [16] * 4
    assert shares[0] > shares[1] > 0


def test_one_group_and_one_filter_each():
    scores = torch.rand(8, 6)
    assert assign_groups(scores, 1, 3).tolist() == [0] * 8
    assert assign_groups(scores, 8, 3).tolist() == list(range(8))
