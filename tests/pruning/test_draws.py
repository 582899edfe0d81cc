"""Lots: repeated by the same seed and name, others for another of either."""

import torch

from pruning.draws import random_scores


def test_a_lot_is_a_function_of_seed_and_name() -> None:
    assert torch.equal(random_scores(3, "layer1", 8), random_scores(3, "layer1", 8))
    lots = [random_scores(seed, name, 8) for seed in (0, 1, 2, 2**32) for name in ("layer1", "layer2")]
    assert len({tuple(lot.tolist()) for lot in lots}) == 8
    assert all(0 <= lot.min() <= lot.max() < 1 for lot in lots)


def test_seeds_keep_in_common_what_chance_gives() -> None:
    """Half of 4,000 kept twice: a quarter, give or take five standard errors (0.034)."""
    kept = [random_scores(seed, "layer", 4000).topk(2000).indices.tolist() for seed in (0, 1)]
    assert abs(len(set(kept[0]) & set(kept[1])) / 4000 - 0.25) < 0.034
