from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pruning.objectives import CrossEntropy
from pruning.task import ClassificationTask, rate


def recipe(**changes: object) -> SimpleNamespace:
    values = {"epochs": 30, "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    return SimpleNamespace(
        **values, **{"schedule": "step", "milestones": [10, 20], "factor": 0.1, "warmup": 0} | changes
    )


@pytest.mark.parametrize(
    ("epoch", "share"), [(0.0, 1), (9.99, 1), (10.0, 0.1), (19.99, 0.1), (20.0, 0.01), (29.99, 0.01)]
)
def test_steps_fall_at_their_epochs(epoch: float, share: float) -> None:
    assert rate(epoch, recipe()) == pytest.approx(share)
    assert rate(epoch, recipe(milestones=[0.3333, 0.6667])) == pytest.approx(share)


def test_cosine_starts_at_one_passes_the_half_and_ends_at_zero() -> None:
    shares = [rate(epoch, recipe(schedule="cosine")) for epoch in (0.0, 15.0, 30.0)]
    assert shares == pytest.approx([1, 0.5, 0])


def test_warmup_rises_and_then_the_schedule_has_the_rest() -> None:
    warm = recipe(schedule="cosine", warmup=10)
    assert 0 < rate(0.0, warm) < 0.01
    assert rate(5.0, warm) == pytest.approx(0.5, abs=1e-3)
    assert [rate(epoch, warm) for epoch in (10.0, 20.0, 30.0)] == pytest.approx([1, 0.5, 0])


def task(network: nn.Module, **changes: object) -> ClassificationTask:
    return ClassificationTask(network, CrossEntropy(), recipe(**changes), classes=2, image_shape=(1, 1, 2), seed=0)


def test_an_extra_group_leaves_the_main_one_and_keeps_its_own_values() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    gated = task(network)
    gated.extra_groups = [{"params": [network[1].bias], "lr": 0.5, "momentum": 0.0, "constant": True}]
    main, extra = gated.groups()
    assert main["params"] == [network[1].weight]
    assert (main["momentum"], extra["momentum"]) == (0.9, 0.0)
    assert gated.schedule(extra, 10.0)(250) == 1.0
    assert gated.schedule(main, 10.0)(250) == pytest.approx(0.01)


def test_a_loss_that_is_no_number_stops_before_the_weights_change() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    images = torch.full((3, 1, 1, 2), float("inf"))
    with pytest.raises(FloatingPointError, match=r"step 0 of epoch 0.*lower learning rate than 0\.1"):
        task(network).training_step((images, torch.zeros(3, dtype=torch.long)), 0)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_top_five_appears_with_a_hundred_classes() -> None:
    few = ClassificationTask(nn.Identity(), CrossEntropy(), recipe(), classes=99, image_shape=(3, 8, 8), seed=0)
    many = ClassificationTask(nn.Identity(), CrossEntropy(), recipe(), classes=100, image_shape=(3, 8, 8), seed=0)
    assert list(few.val_metrics.keys()) == ["val_accuracy"]
    assert set(many.val_metrics.keys()) == {"val_accuracy", "val_accuracy_top5"}
