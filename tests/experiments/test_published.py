"""Every published experiment cuts what its paper printed: composed, built, selected, counted; no data, no training."""

import re
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig

from experiments import plan
from experiments.config.choices import CONF
from experiments.run import prepare
from pruning.planning import make_plan
from support.tiny_run import any_settings, composed

EXPERIMENTS = sorted(
    path.relative_to(CONF / "experiment").with_suffix("").as_posix() for path in CONF.glob("experiment/*/*.yaml")
)
TABLES = ["compare/no_training"]  # of no run
SWEEPING = ("compare/", "evidence/", "search/")  # with -m
SWEEPS = [name for name in EXPERIMENTS if name.startswith("compare/") and name not in TABLES]
SINGLE = [name for name in EXPERIMENTS if not name.startswith(SWEEPING)]


@pytest.mark.parametrize(
    "name", [name for name in SINGLE if not name.startswith("group2d/")]
)  # they ask for their MACs
def test_the_cut_is_the_published_one(name: str, tmp_path: Path) -> None:
    made = prepare.prepare_plan(any_settings(f"experiment={name}", "plan=true", f"folder={tmp_path}"))
    printed = made.settings.published
    assert printed is not None
    found = make_plan(made.network, made.method, made.image_shape, made.steps("prune"))
    assert [ours for _, _, ours in plan.compare_cuts(printed, found)] == [
        pytest.approx(theirs, abs=0.0015 if "modern" in name else 0.001)  # theirs of an unknown counter
        for _, theirs, _ in plan.compare_cuts(printed, found)
    ]


def test_every_table_of_the_papers_has_its_experiments() -> None:
    """METHODS sections 1 to 3, by number."""
    assert {folder: sum(name.startswith(folder) for name in EXPERIMENTS) for folder in ("l1/", "fcf/", "group2d/")} == {
        "l1/": 11,
        "fcf/": 9,
        "group2d/": 4,
    }


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_head_of_an_experiment_gives_its_command_and_its_source(name: str) -> None:
    head = [line for line in (CONF / "experiment" / f"{name}.yaml").read_text().splitlines() if line.startswith("#")]
    assert any(re.search(rf"python run.py (-m |program=table )?experiment={name}( |$)", line) for line in head)
    assert name not in SINGLE or any("Published" in line for line in head)


@pytest.mark.parametrize(
    ("name", "epochs"),
    [
        ("fcf/resnet56", (164, 30, 150)),
        ("fcf/resnet50", (0, 30, 90)),
        ("l1/vgg16_a", (164, 0, 40)),
        ("l1/resnet34_b", (0, 0, 20)),
        ("l1/resnet56_modern_50", (200, 0, 120)),
        ("group2d/resnet56_4x", (200, 30, 120)),
    ],
)
def test_each_takes_the_epochs_of_its_paper(name: str, epochs: tuple[int, int, int], tmp_path: Path) -> None:
    recipes = prepare.prepare_plan(any_settings(f"experiment={name}", "plan=true", f"folder={tmp_path}")).recipes
    assert tuple(recipes[stage].epochs for stage in ("baseline", "prune", "finetune")) == epochs


def test_fcf_takes_the_values_of_its_paper_for_each_data_set() -> None:
    cifar, imagenet = composed("experiment=fcf/resnet56"), composed("experiment=fcf/resnet50")
    values = [(c.method.alpha, c.method.rho, c.method.mu, c.recipe.batch) for c in (cifar, imagenet)]
    assert values == [(0.99, 0.01, 1.01, 128), (0.65, 0.001, 1.005, 256)]
    assert imagenet.recipe.prune.milestones == [10, 20]
    assert imagenet.recipe.finetune.milestones == [30, 60]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_comparison_is_every_method_at_the_same_macs_and_epochs(name: str, tmp_path: Path) -> None:
    params = compose_sweep(name)
    lists = {key: value.split(",") for key, value in params.items()}
    assert lists["method"] == ["dense", "random", "l1", "fcf", "gradual", "group2d"]
    assert (len(lists["ratio"]), len(lists["seed"])) == (5, 3)
    assert lists["objective"] == ["cross_entropy", "distillation"]
    for method in lists["method"]:
        part = (f"experiment={name}", f"method={method}", "objective=cross_entropy")
        job = prepare.prepare_plan(any_settings(*part, "plan=true", f"folder={tmp_path}"))
        assert (job.settings.choice.objective, job.settings.choice.budget) == ("cross_entropy", "macs")
        assert sum(job.recipes[stage].epochs for stage in ("prune", "finetune")) == 150


def compose_sweep(name: str) -> dict[str, str]:
    composed(f"experiment={name}")
    return dict(HydraConfig.get().sweeper.params)
