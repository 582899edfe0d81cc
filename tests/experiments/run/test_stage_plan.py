"""What is said of a run before its first stage begins."""

from pathlib import Path

import pytest

from experiments.run.prepare import prepare_plan
from experiments.run.stage_plan import Place, describe_stages, place_of
from support.tiny_run import GATED, any_settings, settings


def describe(folder: Path, *overrides: str) -> str:
    return describe_stages(prepare_plan(settings(f"folder={folder}", *overrides)))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "baseline 3, finetune 2 epochs"),
        (GATED, "baseline 3, prune 38, finetune 2 epochs"),
        (("rounds=2",), "baseline 3, finetune-1 2, finetune-2 2 epochs"),
        (("control=scratch",), "baseline 3, finetune 2, scratch 3, scratch_tune 2 epochs"),
        (("program=table",), "baseline 3 epochs"),
        (("recipe.baseline.epochs=0", "recipe.finetune.epochs=0"), "nothing is trained"),
    ],
)
def test_stages_and_their_epochs_are_named(tmp_path: Path, overrides: tuple[str, ...], words: str) -> None:
    assert describe(tmp_path, *overrides) == words


def test_granted_epochs_are_named_only_where_something_is_fine_tuned(tmp_path: Path) -> None:
    noise = (f"folder={tmp_path}", "data=noise", "model=resnet20", "method=l1", "tracking=none")
    granted = (
        "5 of finetune since l1 needs none to prune (recipe.grant=false: without them; typed epochs stay as they are)"
    )
    assert describe_any(*noise) == f"baseline 6, finetune 9 epochs, {granted}"
    assert describe_any(*noise, "program=table") == "baseline 6 epochs"
    assert describe_any(*noise, "recipe.grant=false") == "baseline 6, finetune 4 epochs"


def describe_any(*overrides: str) -> str:
    return describe_stages(prepare_plan(any_settings(*overrides)))


def test_a_stage_knows_its_place(tmp_path: Path) -> None:
    context = prepare_plan(settings(f"folder={tmp_path}", *GATED))
    assert [place_of(stage, context) for stage in ("baseline", "prune", "finetune")] == [
        Place(1, 3, 40),
        Place(2, 3, 2),
        Place(3, 3, 0),
    ]
