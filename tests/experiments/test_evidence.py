"""The tables that evidence is made of: every job of every one composes, is accepted and plans; rates are chosen by
validation images."""

from itertools import product
from pathlib import Path

import pytest

from experiments import rates
from experiments.config.choices import CONF
from experiments.records import jobs, metrics
from experiments.records.jobs import Job
from experiments.run import prepare
from experiments.run.context import PlanContext
from pruning.planning import make_plan
from support.tiny_run import any_settings, whole_config

ARMS = sorted(path.stem for path in (CONF / "arm").glob("*.yaml"))
TABLES = sorted(f"evidence/{path.stem}" for path in (CONF / "experiment" / "evidence").glob("*.yaml"))
PLAN = ("plan=true", "tracking=none")  # by the published sizes of CIFAR-10: no images
FREE = ("seed", "recipe.prune.epochs", "recipe.finetune.epochs")  # of what is swept, what changes no plan


def planned(*overrides: str, folder: Path) -> PlanContext:
    return prepare.prepare_plan(any_settings(*overrides, *PLAN, f"folder={folder}", f"data.root={folder}"))


def plans() -> list[tuple[str, ...]]:
    """One for each job that cuts otherwise."""
    result = []
    for table in TABLES:
        swept = whole_config(f"experiment={table}").hydra.sweeper.params
        values = [[f"{key}={value}" for value in str(swept[key]).split(",")] for key in swept if key not in FREE]
        result += [(f"experiment={table}", *job) for job in product(*values)]
    return result


@pytest.mark.parametrize("job", plans(), ids=" ".join)
def test_every_job_plans_and_meets_its_budget(job: tuple[str, ...], tmp_path: Path) -> None:
    made = planned(*job, folder=tmp_path)
    plan = make_plan(made.network, made.method, made.image_shape, made.steps("prune"))
    asked = 0.0 if "arm=dense" in job else made.settings.ratio
    share = 1 - plan.after.macs / plan.before.macs
    assert share >= asked - 0.02


def test_every_arm_belongs_to_the_common_table() -> None:
    swept = whole_config("experiment=evidence/common").hydra.sweeper.params
    assert sorted(str(swept["arm"]).split(",")) == ARMS


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_of_the_common_table_trains_for_four_epochs(arm: str, tmp_path: Path) -> None:
    made = planned("experiment=evidence/common", f"arm={arm}", folder=tmp_path)
    assert sum(made.recipes[stage].epochs for stage in ("prune", "finetune")) == 4
    assert made.recipes["finetune"].schedule == "linear"


def test_trials_are_a_sweep_of_their_own_over_the_same_store() -> None:
    arguments = ["experiment=evidence/common", "ratio=0.7", "seed=0,1,2", "folder=out", "arm=l1"]
    trial = dict(override.split("=", 1) for override in rates.trial_overrides(arguments))
    assert trial["arm"] == "l1"
    assert (trial["ratio"], trial["seed"]) == ("0.5", "0")
    assert trial["folder"] == str(Path("out/rates").absolute())
    assert trial["store_folder"] == str(Path("out/store").absolute())  # what is chosen is not trained again
    assert trial["recipe.finetune.lr"] == "0.01,0.03,0.1"


def write_trial(folder: Path, rate: str, curve: list[float], state: str = "COMPLETED") -> None:
    overrides = ["arm=l1", f"recipe.finetune.lr={rate}"]
    (folder / rate).mkdir(parents=True)
    lines = [{"stage": "baseline", "val_accuracy": 1.0}, *({"stage": "finetune", "val_accuracy": a} for a in curve)]
    (folder / rate / "metrics.jsonl").write_bytes(metrics.encode(lines))
    job_folder = folder / "sweep" / "mine" / jobs.job_key(overrides)
    job_folder.mkdir(parents=True)
    jobs.write(job_folder, Job(overrides, state, run=rate))


def test_the_last_epoch_of_fine_tuning_chooses_and_of_equals_the_smallest(tmp_path: Path) -> None:
    for rate, curve in {"0.003": [0.5, 0.7], "0.01": [0.9, 0.8], "0.03": [0.1, 0.8]}.items():
        write_trial(tmp_path, rate, curve)
    jobs.write_listing(tmp_path / "sweep" / "mine", "", [])
    found = rates.read_accuracies(tmp_path / "sweep" / "mine")
    assert found == {"l1": {"0.003": 0.7, "0.01": 0.8, "0.03": 0.8}}
    assert rates.choose_rates(found) == {"l1": "0.01"}
    assert next(iter(rates.describe(found, {"l1": "0.01"}))).startswith("l1  rate 0.01   of 0.003 70.00 %")


def test_a_trial_that_is_not_complete_chooses_nothing(tmp_path: Path) -> None:
    write_trial(tmp_path, "0.01", [0.5], "FAILED")
    jobs.write_listing(tmp_path / "sweep" / "mine", "", [])
    with pytest.raises(ValueError, match="is FAILED: the same command tries it again"):
        rates.read_accuracies(tmp_path / "sweep" / "mine")
