"""What a run says no to: one line, nothing written, other jobs left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from experiments import pipeline, program
from experiments.cli import commandline
from experiments.config.settings import load
from experiments.config.suggestions import suggestions_for
from experiments.records import record
from experiments.run.prepare import prepare
from experiments.sweep import launch
from experiments.sweep.engines import local
from experiments.system.checkout import ROOT
from support.tiny_run import GATED, PATHS, TINY, config, settings, whole_config


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("ratio=0.95",), "would empty layer"),
        (("baseline=nowhere.safetensors",), "baseline=nowhere.safetensors is not a file"),
        (("method=fcf", "recipe.prune.epochs=1"), "FCF needs 150 steps or more"),
        (("method=fcf", "recipe.prune.epochs=0"), r"recipe\.prune\.epochs=0 leaves it no steps"),
        (("method=group2d", "recipe.prune.epochs=0"), r"recipe\.prune\.epochs=0 leaves it no steps"),
        (("objective=distillation", "objective.temperature=0.0"), "temperature must be above 0"),
        (("sensitivity=true", "data.val=0"), "data.val=0 leaves none"),
        (("sensitivity=true", "method=dense"), "a method that decides on the network as it is"),
        (("sensitivity=true", *GATED), "a method that decides on the network as it is"),
        (("method=taylor", "observe.images=100"), r"observe\.images=100 is more than the \d+ training"),
        (("method=bn_scale", "model._target_=support.saboteurs.plain"), "bn_scale needs a batch norm .* '0' has"),
        (("trainer.accelerator=foo",), "trainer.* asks for what is not here"),
        (("data.val=many",), r"data\.val must be a number, got 'many'"),
        (("method=group2d", "method.groups=x"), r"method\.groups must be a whole number, got 'x'"),
        (("budget=macs", "budget.round_to=0.5"), r"budget\.round_to must be a whole number, got 0\.5"),
        (("allocation=lamp",), r"allocation=lamp orders what goes until .* take allocation=uniform"),
        (("budget=macs", "allocation=own", *GATED), r"FCF sets its counts before .* take allocation=uniform, l1, lamp"),
        (("budget=macs", "+budget.table={body.0:0.5}"), r"budget\.table gives layers shares .* take budget=layer"),
        (
            ("budget=macs", "ratio=0.99"),
            r"ratio=0\.99 cannot be met .* of the macs it must lie in \[0\.0000, 0\.\d{4}\]",
        ),
        (("trainer.devices=x",), "trainer.* asks for what is not here"),
        (("trainer.devices=0",), "trainer.* asks for what is not here"),
        (("sensitivity=true", "scan.ratios=[0.5,1.0]"), "each of scan.ratios must lie in"),
    ],
)
def test_a_refusal_is_one_line_and_nothing_is_written(tmp_path: Path, overrides: tuple[str, ...], said: str) -> None:
    folder = tmp_path / "new"
    with pytest.raises(SystemExit, match=said) as refused:
        commandline.run_and_exit(program.run, config(f"folder={folder}", *overrides))
    assert "\n" not in str(refused.value)
    assert not folder.exists()


@pytest.mark.parametrize("given", ["name=mine", "tracking.group=sweep"])  # their defaults are known to a run only
def test_advice_reads_keys_whose_default_hydra_resolves(given: str) -> None:
    assert suggestions_for([given, "ratio=0.5"]) == []
    assert suggestions_for([given, "ratio=abc"]) == ["ratio must be a number, got 'abc': for example ratio=0.5"]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="is not a folder"):
        commandline.run_and_exit(program.run, config(f"folder={tmp_path / 'file' / 'below'}"))


@pytest.mark.parametrize("name", ["record.json", "status.json", "lock", "error.txt", "metrics.jsonl"])
def test_a_folder_where_a_file_is_needed_is_named_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asked = config(f"folder={tmp_path}", "tracking=offline")
    monkeypatch.setattr(pipeline, "experiment", lambda bench: pytest.fail("it was trained"))
    in_the_way = prepare(load(asked)).folder / name
    in_the_way.mkdir(parents=True)
    with pytest.raises(SystemExit, match=f"^{in_the_way} is a folder where a file is needed: move it away$"):
        commandline.run_and_exit(program.run, asked)


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(SystemExit, match=f"^{tmp_path}/store is a file where a folder is needed: move it away$"):
        commandline.run_and_exit(program.run, config(f"folder={tmp_path}"))
    (tmp_path / "store").unlink()
    (tmp_path / "baseline.safetensors").mkdir()
    with pytest.raises(SystemExit, match=r"baseline=.*/baseline\.safetensors is not a file: give a \.safetensors file"):
        commandline.run_and_exit(program.run, config(f"folder={tmp_path}", f"baseline={tmp_path}/baseline.safetensors"))


def test_a_sweep_whose_folder_is_a_file_ends_before_its_jobs(tmp_path: Path) -> None:
    (tmp_path / "sweep").touch()
    whole = whole_config(f"folder={tmp_path}", "seed=1")
    with pytest.raises(SystemExit, match=f"^{tmp_path}/sweep is a file where a folder is needed: move it away$"):
        launch.begin(whole, local, {"n_jobs": 1})


def test_a_rate_that_diverges_is_one_line_too(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"not finite at step 2, in epoch 1, first in the gradient of layer 'body\.4'"):
        commandline.run_and_exit(program.run, config(f"folder={tmp_path}", "recipe.baseline.lr=1e20"))


@pytest.mark.sweeps
def test_a_failing_job_leaves_the_other_jobs_of_a_sweep_alone(tmp_path: Path) -> None:
    overrides = [each for each in TINY if not each.startswith("hydra")]
    command = [sys.executable, "run.py", "-m", *overrides, f"folder={tmp_path}", "ratio=0.95,0.5"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": PATHS}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "would empty layer" in done.stdout
    assert [record.read(path).ratio for path in tmp_path.glob("*/record.json")] == [0.5]


def test_a_baseline_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    weights = prepare(settings(f"folder={tmp_path}")).network.state_dict()
    weights["head.bias"][0] = float("nan")
    save_file(weights, tmp_path / "broken.safetensors")
    with pytest.raises(SystemExit, match=r"head\.bias is not finite"):
        commandline.run_and_exit(program.run, config(f"folder={tmp_path}", f"baseline={tmp_path}/broken.safetensors"))
