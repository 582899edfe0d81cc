"""What a method of one's own may get wrong in its scores."""

from typing import final

import pytest
import torch
from torch import nn

from pruning.budget import PerLayer
from pruning.methods.filters import FilterMethod, Scores


@final
class Given(FilterMethod):
    given: Scores

    def scores(self, network: nn.Module) -> Scores:
        return self.given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"^Given\.scores gives none for 0: a number for each of its 4 filters is needed$"),
        ({"0": torch.ones(3)}, r"^Given\.scores gives a shape of \(3,\) for 0: a number for each of its 4 filters"),
    ],
)
def test_scores_that_miss_a_filter_are_refused(given: Scores, said: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    method = Given(PerLayer(0.5))
    method.given = given
    with pytest.raises(ValueError, match=said):
        method.attach(network, (3, 8, 8), steps=0)
