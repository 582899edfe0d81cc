import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pruning.objectives import CrossEntropy, Distillation

IMAGES = torch.zeros(1, 1, 1, 2)
LABELS = torch.tensor([0])


class Constant(nn.Module):
    """A teacher whose logits are known."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), -1)


def test_distillation_is_the_value_done_by_hand() -> None:
    # T = 2: the teacher's logits (2 ln 3, 0) soften to odds 3 : 1, the student's (0, 0) to 1 : 1
    objective = Distillation(temperature=2.0, weight=0.7).taught_by(Constant([2 * math.log(3), 0.0]))
    kl = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    by_hand = 0.3 * math.log(2) + 0.7 * 4 * kl
    assert objective(torch.zeros(1, 2), LABELS, IMAGES).item() == pytest.approx(by_hand, rel=1e-6)


def test_weight_zero_is_cross_entropy_bit_for_bit() -> None:
    logits = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    labels, images = torch.arange(8) % 5, torch.zeros(8, 1, 1, 1)
    taught = Distillation(weight=0.0).taught_by(Constant([1.0] * 5))
    assert torch.equal(taught(logits, labels, images), CrossEntropy()(logits, labels, images))
    assert torch.equal(taught(logits, labels, images), F.cross_entropy(logits, labels))


def test_the_teacher_is_a_frozen_copy_that_nobody_owns() -> None:
    dense = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    before = copy.deepcopy(dense.state_dict())
    objective = Distillation().taught_by(dense)
    logits = torch.zeros(1, 2, requires_grad=True)
    objective(logits, LABELS, IMAGES).backward()
    assert logits.grad is not None
    assert all(parameter.grad is None for parameter in dense.parameters())
    assert dense.training
    assert all(torch.equal(before[key], value) for key, value in dense.state_dict().items())
    assert not isinstance(objective, nn.Module)


def test_cross_entropy_needs_no_teacher() -> None:
    objective = CrossEntropy()
    assert objective.taught_by(nn.Linear(1, 1)) is objective


@pytest.mark.parametrize(
    ("values", "rule"), [({"weight": 1.5}, "weight must lie in"), ({"temperature": 0.0}, "above 0")]
)
def test_bad_values_are_refused(values: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Distillation(**values)


def test_distillation_without_a_teacher_says_so() -> None:
    with pytest.raises(ValueError, match="no teacher"):
        Distillation()(torch.zeros(1, 2), LABELS, IMAGES)


def test_a_step_with_a_teacher_costs_one_forward_of_it_and_no_more() -> None:
    """Nor does anything of the teacher learn or wait for a backward pass."""
    calls: list[bool] = []
    dense = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    objective = Distillation(2.0, 0.5).taught_by(dense)
    assert objective.teacher is not None
    objective.teacher.register_forward_hook(lambda layer, given, made: calls.append(made.requires_grad))
    images = torch.randn(4, 3, 2, 2)
    for _ in range(3):
        objective(dense(images), torch.arange(4) % 3, images).backward()
    assert calls == [False] * 3
