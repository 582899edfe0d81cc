import json
from pathlib import Path
from typing import Any

import pytest

from experiments.records import metrics
from experiments.tracking import wandb_run
from experiments.tracking.figures import summary_figures
from support import offline_run
from support.running import run


def test_offline_writes_one_run_and_not_again(tmp_path: Path) -> None:
    asked = ("tracking=offline", "tracking.group=sweep-7", "tracking.project=mine")
    made = run(tmp_path, *asked)
    run(tmp_path, *asked)
    (path,) = tmp_path.glob("*/wandb/offline-run-*/*.wandb")
    written = offline_run.read(path)
    assert (written.id, written.group, written.project) == (made.digest[:16], "sweep-7", "mine")
    assert written.tags[:3] == ["l1", "support.tiny_run.chain", "support.tiny_run.Quadrants"]
    assert written.tags[3:] == [
        f"budget:{made.budget.of}",
        "allocation:uniform",
        "repair:none",
        "objective:cross_entropy",
    ]
    assert (written.notes, written.job_type) == (made.command, "experiment")
    assert written.name == f"{made.name}-{made.digest[:8]}"
    assert written.exit_code == 0
    assert written.config["recipe"] == made.config["recipe"]
    assert summary_figures(made).items() <= written.summary.items()


def test_offline_curves_are_the_metrics_file(tmp_path: Path) -> None:
    """Line by line, over epochs and images of the whole run; then the table of layers."""
    made = run(tmp_path, "tracking=offline")
    (folder,) = tmp_path.glob("l1-*")
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    *curves, table = (dict(line) for line in offline_run.read(path).history)
    lines = list(metrics.read([folder / "metrics.jsonl"]))
    assert [figures(line) for line in curves] == [
        {f"{line['stage']}/{key}": value for key, value in line.items() if key not in ("stage", "step", "epoch")}
        for line in lines
    ]
    seen = [line["images_seen"] for line in curves]
    assert seen == sorted(seen)
    assert curves[-1]["epoch"] == made.epochs_total
    assert all(line["learning_rate"] > 0 for line in lines if "loss" in line)
    shown = json.loads((path.parent / "files" / table["layers.path"]).read_text())
    assert shown["columns"] == ["layer", "filters kept", "filters", "kernels kept", "kernels"]
    assert shown["data"] == [["body.0", 4, 8, 12, 24], ["body.3", 4, 8, 32, 64]]
    classes = json.loads((path.parent / "files" / table["classes.path"]).read_text())
    assert classes["columns"] == ["class", "dense", "pruned", "tuned"]
    assert [row[0] for row in classes["data"]] == ["a", "b", "c", "d"]
    assert [row[1] for row in classes["data"]] == made.dense.accuracy_by_class
    assert offline_run.read(path).axes["*"] == "epoch"


def figures(line: dict[str, Any]) -> dict[str, Any]:
    """Of a stage, without the axes that all share."""
    return {key: value for key, value in line.items() if "/" in key}


def test_the_summary_has_the_figures_under_stable_names(tmp_path: Path) -> None:
    made = run(tmp_path)
    shown = summary_figures(made)
    assert {
        "dense/accuracy",
        "tuned/macs",
        "tuned/flips",
        "tuned/nll",
        "pruned/ece",
        "pruned/latency_ms/1",
        "certificate",
        "finetune/seconds",
        "finetune/images_per_second",
        "accuracy_drop",
        "macs_cut",
        "params_cut",
        "latency_cut",
    } <= set(shown)
    assert not any(isinstance(value, dict | list) for value in shown.values())
    assert shown["macs_cut"] == pytest.approx(made.budget.got_macs)
    assert shown["accuracy_drop"] == made.dense.accuracy - made.tuned.accuracy
    assert not {"budget/got_macs", "budget/got_params"} & set(shown), "no figure twice"
    assert shown["train_macs"] == shown["baseline/train_macs"] + shown["finetune/train_macs"]


def test_the_network_is_an_artifact_where_it_is_asked_for(tmp_path: Path) -> None:
    run(tmp_path, "tracking=offline", "tracking.artifact=true")
    (path,) = tmp_path.glob("*/wandb/offline-run-*/*.wandb")
    (kept,) = (artifact for artifact in offline_run.read(path).artifacts if artifact.kind == "model")
    (folder,) = tmp_path.glob("l1-*")
    assert kept.files == {path.name for path in (folder / "network").iterdir()}


@pytest.mark.parametrize(("death", "written"), [("interrupt", 0), ("exception", 1)])
def test_after_ctrl_c_nobody_waits_for_the_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str, written: int
) -> None:
    """The same command goes on and writes all of it; a run that failed shows how far it came."""
    monkeypatch.setenv("PRUNING_TARGETS", "support.tiny_run:support.dying")
    with pytest.raises((SystemExit, KeyboardInterrupt, RuntimeError)):
        run(tmp_path, "tracking=offline", "data._target_=support.dying.Dying", f"+data.death={death}")
    assert len(list(tmp_path.glob("*/wandb/offline-run-*/*.wandb"))) == written
    assert list(tmp_path.glob("store/*/metrics.jsonl"))


def test_an_unreachable_server_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb_run, "REACH", 2)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    run(tmp_path, "tracking=online")
    assert "going on offline" in capsys.readouterr().out
    assert list(tmp_path.glob("*/wandb/offline-run-*/*.wandb"))
