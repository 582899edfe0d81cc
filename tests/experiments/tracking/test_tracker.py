import json
from pathlib import Path
from typing import Any

import pytest

from experiments.records import metrics
from experiments.tracking import tracker as tracking
from experiments.tracking.tracker import summary_figures
from support import offline_run
from support.running import run


def test_offline_writes_one_run_and_not_again(tmp_path: Path) -> None:
    asked = ("tracking=offline", "tracking.group=sweep-7", "tracking.project=mine")
    made = run(tmp_path, *asked)
    run(tmp_path, *asked)
    (path,) = tmp_path.glob("*/wandb/offline-run-*/*.wandb")
    written = offline_run.read(path)
    assert (written.id, written.group, written.project) == (made.digest[:16], "sweep-7", "mine")
    assert written.tags == ["l1", "support.tiny_run.chain", "support.tiny_run.Quadrants"]
    assert written.name == f"{made.name}-{made.digest[:8]}"
    assert written.exit_code == 0
    assert written.config["recipe"] == made.config["recipe"]
    assert summary_figures(made).items() <= written.summary.items()


def test_offline_curves_are_the_metrics_file(tmp_path: Path) -> None:
    """Line by line, over the steps of their stage; then the table of layers."""
    made = run(tmp_path, "tracking=offline")
    (folder,) = tmp_path.glob("l1-*")
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    *curves, table = (dict(line) for line in offline_run.read(path).history)
    assert [own(line) for line in curves] == [
        {f"{line['stage']}/{key}": value for key, value in line.items() if key != "stage"}
        for line in metrics.read([folder / "metrics.jsonl"])
    ]
    shown = json.loads((path.parent / "files" / table["layers.path"]).read_text())
    assert shown["columns"] == ["layer", "filters kept", "filters", "kernels kept", "kernels"]
    assert shown["data"] == [["body.0", 4, 8, 12, 24], ["body.3", 4, 8, 32, 64]]
    classes = json.loads((path.parent / "files" / table["classes.path"]).read_text())
    assert classes["columns"] == ["class", "dense", "pruned", "tuned"]
    assert [row[0] for row in classes["data"]] == ["a", "b", "c", "d"]
    assert [row[1] for row in classes["data"]] == made.dense.accuracy_by_class
    assert offline_run.read(path).axes["finetune/*"] == "finetune/step"


def own(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if not key.startswith("_")}


def test_the_summary_has_the_figures_under_stable_names(tmp_path: Path) -> None:
    shown = summary_figures(run(tmp_path))
    assert {
        "dense/accuracy",
        "tuned/macs",
        "tuned/flips",
        "tuned/nll",
        "pruned/ece",
        "pruned/latency_ms/1",
        "certificate",
        "budget/got_macs",
        "finetune/seconds",
    } <= set(shown)
    assert not any(isinstance(value, dict | list) for value in shown.values())
    assert shown["train_macs"] == shown["baseline/train_macs"] + shown["finetune/train_macs"]


def test_an_unreachable_server_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "REACH", 2)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    run(tmp_path, "tracking=online")
    assert "going on offline" in capsys.readouterr().out
    assert list(tmp_path.glob("*/wandb/offline-run-*/*.wandb"))
