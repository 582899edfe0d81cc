"""One callback in other people's modules: what is left trains on, and goes on from any checkpoint bit for bit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.multiprocessing import ProcessRaisedException
from torch.optim import LBFGS, SGD

from pruning.lightning.callback import PruningCallback
from pruning.lightning.saved import from_state, to_state
from pruning.selection import Selection
from support.modules import SHAPE, MultiLabel, Regression, Segmentation, batches

EXAMPLE = torch.zeros(1, *SHAPE)
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
HINTS = "many workers|val_dataloader|LeafSpec|logging interval|callbacks used to create|ended before the epoch"
LADDER: dict[str, Any] = {"groups": 2, "score": "taylor", "learn": "score", "levels": 3, "adapt": True}


def fit(
    module: LightningModule, callbacks: Any, epochs: int, steps: int = 4, ckpt: Path | None = None, **asked: Any
) -> Trainer:
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", callbacks=callbacks, **{**QUIET, **asked})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*({HINTS}).*")
        trainer.fit(module, batches(steps), ckpt_path=ckpt, weights_only=True)
    return trainer


def held(trainer: Trainer) -> list[list[nn.Parameter]]:
    return [[p for group in each.param_groups for p in group["params"]] for each in trainer.optimizers]


def assert_goes_on(trainer: Trainer, module: LightningModule, callback: PruningCallback) -> None:
    """The optimisers hold what the module has, in its order, with states of their shapes, and it has moved."""
    assert callback.pruned is not None
    assert callback.pruned.report is not None
    assert callback.pruned.report.certificate < 1e-4
    assert callback.pruned.report.after.macs < callback.pruned.report.before.macs
    assert {p for group in held(trainer) for p in group} == set(module.parameters())
    for optimizer in trainer.optimizers:
        for parameter, state in optimizer.state.items():
            assert all(v.shape == parameter.shape for v in state.values() if isinstance(v, Tensor) and v.ndim)


def test_multi_label_with_adam_learns_with_fcf_and_trains_on(tmp_path: Path) -> None:
    module, logger = MultiLabel(), CSVLogger(tmp_path)
    callback = PruningCallback(
        "fcf", layer=0.5, gate="norm", network="net", epochs=1, joined="keep", cross=False, lr=0.1
    )
    trainer = fit(module, callback, 2, steps=150, logger=logger, accumulate_grad_batches=1, gradient_clip_val=0.5)
    assert_goes_on(trainer, module, callback)
    ((optimizer),) = trainer.optimizers
    assert {state["step"].item() for state in optimizer.state.values()} == {300}
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3 / 4, 2e-3 / 4]
    assert {p.ndim > 1 for p in optimizer.param_groups[0]["params"]} == {True}
    assert module.net is callback.pruned.network  # type: ignore[union-attr]
    logged = next(tmp_path.rglob("metrics.csv")).read_text()
    assert "certificate" in logged
    assert str(callback.pruned.report.after.macs) in logged  # type: ignore[union-attr]


def test_a_unet_is_cut_in_the_middle_of_its_one_cycle() -> None:
    module, callback = Segmentation(), PruningCallback("l1", layer=0.5, network="unet", at_epoch=1, example=EXAMPLE)
    trainer = fit(module, callback, 3, accumulate_grad_batches=2)
    assert_goes_on(trainer, module, callback)
    assert trainer.lr_scheduler_configs[0].scheduler.last_epoch == 6
    assert held(trainer) == [list(module.parameters())]


def test_two_optimisers_by_hand_and_only_that_of_the_network_counts() -> None:
    module = Regression()
    callback = PruningCallback("group2d", layer=0.5, network="parts.backbone", epochs=2, example=EXAMPLE, **LADDER)
    trainer = fit(module, callback, 3)
    assert_goes_on(trainer, module, callback)
    assert held(trainer) == [list(module.parts[name].parameters()) for name in ("head", "backbone")]


def test_steps_that_bypass_the_trainer_are_refused_by_name() -> None:
    callback = PruningCallback("group2d", layer=0.5, network="parts.backbone", epochs=1, example=EXAMPLE, **LADDER)
    with pytest.raises(RuntimeError, match=r"no step .* in epoch 0, so Group2D has learned nothing: .*self.optimizers"):
        fit(Regression(bypass=True), callback, 1)


class ByHand(LightningModule):
    """One convolution read by another; momentum."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
        self.head = nn.Conv2d(2, 2, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self.head(self.net(batch[0])).square().mean()

    def configure_optimizers(self) -> Any:
        return SGD(self.parameters(), 0.1, momentum=0.9)


def test_momentum_is_cut_as_its_weight_and_what_lies_outside_stays() -> None:
    """Rows 1 and 2 of four stay. By the numbers of the same fit, one epoch long."""
    before = fit(whole := ByHand(), [], 1).optimizers[0].state
    kept = torch.tensor([False, True, True, False])
    module = ByHand()
    choice = Selection.of_rows(module.net, {"0": kept})
    callback = PruningCallback(choice, network="net", at_epoch=1, example=EXAMPLE)
    after = fit(module, callback, 1).optimizers[0].state
    pairs = [
        (module.net.get_submodule("0").weight, before[whole.net[0].weight]["momentum_buffer"][kept]),
        (module.net.get_submodule("0").bias, before[whole.net[0].bias]["momentum_buffer"][kept]),
        (module.net.get_submodule("2").weight, before[whole.net[2].weight]["momentum_buffer"][:, kept]),
        (module.head.weight, before[whole.head.weight]["momentum_buffer"]),
    ]
    assert len(after) == 6
    for parameter, wanted in pairs:
        assert torch.equal(after[parameter]["momentum_buffer"], wanted)


def state(trainer: Trainer) -> dict[str, Tensor]:
    """All numbers of a fit: weights, and what the optimisers keep of them."""
    numbers = dict(trainer.lightning_module.state_dict())
    for place, parameter in enumerate(held(trainer)[0]):
        numbers |= {f"{place}.{key}": torch.as_tensor(v) for key, v in trainer.optimizers[0].state[parameter].items()}
    return numbers


METHODS: dict[str, dict[str, Any]] = {
    "l1": {"method": "l1", "layer": 0.5, "at_epoch": 1},
    "l1 at once": {"method": "l1", "layer": 0.5},
    "slimming": {"method": "slimming", "layer": 0.5, "epochs": 2, "strength": 0.1},
    "ladder": {"method": "group2d", "layer": 0.5, "epochs": 2, **LADDER},
}


@pytest.mark.parametrize("method", METHODS)
def test_resumed_before_in_and_after_the_cut_it_is_the_uninterrupted_one(method: str, tmp_path: Path) -> None:
    """Checkpoints in the middle of the second epoch and at the end of each; the resumed begin with other weights."""

    def callback() -> PruningCallback:
        return PruningCallback(**METHODS[method], network="net")

    saver = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=2)
    wanted = state(fit(MultiLabel(), [callback(), saver], 4, enable_checkpointing=True))
    kept = sorted(tmp_path.glob("*.ckpt"))
    assert len(kept) >= 7
    for path in kept[:-1]:
        module = MultiLabel()
        for parameter in module.parameters():
            parameter.data.add_(torch.randn_like(parameter))
        trainer = fit(module, resumed := callback(), 4, ckpt=path)
        found = state(trainer)
        assert found.keys() == wanted.keys(), path
        assert all(torch.equal(found[key], wanted[key]) for key in wanted), path
        assert resumed.pruned is not None


def test_a_second_fit_trains_the_small_network_on() -> None:
    module, callback = MultiLabel(), PruningCallback("l1", layer=0.5, network="net")
    fit(module, callback, 1)
    small = module.net
    fit(module, callback, 1)
    assert module.net is small
    other = MultiLabel()
    fit(other, callback, 1)
    assert other.net is callback.pruned.network is not small  # type: ignore[union-attr]


class Flat(MultiLabel):
    def configure_optimizers(self) -> Any:
        return LBFGS(self.parameters())


class Untrained(MultiLabel):
    def configure_optimizers(self) -> Any:
        return SGD([nn.Parameter(torch.zeros(1))], 0.1)


def compiled() -> LightningModule:
    module = MultiLabel()
    module.net.compile(backend="eager")
    return module


LEARNS: dict[str, Any] = {"method": "group2d", "layer": 0.5, "epochs": 2, **LADDER}


@pytest.mark.parametrize(
    ("module", "arguments", "asked", "words"),
    [
        (MultiLabel, {"network": "model"}, {}, r"network='model': MultiLabel has no such attribute .* name the one"),
        (MultiLabel, {"network": "automatic_optimization"}, {}, "is a bool, and must be a torch.nn.Module"),
        (Segmentation, {"network": "unet"}, {}, r"example= must be .* got nothing: give PruningCallback example="),
        (compiled, {}, {}, "'net' is compiled, and a compiled network cannot be cut: compile what is left"),
        (MultiLabel, {"at_epoch": 3}, {}, "max_epochs=2 ends before the network is cut, after 3 epochs: raise max_ep"),
        (MultiLabel, LEARNS, {"max_steps": 7}, "max_steps=7 ends before .* raise max_steps to 8 or more"),
        (Flat, {"at_epoch": 1}, {}, "LBFGS trains 'net' .* take SGD or Adam"),
        (Untrained, LEARNS, {}, "no optimiser of Untrained has parameters of 'net': return one"),
        (MultiLabel, {}, {"strategy": "ddp_fork", "devices": 1}, "strategy=ddp_fork: the small network would stay"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_step(
    module: Any, arguments: dict[str, Any], asked: dict[str, Any], words: str
) -> None:
    given = {"method": "l1", "layer": 0.5, "network": "net"} | arguments
    made = module()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with pytest.raises((ValueError, ProcessRaisedException), match=words):
        fit(made, PruningCallback(**given), 2, **asked)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items() if name in before)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "fcf", "macs": 0.5}, r"FCF learns .* give epochs=, 1 or more, .* got epochs=None and at_epoch=0"),
        ({"method": "fcf", "macs": 0.5, "epochs": 2, "at_epoch": 1}, "no at_epoch=; got epochs=2 and at_epoch=1"),
        ({"method": "l1", "macs": 0.5, "epochs": 2}, "L1 decides at once: at_epoch=, 0 or more"),
        ({"method": "l1", "macs": 0.5, "at_epoch": True}, "at_epoch= must be a whole number of epochs, got True"),
    ],
)
def test_a_moment_that_the_method_cannot_have_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PruningCallback(**arguments)


def test_what_is_mended_trains_on_and_a_checkpoint_says_so() -> None:
    shown = [torch.randn(8, *SHAPE, generator=torch.Generator().manual_seed(0))]
    module, callback = (
        MultiLabel(),
        PruningCallback("l1", layer=0.5, network="net", at_epoch=1, repair="ls", data=shown),
    )
    trainer = fit(module, callback, 2)
    assert_goes_on(trainer, module, callback)
    assert callback.pruned is not None
    report = callback.pruned.report
    assert report is not None
    assert [(done.name, done.images) for done in report.repairs] == [("ls", 8)]
    again = from_state(to_state(callback.pruned), MultiLabel().net)
    assert again.report is not None
    assert again.report.repairs == report.repairs


def test_a_repair_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match=r"repair=bn looks at images: give PruningCallback data="):
        PruningCallback("l1", layer=0.5, repair="bn")
