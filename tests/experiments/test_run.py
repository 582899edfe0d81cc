"""The whole run, for real, on a network of two convolutions."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import DictConfig
from safetensors.torch import load_file, save_file
from tiny_run import CONF, POWER_CUT, TINY, config

import pruning
from experiments import commandline, measure, pipeline, record
from experiments.prepare import prepare
from experiments.record import Record

GATED = ("method=fcf", "recipe.prune.epochs=38", "method.lr=0.1")


def run(folder: Path, *overrides: str) -> Record:
    made = pipeline.run(config(f"folder={folder}", *overrides))
    assert made is not None
    return made


def untimed(made: Record) -> Record:
    """What must be equal between two runs of the same: all but times."""
    networks = {
        name: replace(getattr(made, name), latency_ms={})
        for name in ("dense", "pruned", "tuned")
        if getattr(made, name)
    }
    stages = [replace(stage, seconds=0.0, images_per_second=0.0, reused=False, commit=None) for stage in made.stages]
    return replace(made, **networks, stages=stages, git_commit=None, scratch=None, command="")


def test_it_prunes_and_the_record_says_what(tmp_path: Path) -> None:
    made = run(tmp_path, "control=scratch", "ratio=0.5")
    assert made.dense.accuracy > 0.9
    assert made.certificate < 1e-4
    assert {name: layer.filters_kept for name, layer in made.layers.items()} == {"body.0": 4, "body.3": 4}
    assert made.tuned.macs == 64 * (3 * 4 * 9 + 4 * 4 * 9) + 16 * 4
    assert made.dense.params == 3 * 8 * 9 + 8 + 16 + 8 * 8 * 9 + 8 + 16 + 32 * 4 + 4
    assert [stage.name for stage in made.stages] == ["baseline", "finetune", "scratch", "scratch_tune"]
    assert made.stages[0].train_macs == 3 * made.dense.macs * 3 * 64
    assert made.stages[1].train_macs == 3 * made.tuned.macs * 2 * 64
    assert made.epochs_total == 5
    assert made.scratch is not None


def test_the_teacher_is_in_the_cost(tmp_path: Path) -> None:
    made = run(tmp_path, "objective=distillation")
    assert made.stages[1].train_macs == (3 * made.tuned.macs + made.dense.macs) * 2 * 64


def test_the_record_on_disk_is_the_one_returned(tmp_path: Path) -> None:
    made = run(tmp_path)
    (path,) = tmp_path.glob("*/record.json")
    assert path.parent.name == f"{made.name}-{made.digest[:8]}"
    assert record.read(path) == made


def test_the_same_command_again_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")}
    assert run(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")} == before
    assert "reused baseline" in capsys.readouterr().out


def test_methods_and_ratios_share_one_baseline(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path, "method=random", "ratio=0.25")
    assert [stage.reused for stage in second.stages] == [True, False]
    assert second.stages[0].digest == first.stages[0].digest
    assert second.dense.accuracy == first.dense.accuracy
    assert len(list(tmp_path.glob("store/baseline-*"))) == 1


def test_store_false_makes_everything_again_with_the_same_numbers(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path, "store=false")
    assert not any(stage.reused for stage in second.stages)
    assert untimed(replace(second, config={})) == untimed(replace(first, config={}))


def test_dense_goes_through_the_same_pipe_uncut(tmp_path: Path) -> None:
    made = run(tmp_path, "method=dense")
    assert made.pruned.macs == made.dense.macs
    assert made.pruned.accuracy == made.dense.accuracy
    assert made.certificate == 0


def test_a_gated_method_is_stored_with_its_gates_and_taken_up_again(tmp_path: Path) -> None:
    first = run(tmp_path, *GATED)
    (tmp_path / f"{first.name}-{first.digest[:8]}" / "record.json").unlink()
    second = run(tmp_path, *GATED)
    assert all(stage.reused for stage in second.stages)
    assert first.gates_accuracy is not None
    assert untimed(second) == untimed(first)


@pytest.mark.parametrize(("cut", "overrides"), [("3:1", ()), ("2:1", ("objective=distillation",)), ("38:20", GATED)])
def test_a_killed_stage_goes_on_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str, overrides: tuple[str, ...]
) -> None:
    whole = run(tmp_path / "whole", *overrides)
    monkeypatch.setenv(POWER_CUT, cut)
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "cut", *overrides)
    monkeypatch.delenv(POWER_CUT)
    resumed = run(tmp_path / "cut", *overrides)
    assert untimed(replace(resumed, config={})) == untimed(replace(whole, config={}))
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")


def metrics(folder: Path) -> list[dict[str, object]]:
    (path,) = (each for each in folder.glob("*/metrics.jsonl") if "store" not in each.parts)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_baseline_of_a_file_is_the_dense_network(tmp_path: Path) -> None:
    first = run(tmp_path)
    (weights,) = tmp_path.glob("store/baseline-*/weights.safetensors")
    second = run(tmp_path, f"baseline={weights}")
    assert second.dense.accuracy == first.dense.accuracy
    assert second.val_seen
    assert [stage.name for stage in second.stages] == ["finetune"]
    assert second.stages[0].chosen_epoch == second.stages[0].epochs


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("ratio=0.95",), "would empty layer"),
        (("baseline=nowhere.safetensors",), "baseline=nowhere.safetensors is not a file"),
        (("method=fcf", "recipe.prune.epochs=1"), "150"),
        (("objective=distillation", "objective.temperature=0.0"), "temperature must be above 0"),
        (("sensitivity=true", "data.val=0"), "data.val=0 leaves none"),
        (("sensitivity=true", "method=dense"), "a method that decides on the network as it is"),
        (("sensitivity=true", *GATED), "a method that decides on the network as it is"),
        (("trainer.accelerator=foo",), "trainer.* asks for what is not here"),
        (("trainer.devices=0",), "trainer.* asks for what is not here"),
        (("sensitivity=true", "scan.ratios=[0.5,1.0]"), "each of scan.ratios must lie in"),
    ],
)
def test_a_refusal_is_one_line_and_nothing_is_written(tmp_path: Path, overrides: tuple[str, ...], said: str) -> None:
    folder = tmp_path / "new"
    with pytest.raises(SystemExit, match=said) as refused:
        commandline.answer(pipeline.run, config(f"folder={folder}", *overrides))
    assert "\n" not in str(refused.value)
    assert not folder.exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="is not a folder"):
        commandline.answer(pipeline.run, config(f"folder={tmp_path / 'file' / 'below'}"))


def test_a_rate_that_diverges_is_one_line_too(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"not finite at step 2, in epoch 1, first in the gradient of layer 'body\.4'"):
        commandline.answer(pipeline.run, config(f"folder={tmp_path}", "recipe.baseline.lr=1e20"))


def test_a_failing_job_leaves_the_other_jobs_of_a_sweep_alone(tmp_path: Path) -> None:
    overrides = [each for each in TINY if not each.startswith("hydra")]
    command = [sys.executable, "run.py", "-m", *overrides, f"folder={tmp_path}", "ratio=0.95,0.5"]
    paths = os.pathsep.join([str(Path(__file__).parent), str(CONF.parent)])
    done = subprocess.run(
        command, cwd=CONF.parent, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "would empty layer" in done.stdout
    assert [record.read(path).ratio for path in tmp_path.glob("*/record.json")] == [0.5]


def test_plan_trains_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.run(plan := config(f"folder={tmp_path / 'new'}", "plan=true")) is None
    assert isinstance(plan, DictConfig)
    assert "MACs" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


def test_a_scan_says_what_every_layer_tolerates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.run(config(f"folder={tmp_path}", "sensitivity=true", "scan.ratios=[0.25,0.75]")) is None
    (path,) = tmp_path.glob("*/sensitivity.json")
    found = json.loads(path.read_text())
    assert [(point["site"], point["ratio"], point["kept"]) for point in found["points"]] == [
        *[("body.0", 0.25, 6), ("body.0", 0.75, 2)],
        *[("body.3", 0.25, 6), ("body.3", 0.75, 2)],
    ]
    tolerated = [p["ratio"] for p in found["points"] if found["dense"] - p["accuracy"] <= 0.01]
    assert all(ratio in (0.0, *tolerated) for ratio in found["allowed"].values())
    assert (path.parent / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    assert "+budget.table={body.0:" in capsys.readouterr().out


def test_a_plan_trains_nothing_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.run(config(f"folder={tmp_path / 'new'}", "plan=true", "ratio=0.5")) is None
    shown = capsys.readouterr().out
    assert "body.0" in shown
    assert "4/8" in shown
    assert not (tmp_path / "new").exists()


def test_the_kept_network_loads_and_is_the_one_that_was_measured(tmp_path: Path) -> None:
    made = run(tmp_path)
    (folder,) = tmp_path.glob("*/network")
    overrides = config(f"folder={tmp_path}")
    bench = prepare(overrides)
    loaded = pruning.load(folder, dense=bench.network)
    assert loaded.classes == ("a", "b", "c", "d")
    assert measure.accuracy(loaded.network, bench.data.test_dataloader(), bench.device)[0] == made.tuned.accuracy


def test_the_small_form_changes_nothing_but_times(tmp_path: Path) -> None:
    """Stages are shared, networks are the same; `auto` says in the record what it came to."""
    group2d = ("method=group2d", "method.groups=2", "method.score=l1", "ratio=0.5")
    split, auto = (run(tmp_path, *group2d, f"method.form={form}") for form in ("split", "auto"))
    assert [stage.reused for stage in auto.stages] == [True, True]
    assert untimed(auto).tuned == untimed(split).tuned
    assert auto.method_figures.keys() - split.method_figures.keys() == {"timed_grouped"}
    first, second = (load_file(path) for path in tmp_path.glob("*/network/*.safetensors"))
    assert first.keys() == second.keys()


def test_a_scan_leaves_a_finished_run_alone(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("l1-*/**/*") if path.is_file()}
    pipeline.run(config(f"folder={tmp_path}", "sensitivity=true", "scan.ratios=[0.5]"))
    assert {path: path.read_bytes() for path in tmp_path.glob("l1-*/**/*") if path.is_file()} == before


def test_a_broken_record_or_a_lost_network_is_made_again(tmp_path: Path) -> None:
    made = run(tmp_path)
    (path,) = tmp_path.glob("*/record.json")
    path.write_text(path.read_text()[:100])
    assert untimed(run(tmp_path)) == untimed(made)
    assert untimed(record.read(path)) == untimed(made)
    shutil.rmtree(path.parent / "network")
    run(tmp_path)
    assert (path.parent / "network" / "model.json").exists()


def test_a_baseline_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    weights = prepare(config(f"folder={tmp_path}")).network.state_dict()
    weights["head.bias"][0] = float("nan")
    save_file(weights, tmp_path / "broken.safetensors")
    with pytest.raises(SystemExit, match=r"head\.bias is not finite"):
        commandline.answer(pipeline.run, config(f"folder={tmp_path}", f"baseline={tmp_path}/broken.safetensors"))
