from pathlib import Path

import pytest
from tiny_run import config

from experiments import pipeline, tracking
from experiments.record import Record
from experiments.tracking import figures


def run(folder: Path, *overrides: str) -> Record:
    made = pipeline.run(config(f"folder={folder}", *overrides))
    assert made is not None
    return made


def test_offline_writes_one_run_and_not_again(tmp_path: Path) -> None:
    for _ in range(2):
        run(tmp_path, "tracking=offline")
    (written,) = tmp_path.glob("*/wandb/offline-run-*/*.wandb")
    assert written.stat().st_size > 1000


def test_the_summary_has_the_figures_under_stable_names(tmp_path: Path) -> None:
    shown = figures(run(tmp_path))
    assert {
        "dense/accuracy",
        "tuned/macs",
        "pruned/latency_ms/1",
        "certificate",
        "budget/got_macs",
        "finetune/seconds",
    } <= set(shown)
    assert not any(isinstance(value, dict | list) for value in shown.values())


def test_an_unreachable_server_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "REACH", 2)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    run(tmp_path, "tracking=online")
    assert "going on offline" in capsys.readouterr().out
    assert list(tmp_path.glob("*/wandb/offline-run-*/*.wandb"))
