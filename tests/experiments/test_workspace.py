"""The W&B view holds only figures that a run really writes."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import program, workspace
from experiments.records.record import Deployed, Deployment, read
from experiments.report.table import RESULTS
from experiments.system.checkout import ROOT
from experiments.tracking import panels
from experiments.tracking.figures import summary_figures
from support import offline_run
from support.tiny_run import config

DEPLOYMENT = "deployment/"
EVERYTHING = ("method=fcf", "method.lr=0.1", "recipe.batch=4", "recipe.prune.epochs=10", "control=scratch")


def test_every_key_is_in_a_real_run(tmp_path: Path) -> None:
    program.run(config(f"folder={tmp_path}", "tracking=offline", *EVERYTHING))
    (path,) = tmp_path.glob("*/wandb/offline-run-*/*.wandb")
    run = offline_run.read(path)
    summary = {key.removesuffix("._type") for key in run.summary}  # a table has several keys below its name
    assert {key for key in panels.summary_keys() if not key.startswith(DEPLOYMENT)} - summary == set()
    assert set(panels.history_keys()) - set().union(*run.history) == set()
    outer, inner = panels.METHOD.split(".")
    assert run.config[outer][inner] == "fcf"


def test_every_key_of_a_deployment_is_in_a_record_that_has_one() -> None:
    file = Deployed(0.9, 1000, {"1": 3.0}, {"1": 0.01}, None)
    deployment = Deployment(file, file, file, file, 400, 0.01, [], 1, "ONNX Runtime")
    record = replace(read(RESULTS / "cifar10_resnet20" / "l1.json"), deployment=deployment)
    keys = {key for key in panels.summary_keys() if key.startswith(DEPLOYMENT)}
    assert keys
    assert keys <= summary_figures(record).keys()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # wandb-workspaces 0.4 uses pydantic's old decorators
def test_the_view_is_what_the_data_say() -> None:
    pytest.importorskip("wandb_workspaces")
    made = workspace.build_view("someone", "project", "view")
    assert {section.name: len(section.panels) for section in made.sections} == {
        name: len(held) for name, held in panels.SECTIONS.items()
    }
    scatter = made.sections[0].panels[0]
    assert (scatter.x.name, scatter.y.name) == ("tuned/macs", "tuned/accuracy")
    assert "summary:tuned/accuracy" in made._to_model().spec.model_dump_json(by_alias=True)


def test_it_is_shown_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.main(["--show"]) == 0
    lines = " ".join(capsys.readouterr().out.split())
    assert "Accuracy against cost accuracy against MACs: tuned/accuracy over tuned/macs, a point for each run" in lines
    assert "penalty rho: prune/rho (logarithmic) over epoch" in lines
    assert not re.search(r"\w\(\w+=|None|Table", lines), "no Python"


@pytest.mark.parametrize(
    ("hidden", "said"), [("wandb_workspaces", "pip install 'cnn-pruning[wandb]'"), ("", "No API key configured")]
)
def test_without_the_extra_or_a_login_it_says_so(tmp_path: Path, hidden: str, said: str) -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({hidden.split()}))\nfrom experiments import workspace\n"
    home = {name: str(tmp_path) for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")}
    kept = {name: value for name, value in os.environ.items() if name not in ("WANDB_API_KEY", "NETRC")}
    done = subprocess.run(
        [sys.executable, "-c", f"{code}sys.exit(workspace.main(['--entity', 'someone']))"],
        cwd=ROOT,
        env=kept | home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert said in done.stdout.replace("\n", " ")
    assert "Traceback" not in done.stderr
