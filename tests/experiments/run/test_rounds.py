"""rounds=n: the same cut by several rounds, in the coordinates of the original network."""

import copy
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import pruning
from experiments.config.schema import Stage
from experiments.evaluate import measure
from experiments.records.record import Record
from experiments.run.prepare import prepare
from experiments.run.rounds import method_of_round
from experiments.trainer.recipes import share_recipes
from pruning.budget import Share
from pruning.graph.cost import count_macs
from pruning.methods.l1 import L1
from pruning.models import resnet
from pruning.surgery import compact
from pruning.surgery.expand import FullSize
from support.running import run, untimed
from support.tiny_run import GATED, POWER_CUT, settings

THREE = ("rounds=3", "ratio=0.5", "budget=layer", "recipe.finetune.epochs=1")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    folder = tmp_path_factory.mktemp("three")
    return folder, run(folder, *THREE)


def test_three_rounds_make_the_cut_of_one(three: tuple[Path, Record], tmp_path: Path) -> None:
    """Of 8 filters 8 (1/2)^(1/3) = 6.35, then 6 (4/6)^(1/2) = 4.9, then 4: by hand."""
    made, once = three[1], run(tmp_path, "ratio=0.5", "budget=layer", "recipe.finetune.epochs=1")
    assert {name: layer.filters_kept for name, layer in made.layers.items()} == {"body.0": 4, "body.3": 4}
    assert (made.tuned.macs, made.tuned.params) == (once.tuned.macs, once.tuned.params)
    assert (made.budget, made.dense.accuracy) == (once.budget, once.dense.accuracy)
    assert [stage.name for stage in made.stages] == ["baseline", "finetune-1", "finetune-2", "finetune-3"]
    assert made.rounds is not None
    assert [cut.macs for cut in made.rounds] == [64 * (3 * k * 9 + k * k * 9) + 4 * k * 4 for k in (6, 5, 4)]
    assert made.certificate == max(cut.certificate for cut in made.rounds) < 1e-4
    assert once.rounds is None


def test_the_kept_network_is_built_from_the_original_and_the_whole_choice(three: tuple[Path, Record]) -> None:
    folder, made = three
    (kept,) = folder.glob("*/network")
    loaded = pruning.load(kept)
    assert {name: loaded.selection.kept(name) for name in ("body.0", "body.3")} == {"body.0": 4, "body.3": 4}
    context = prepare(settings(f"folder={folder}", *THREE))
    answers = measure.answers(loaded.network, context.data.test_dataloader(), context.device)
    assert answers.accuracy == made.tuned.accuracy


def test_killed_after_a_round_it_goes_on_to_the_same_record(three: tuple[Path, Record], tmp_path: Path) -> None:
    """Of the store all is left but the last two rounds."""
    shutil.copytree(three[0] / "store", tmp_path / "store", ignore=shutil.ignore_patterns("finetune-[23]-*"))
    again = run(tmp_path, *THREE)
    assert [stage.reused for stage in again.stages] == [True, True, False, False]
    assert untimed(replace(again, config={})) == untimed(replace(three[1], config={}))


def test_killed_while_it_learns_it_goes_on_to_the_same_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gated method, whose second round learns on what the first has left."""
    asked = (*GATED, "rounds=2", "ratio=0.5", "budget=layer", "recipe.finetune.epochs=1")
    whole = run(tmp_path / "whole", *asked)
    assert [layer.filters_kept for layer in whole.layers.values()] == [4, 4]
    assert whole.epochs_total == 3 + 2 * 38 + 2 * 1
    monkeypatch.setenv(POWER_CUT, "38:30")
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "cut", *asked)
    monkeypatch.delenv(POWER_CUT)
    resumed = run(tmp_path / "cut", *asked)
    assert untimed(replace(resumed, config={})) == untimed(replace(whole, config={}))


def test_a_method_that_looks_at_images_looks_again_in_every_round(tmp_path: Path) -> None:
    """At the small network of that round."""
    asked = ("method=taylor", "observe.images=32", "rounds=2", "ratio=0.5", "budget=layer", "recipe.finetune.epochs=1")
    made = run(tmp_path, *asked)
    assert [layer.filters_kept for layer in made.layers.values()] == [4, 4]


def test_epochs_are_shared_and_those_that_were_typed_are_not() -> None:
    stage = Stage(10, 0.1, 0.9, 0.0, "step", [0.5, 4], 0.1, 2.0)
    shared = share_recipes({"prune": replace(stage, epochs=0), "finetune": stage}, 3)
    assert [shared[f"finetune-{k}"].epochs for k in (1, 2, 3)] == [3, 3, 4]
    assert [shared[f"prune-{k}"].epochs for k in (1, 2, 3)] == [0, 0, 0]
    assert shared["finetune-3"].milestones == [0.5, pytest.approx(1.6)]
    assert shared["finetune-3"].warmup == pytest.approx(0.8)
    assert share_recipes({"prune": stage, "finetune": stage}, 3, {"finetune"})["finetune-1"] == stage
    with pytest.raises(ValueError, match=r"rounds=11 shares the 10 epochs of stage prune"):
        share_recipes({"prune": stage, "finetune": stage}, 11)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("rounds=0",), "rounds must be 1 or more, got 0"),
        (("rounds=2", "method=dense"), "rounds=2 prunes again what came out, and method=dense does not remove filters"),
        (("rounds=2", "method=group2d", "method.groups=2", "recipe.prune.epochs=2"), "method.levels=3 is its own"),
        (("rounds=2", "method.joined=couple"), "rounds=2 cannot follow the streams"),
    ],
)
def test_what_cannot_be_repeated_is_refused_before_training(
    overrides: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        prepare(settings(f"folder={tmp_path}", *overrides))


@pytest.mark.parametrize("joined", ["keep", "expand"])
def test_the_last_round_meets_the_share_of_the_original_network(joined: str) -> None:
    """Within one unit, although the small network of a round is put together otherwise than the original."""
    shape, before, method = (3, 16, 16), None, None
    network = small = resnet(depth=8, shortcut="A", classes=4, image_shape=shape, seed=0)
    for left in (3, 2, 1):
        full_size = FullSize(network, before, small, shape) if before else None
        method = method_of_round(L1(Share(0.5, "macs"), joined=joined), left, method, full_size)
        learned = copy.deepcopy(small)
        method.begin_stage(learned, shape, 0)
        own = method.select(learned)
        plain, before = (full_size.expand(learned), full_size.lift(own)) if full_size else (learned, own)
        small = compact(plain, before, shape)
    cut = 1 - count_macs(small, shape) / count_macs(network, shape)
    assert 0.5 <= cut < 0.5 + 2 * 16 * 9 * 16 * 16 / count_macs(network, shape), "a filter of the first stage"
