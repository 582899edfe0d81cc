import functools
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.utils.data import DataLoader

from pruning.objectives import CrossEntropy
from pruning.training.finite import propagate_nonfinite
from pruning.training.task import ClassificationTask, learning_rate_factor


def recipe(**changes: object) -> SimpleNamespace:
    values = {"epochs": 30, "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    return SimpleNamespace(
        **values, **{"schedule": "step", "milestones": [10, 20], "factor": 0.1, "warmup": 0} | changes
    )


@pytest.mark.parametrize(
    ("epoch", "share"), [(0.0, 1), (9.99, 1), (10.0, 0.1), (19.99, 0.1), (20.0, 0.01), (29.99, 0.01)]
)
def test_steps_fall_at_their_epochs(epoch: float, share: float) -> None:
    assert learning_rate_factor(epoch, recipe()) == pytest.approx(share)
    assert learning_rate_factor(epoch, recipe(milestones=[0.3333, 0.6667])) == pytest.approx(share)


def test_cosine_starts_at_one_passes_the_half_and_ends_at_zero() -> None:
    shares = [learning_rate_factor(epoch, recipe(schedule="cosine")) for epoch in (0.0, 15.0, 30.0)]
    assert shares == pytest.approx([1, 0.5, 0])


def test_linear_starts_at_one_and_ends_at_zero_behind_its_warmup() -> None:
    shares = [learning_rate_factor(epoch, recipe(schedule="linear", warmup=10)) for epoch in (10.0, 15.0, 20.0, 30.0)]
    assert shares == pytest.approx([1, 0.75, 0.5, 0])


def test_warmup_rises_and_then_the_schedule_has_the_rest() -> None:
    warm = recipe(schedule="cosine", warmup=10)
    assert 0 < learning_rate_factor(0.0, warm) < 0.01
    assert learning_rate_factor(5.0, warm) == pytest.approx(0.5, abs=1e-3)
    assert [learning_rate_factor(epoch, warm) for epoch in (10.0, 20.0, 30.0)] == pytest.approx([1, 0.5, 0])


def task(network: nn.Module, **changes: object) -> ClassificationTask:
    return ClassificationTask(network, CrossEntropy(), recipe(**changes), classes=2, image_shape=(1, 1, 2), seed=0)


def test_only_whole_batches_run_compiled_code_and_names_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a backend that keeps what dynamo lays before it, so that nobody waits for a C++ compiler."""
    seen: list[int] = []

    def backend(module: Any, inputs: list[torch.Tensor], options: object) -> Any:
        seen.extend(len(given) for given in inputs if given.shape[1:] == (1, 1, 2))
        return module

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    plain, fast = task(network), task(network)
    fast.compile_steps(4)
    for count in (3, 4, 3, 4):
        images = torch.randn(count, 1, 1, 2)
        torch.testing.assert_close(fast.training_logits(images), plain.training_logits(images), rtol=0, atol=0)
    assert seen == [4]
    assert fast.state_dict().keys() == plain.state_dict().keys()


class Explosive(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.value


class Ragged(torch.autograd.Function):
    """The identity, whose gradient is no number."""

    @staticmethod
    def forward(ctx: object, images: torch.Tensor) -> torch.Tensor:
        return images.clone()

    @staticmethod
    def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("nan")


class Rough(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return Ragged.apply(images)


def fit(
    network: nn.Module, pixel: float, late: bool | None = None, steps: int = 1, epochs: int = 1, **asked: Any
) -> None:
    batch = torch.full((3, 1, 1, 2), pixel), torch.zeros(3, dtype=torch.long)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    asked |= {"accelerator": "cpu", "enable_model_summary": False, "num_sanity_val_steps": 0} | quiet
    trainer = Trainer(max_epochs=epochs, **asked)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*(many workers|val_dataloader|LeafSpec|logging interval|in eval mode|lr_scheduler).*"
        )
        made = task(network)
        made.defer_check = late
        batches = DataLoader([batch] * steps, batch_size=None, collate_fn=tuple)
        trainer.fit(made, batches, batches if epochs > 1 else None)


class FrozenPart(nn.Sequential):
    """Stays in eval by its own class, as a user writes it who freezes norms on purpose."""

    def train(self, mode: bool = True) -> "FrozenPart":
        return super().train(False)


def test_a_network_handed_over_in_eval_trains_in_train_mode_and_what_is_frozen_on_purpose_stays() -> None:
    """Over two epochs, each with a validation in eval between its steps."""
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(2, 2), nn.BatchNorm1d(2), FrozenPart(nn.BatchNorm1d(2)), nn.Linear(2, 2)
    )
    network[2].weight.requires_grad_(False)
    fit(network.eval(), 1.0, steps=3, epochs=2)
    assert network[2].num_batches_tracked == 6
    assert network[3][0].num_batches_tracked == 0
    assert torch.equal(network[2].weight, torch.ones(2))
    assert network[2].training
    assert not network[3][0].training


def layers(middle: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(2, 2), middle, nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("network", "pixel", "where"),
    [
        (layers(Explosive(1.0)), float("nan"), "the images themselves"),
        (layers(Explosive(float("inf"))), 1.0, "what layer '2' gives"),
        (layers(Explosive(float("nan"))), 1.0, "what layer '2' gives"),
        (layers(Rough()), 1.0, "the gradient of layer '1'"),
        (layers(Explosive(1e38)), 1e5, "what layer '2' gives"),
    ],
)
def test_a_number_that_is_none_stops_before_the_step_and_names_its_layer(
    network: nn.Module, pixel: float, where: str
) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(FloatingPointError, match=rf"at step 1, in epoch 1, first in {where}.*rate than 0\.1"):
        fit(network, pixel)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("steps", [1, 3])
def test_judged_one_step_late_the_weights_are_still_as_before(steps: int) -> None:
    """As on a GPU, which nobody waits for: at the next step, or at the end of the epoch where there is none."""
    network = layers(Explosive(float("nan")))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(FloatingPointError, match=r"at step 1, in epoch 1, first in what layer '2' gives"):
        fit(network, 1.0, late=True, steps=steps)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    sound = layers(Explosive(1.0))
    bias = sound[3].bias.clone()
    fit(sound, 1.0, late=True, steps=steps)
    assert not torch.equal(sound[3].bias, bias)


def float16(scale: float) -> dict[str, Any]:
    """As on a GPU, by way of the plugin: Lightning takes bfloat16 where it is asked for 16-mixed on a CPU."""
    return {"plugins": MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))}


@pytest.mark.parametrize("late", [False, True])
def test_in_float16_an_overflow_leaves_out_the_step_and_halves_the_scale(late: bool) -> None:
    """2^40 is more than float16 holds, 2^16 is not: 25 steps at most are left out, and nothing is raised."""
    network = layers(Explosive(1.0))
    before = network[3].bias.clone()
    fit(network, 1.0, late=late, steps=10, **float16(2.0**40))
    assert torch.equal(network[3].bias, before)
    fit(network, 1.0, late=late, steps=40, **float16(2.0**40))
    assert not torch.equal(network[3].bias, before)
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize(("network", "steps", "at"), [(Explosive(float("nan")), 1, 1), (Rough(), 30, 17)])
def test_in_float16_what_no_scale_mends_is_raised(network: nn.Module, steps: int, at: int) -> None:
    """A loss that is no number at once; gradients that are none as soon as the scale, 2^16, has come down to 1."""
    with pytest.raises(FloatingPointError, match=f"not finite at step {at}, "):
        fit(layers(network), 1.0, steps=steps, **float16(2.0**16))


def test_weights_that_are_no_numbers_are_named() -> None:
    network = layers(Explosive(1.0))
    network[3].weight.data[0, 0] = float("inf")
    with pytest.raises(FloatingPointError, match=r"first in the weights, '3\.weight'"):
        fit(network, 1.0)


def test_an_infinite_loss_spoils_every_gradient_and_a_finite_one_none() -> None:
    weight = torch.tensor([1.5, -2.0], requires_grad=True)
    loss = (weight * torch.tensor([3.0, 0.1])).sum()
    assert propagate_nonfinite(loss).item() == loss.item()
    (gradient,) = torch.autograd.grad(propagate_nonfinite(loss), weight)
    assert gradient.tolist() == [3.0, torch.tensor(0.1).item()]
    (gradient,) = torch.autograd.grad(propagate_nonfinite((weight * 3).sum() + float("inf")), weight)
    assert gradient.isnan().all()


def test_top_five_appears_with_a_hundred_classes() -> None:
    few = ClassificationTask(nn.Identity(), CrossEntropy(), recipe(), classes=99, image_shape=(3, 8, 8), seed=0)
    many = ClassificationTask(nn.Identity(), CrossEntropy(), recipe(), classes=100, image_shape=(3, 8, 8), seed=0)
    assert list(few.val_metrics.keys()) == ["val_accuracy"]
    assert set(many.val_metrics.keys()) == {"val_accuracy", "val_accuracy_top5"}
