"""A user's own things in a whole run: data, weights for other classes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from safetensors.torch import load_file, save_file
from torch import nn

import pruning
from experiments.records.record import Record
from experiments.run.prepare import prepare
from support.own import POWER_CUT
from support.running import metrics, run, untimed
from support.tiny_run import chain, settings

CLASSES = ("a", "b", "c", "d")
MY_DATA = (
    *("data=module", "data._target_=support.own.MyData", "+data.batch_size=${recipe.batch}", "recipe=smoke"),
    *("data.classes=[a,b,c,d]", "data.image_shape=[3,8,8]", "data.identity=quadrants"),
)


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNING_TARGETS", "support.own:support.tiny_run")


def test_a_lightning_data_module_is_trained_and_measured_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(tmp_path, *MY_DATA)
    assert made.dense.accuracy > 0.9
    assert (made.data, made.classes, made.tuned.tested) == ("support.own.MyData", ["a", "b", "c", "d"], 40)
    assert made.data_verified == "declared"
    assert made.stages[0].train_macs == 3 * made.dense.macs * 3 * 68
    assert "the images of MyData are known by the identity" in " ".join(capsys.readouterr().out.split())
    (folder,) = tmp_path.glob("*/network")
    assert pruning.load(folder).preprocessing is None


def test_its_identity_is_part_of_what_a_stage_is_known_by(tmp_path: Path) -> None:
    first, second = (prepare(settings(*MY_DATA, f"folder={tmp_path}", *more)) for more in ((), ("data.identity=new",)))
    assert first.digest != second.digest


def test_its_run_goes_on_within_an_epoch_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often = (*MY_DATA, "trainer.checkpoint_minutes=1e-9")
    whole = run(tmp_path / "whole", *often)
    monkeypatch.setenv(POWER_CUT, "")
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "cut", *often)
    monkeypatch.delenv(POWER_CUT)
    assert untimed(replace(run(tmp_path / "cut", *often), config={})) == untimed(replace(whole, config={}))
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")


def refuse(tmp_path: Path, said: str, *overrides: str) -> None:
    with pytest.raises((ValueError, OSError, InstantiationException), match=said):
        prepare(settings(f"folder={tmp_path}", *overrides))


def test_data_of_ones_own_are_refused_early(tmp_path: Path) -> None:
    lacking = [each for each in MY_DATA if "identity" not in each]
    refuse(tmp_path, r"MyData lacks identity .* type data\.identity=\.\.\.", *lacking)
    refuse(tmp_path, r"set recipe\.batch=8", *MY_DATA, "data.batch_size=8")
    refuse(tmp_path, "name it, data._target_=mydata.MyData", "data=module", "data._target_=datamodules.foreign.Unnamed")
    refuse(
        tmp_path,
        "makes a Chain: a LightningDataModule is needed",
        *MY_DATA[:2],
        "data._target_=support.tiny_run.Chain",
        "data.classes=4",
    )
    refuse(tmp_path, r"give every process the same images: set trainer\.devices=1", *MY_DATA, "trainer.devices=2")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """For ten classes."""
    path = tmp_path / "ten.safetensors"
    save_file(chain(10, (3, 8, 8), seed=7).state_dict(), path)
    return path


def test_weights_for_other_classes_are_trained_on(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(tmp_path, f"baseline={weights}")
    assert made.dense.accuracy > 0.9
    assert [stage.name for stage in made.stages] == ["baseline", "finetune"]
    assert "trained for 10 classes, data= has 4: layer head starts afresh, and stage baseline trains" in " ".join(
        capsys.readouterr().out.split()
    )
    start = prepare(settings(f"folder={tmp_path}", f"baseline={weights}")).network.state_dict()
    given, fresh = load_file(weights), chain(4, (3, 8, 8), seed=0).state_dict()
    assert all(torch.equal(value, (fresh if "head" in key else given)[key]) for key, value in start.items())
    save_file(given | {"body.0.bias": torch.ones(8)}, weights)
    assert run(tmp_path, f"baseline={weights}").stages[0].digest != made.stages[0].digest
    refuse(
        tmp_path, r"recipe\.baseline\.epochs=0 leaves the classifier", f"baseline={weights}", "recipe.baseline.epochs=0"
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """A finished run with nothing of a user's own, and its folder."""
    folder = tmp_path_factory.mktemp("plain")
    return folder, run(folder)


def test_a_loss_of_ones_own_is_fine_tuned_by(plain: tuple[Path, Record]) -> None:
    folder, before = plain
    focal = run(folder, "objective._target_=support.own.Focal", "+objective.gamma=1.5")
    assert focal.objective == "support.own.Focal"
    assert [stage.reused for stage in focal.stages] == [True, False]
    assert focal.stages[1].digest != before.stages[1].digest
    smooth = ("objective._target_=torch.nn.CrossEntropyLoss", "+objective.label_smoothing=0.2")
    loss = prepare(settings(f"folder={folder}", *smooth)).objective
    assert float(loss(torch.zeros(2, 4), torch.tensor([0, 1]), torch.zeros(2, 3, 8, 8))) == pytest.approx(math.log(4))


def test_a_loss_that_cannot_be_trained_by_is_refused(tmp_path: Path) -> None:
    refuse(
        tmp_path,
        r"objective: Unreduced gives a tensor of shape \(2,\): one number",
        "objective._target_=support.own.Unreduced",
    )
    refuse(tmp_path, "objective: a MyData is no loss", "objective._target_=support.own.MyData")
    refuse(
        tmp_path,
        "objective: Chain has weights to learn",
        "objective._target_=support.tiny_run.Chain",
        "+objective.classes=4",
    )
    refuse(
        tmp_path,
        "only classes defined in pruning.objectives and torch.nn's losses",
        "objective._target_=torch.nn.Linear",
    )


def test_another_optimiser_is_another_run_and_sgd_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    default = prepare(settings(f"folder={tmp_path}"))
    assert prepare(settings(f"folder={tmp_path}", "recipe.optimizer=sgd")).digest == default.digest
    capsys.readouterr()
    made = run(tmp_path, "recipe.optimizer=adamw", *(f"recipe.{stage}.lr=0.003" for stage in ("baseline", "finetune")))
    said = capsys.readouterr().out
    assert "fused AdamW" in said
    assert "a rate for SGD" not in said
    assert made.config["recipe"]["optimizer"] == "adamw"
    assert made.digest != default.digest
    prepare(settings(f"folder={tmp_path}", "recipe.optimizer=adamw"))
    assert "recipe.baseline.lr=0.05 recipe.finetune.lr=0.02 with recipe.optimizer=adamw" in " ".join(
        capsys.readouterr().out.split()
    )
    refuse(tmp_path, "recipe.optimizer must be one of sgd, adamw, got adam", "recipe.optimizer=adam")


OWN_AND_WATCHING = (
    "trainer.callbacks=[{_target_: support.own.EMA, decay: 0.9}, "
    "{_target_: lightning.pytorch.callbacks.LearningRateMonitor}]"
)


def test_callbacks_work_in_each_stage_and_are_part_of_it(plain: tuple[Path, Record], tmp_path: Path) -> None:
    averaged = run(tmp_path, OWN_AND_WATCHING)
    for before, after in zip(plain[1].stages, averaged.stages, strict=True):
        assert before.digest != after.digest
        assert before.val_accuracy != after.val_accuracy
    assert any("lr-ZeroMomentumSGD" in line for line in metrics(tmp_path))


def test_what_is_no_callback_or_not_allowed_is_refused(tmp_path: Path) -> None:
    refuse(
        tmp_path,
        r"trainer\.callbacks\.0\._target_=support\.own\.Focal makes a Focal: a lightning\.Callback",
        "trainer.callbacks=[{_target_: support.own.Focal}]",
    )
    early = "trainer.callbacks=[{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val_loss}]"
    refuse(
        tmp_path,
        r"only lightning\.pytorch\.callbacks' LearningRateMonitor and DeviceStatsMonitor may be called here",
        early,
    )
    refuse(
        tmp_path,
        r"trainer\.callbacks\.0\._target_=support\.own\.EMA: missing a required argument: 'decay'",
        "trainer.callbacks=[{_target_: support.own.EMA}]",
    )


def pruned_folder(path: Path, classes: tuple[str, ...] = CLASSES, side: int = 8) -> Path:
    """A first round: half of each layer."""
    small = pruning.prune(chain(4, (3, 8, 8), seed=7), torch.zeros(1, 3, 8, 8), "l1", layer=0.5)
    pruning.save(replace(small, classes=classes, image_shape=(3, side, side)), path)
    return path


def test_a_pruned_network_is_pruned_again_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = pruned_folder(tmp_path / "first")
    second = run(tmp_path, f"baseline={first}")
    assert "the network comes from baseline=" in capsys.readouterr().out
    assert {name: (layer.filters_kept, layer.filters_total) for name, layer in second.layers.items()} == {
        "body.0": (2, 4),
        "body.3": (2, 4),
    }
    assert [stage.name for stage in second.stages] == ["finetune"]
    assert second.certificate < 1e-4
    (folder,) = tmp_path.glob("*/network")
    third = run(tmp_path / "third", f"baseline={folder}")
    assert third.dense.macs == second.tuned.macs
    assert third.dense.answers == second.tuned.answers
    (folder,) = (tmp_path / "third").glob("*/network")
    layers = pruning.load(folder).network.modules()
    assert [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)] == [1, 1]


def test_a_pruned_network_of_other_data_is_refused(tmp_path: Path) -> None:
    other = pruned_folder(tmp_path / "other", classes=("a", "b", "c", "e"))
    refuse(tmp_path, r"tells apart 4 classes \(a, b, c, \.\.\.\), data= has 4", f"baseline={other}")
    folder = pruned_folder(tmp_path / "folder")
    before = prepare(settings(f"folder={tmp_path}", f"baseline={folder}")).digest
    (folder / "model.json").write_text((folder / "model.json").read_text() + " ")
    assert prepare(settings(f"folder={tmp_path}", f"baseline={folder}")).digest != before
    refuse(tmp_path, "is not a file: give .* or the folder of a pruned network", f"baseline={tmp_path}")
