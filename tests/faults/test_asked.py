"""Requests that cannot be met, or only just. Faults D1 to D9 of docs/faults.md that no other test has."""

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import program
from experiments.cli import commandline
from experiments.config import refusal
from experiments.config.suggestions import edit_distance, number_distance, suggestions_for
from experiments.run.prepare import prepare_plan
from experiments.system.checkout import ROOT
from experiments.trainer.checkpoints import DurableCheckpoints
from pruning.graph.cost import count_macs
from pruning.planning import Plan, make_plan
from support.tiny_run import any_settings, config


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("method=fcff", "method=fcff: no such choice; did you mean fcf?"),
        ("recipe=smok", "recipe=smok: no such choice; did you mean smoke?"),
        ("experiment=l1/resnet56", "experiment=l1/resnet56: no such choice; did you mean l1/resnet56_"),
        ("raito=0.5", "raito: no such key; did you mean ratio?"),
        ("metod=l1", "metod: no such key; did you mean method"),
        ("recipe.baseline.epoch=3", "recipe.baseline.epoch: no such key; did you mean recipe.baseline.epochs"),
        ("epochs=3", "epochs: no such key; did you mean recipe.baseline.epochs"),
        ("method.gaet=norm", "method.gaet: no such key; did you mean method.gate"),
        ("method.steps=3", "method.steps: no such key; it is called method.levels now"),
        ("method=fcf_ours", "method=fcf_ours: no such choice; it is called method=gradual now"),
        ("budget=global", "budget=global: no such choice; it is budget=filters allocation=own now"),
        ("allocation=lmap", "allocation=lmap: no such choice; did you mean lamp?"),
        ("budget.table={a:0.5}", "budget.table: no such key; it belongs to budget=layer"),
        ("method=fpgn", "method=fpgn: no such choice; did you mean fpgm?"),
        ("model=resnet21", "model=resnet21: no such choice; did you mean resnet20 or resnet32 or resnet34?"),
        ("model=resnet55", "model=resnet55: no such choice; did you mean resnet56 or resnet50 or"),
        ("ratio=abc", "ratio must be a number, got 'abc': for example ratio=0.5"),
        ("ratio=0.5,many", "ratio must be a number, got 'many': for example ratio=0.5"),
        ("seed=1.5", "seed must be a whole number, got '1.5': for example seed=0"),
        ("hydra/launcher=slrum", "hydra/launcher=slrum: no such choice; did you mean slurm?"),
        ("hydra/launcher=joblib", "hydra/launcher=joblib: no such choice; hydra.launcher.n_jobs=2 runs two jobs"),
        ("hydra.launcher.jobs=2", "hydra.launcher.jobs: no such key; did you mean hydra.launcher.n_jobs?"),
        ("hydra.launcher.tasks_per_node=2", "hydra.launcher.tasks_per_node: no such key; trainer.devices=2"),
        ("hydra.launcher.partition=gpu", "hydra.launcher.partition: no such key; it belongs to hydra/launcher=slurm"),
        ("lr=0.1", "lr: no such key; did you mean method.lr or recipe.baseline.lr or recipe.finetune.lr?"),
        ("seed=choice(0,x)", "seed must be a whole number, got 'x'"),
        ("plan=perhaps", "plan must be true or false, got 'perhaps': for example plan=false"),
        ("recipe.finetune.epochs=null", "recipe.finetune.epochs must be a whole number, got 'null': for example"),
    ],
)
def test_a_misspelt_name_offers_the_nearest(asked: str, meant: str) -> None:
    assert suggestions_for([asked, "ratio=0.3", "-m", "+new=1", "model=vgg16,resnet20"])[0].startswith(meant)


def test_right_names_need_no_advice() -> None:
    asked = ["method=fcf,l1", "method.gate=norm", "experiment=null", "recipe=short", "data.val=0.1", "baseline=null"]
    asked += ["ratio=0.1,1e-1", "seed=range(3)", "plan=True", "trainer.devices=auto", "folder=1"]
    asked += ["model=choice(vgg16,resnet20)", "data=glob(*)"]
    asked += ["hydra/launcher=slurm", "hydra.launcher.array_parallelism=8", "hydra/sweeper=optuna"]
    assert suggestions_for([*asked, "recipe.finetune.milestones=[0.5]", "recipe.batch='8'"]) == []


def test_distances_by_hand() -> None:
    assert [edit_distance("kitten", each) for each in ("sitting", "kitten", "kit", "")] == [3, 0, 3, 6]
    assert [number_distance("resnet21", each) for each in ("resnet20", "resnet110", "vgg")] == [1, 89, 21]


def test_the_command_says_so_in_five_seconds() -> None:
    begun = time.monotonic()
    command = [sys.executable, "run.py", "method=fcff"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("method=fcff: no such choice; did you mean fcf?\n")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("method", ["l1", "random"])
def test_at_ratio_zero_one_shot_methods_are_dense(tmp_path: Path, method: str) -> None:
    made = program.run(config(f"folder={tmp_path}", f"method={method}", "ratio=0.0"))
    dense = program.run(config(f"folder={tmp_path}", "method=dense", "ratio=0.0"))
    assert made is not None
    assert dense is not None
    assert made.certificate == 0
    assert (made.tuned.accuracy, made.tuned.macs) == (dense.tuned.accuracy, dense.tuned.macs)
    first, second = (weights_digest(tmp_path, each) for each in (made.stages[1].digest, dense.stages[1].digest))
    assert first == second


def weights_digest(folder: Path, digest: str) -> str:
    (path,) = folder.glob(f"store/finetune-{digest[:16]}/stage.json")
    found = re.search(r'"weights_sha256": "(\w+)"', path.read_text())
    assert found
    return found[1]


def test_a_rate_that_diverges_later_keeps_the_last_finite_checkpoint(tmp_path: Path) -> None:
    """Warm-up lets the first epoch pass; then the step is too long for any float."""
    late = ("recipe.baseline.lr=1e38", "recipe.baseline.warmup=2.9", "recipe.baseline.momentum=0")
    with pytest.raises(SystemExit, match=r"at step (\d+), in epoch \d, first in .*the last checkpoint is finite"):
        commandline.run_and_exit(program.run, config(f"folder={tmp_path}", *late, "recipe.baseline.weight_decay=0"))
    for path in tmp_path.glob("store/*/last.ckpt"):
        state = DurableCheckpoints().load_checkpoint(path)
        assert all(value.isfinite().all() for value in state["state_dict"].values())


CHOICES = {
    "model": [
        "resnet20",
        "resnet20 model.shortcut=B",
        "vgg16 model._target_=support.saboteurs.narrow",
        "torchvision model.name=squeezenet1_1",
    ],
    "budget": ["layer", "global", "macs", "params"],
    "method": [
        "dense",
        "random",
        "l1",
        "l1 method.joined=expand",
        "l1 method.joined=couple",
        "l1 method.only=[layer1.*]",
        "fcf",
        "fcf method.gate=norm method.cross=false",
        "fcf method.start=l1",
        "group2d",
        "group2d method.groups=3 method.adapt=true",
        "group2d method.score=l1 method.groups=7",
        "group2d method.learn=lasso method.kernels=all",
    ],
    "recipe": ["smoke", "short", "common", "paper"],
    "objective": ["cross_entropy", "distillation"],
    "ratio": ["0", "0.1", "0.25", "0.5", "0.75", "0.9", "0.999"],
    "seed": list("0123456789"),
}


def drawn(draws: random.Random) -> list[str]:
    return " ".join(f"{group}={draws.choice(choices)}" for group, choices in CHOICES.items()).split()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
def test_random_configs_are_planned_or_refused_in_one_line(tmp_path: Path, seed: int) -> None:
    """Ten of 200 each. What is planned adds up; what is refused says why; nothing is a traceback."""
    draws = random.Random(seed)
    for _ in range(10):
        check_plan(drawn(draws), tmp_path / "new")
    assert not list(tmp_path.iterdir())


def check_plan(asked: list[str], folder: Path) -> None:
    said = None
    try:
        with refusal.refusals():
            bench = prepare_plan(any_settings("data=noise", "plan=true", f"folder={folder}", *asked))
            made = make_plan(bench.network, bench.method, bench.image_shape, bench.steps("prune"))
    except refusal.Refusal as refused:
        said = str(refused)
    if said is None:
        assert_adds_up(made, count_macs(bench.network, bench.image_shape))
    else:
        assert re.fullmatch(r"[^\n]{20,}", said), asked


def assert_adds_up(made: Plan, macs: int) -> None:
    """No layer is emptied; what is cut off is cut off; the least is the least; rows do not exceed the whole."""
    assert all(0 < kept <= total for row in made.rows for kept, total in (row.rows, row.columns))
    assert made.least.macs <= made.after.macs <= made.before.macs == macs
    assert sum(row.before.macs for row in made.rows) <= made.before.macs
    assert sum(row.after.macs for row in made.rows) <= made.after.macs


def test_a_data_set_smaller_than_a_batch_is_one_batch(tmp_path: Path) -> None:
    made = program.run(config(f"folder={tmp_path}", "recipe.batch=1000"))
    assert made is not None
    (metrics,) = tmp_path.glob("store/baseline-*/metrics.jsonl")
    assert [json.loads(line)["step"] for line in metrics.read_text().splitlines() if "val_accuracy" in line] == [
        1,
        2,
        3,
    ]
