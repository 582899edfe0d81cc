"""Lightning's loggers get what W&B gets."""

import csv
from pathlib import Path

import pytest

from experiments.records import metrics
from experiments.tracking.curves import on_common_axes
from experiments.tracking.figures import summary_figures
from experiments.tracking.loggers import numbers
from support.running import run

IMAGES, BATCH = 64, 16  # of the tiny run: of an epoch, of a step
CSV = "tracking.loggers=[{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: '{folder}'}]"


def curves(folder: Path) -> list[dict]:
    return list(on_common_axes(metrics.read([folder / "metrics.jsonl"]), IMAGES, BATCH))


def read_csv(path: Path) -> list[dict[str, float]]:
    """A row for each step of the axis; empty cells left out."""
    rows = csv.DictReader(path.read_text().splitlines())
    return [{key: float(cell) for key, cell in row.items() if cell != ""} for row in rows]


def test_csv_has_the_same_curves_and_figures(tmp_path: Path) -> None:
    made = run(tmp_path, "tracking=csv")
    (folder,) = tmp_path.glob("l1-*")
    *rows, last = read_csv(folder / "tracking" / "csv" / "metrics.csv")
    assert rows == [numbers(line) | {"step": line["images_seen"]} for line in curves(folder)]
    assert numbers(summary_figures(made)).items() <= last.items()
    assert (folder / "tracking" / "csv" / "hparams.yaml").read_text().count("ratio: ")


def test_tensorboard_has_the_same_curves_and_figures(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    made = run(tmp_path, "tracking=tensorboard")
    (folder,) = tmp_path.glob("l1-*")
    events = reader.EventAccumulator(str(folder / "tracking" / "tensorboard"))
    events.Reload()
    wanted = [(line["images_seen"], line["baseline/loss"]) for line in curves(folder) if "baseline/loss" in line]
    found = [(event.step, event.value) for event in events.Scalars("baseline/loss")]
    assert wanted
    assert [step for step, _ in found] == [step for step, _ in wanted]
    assert [value for _, value in found] == pytest.approx([value for _, value in wanted])
    assert events.Scalars("macs_cut")[-1].value == pytest.approx(made.budget.got_macs)


def test_beside_weights_and_biases_and_not_again_for_a_finished_run(tmp_path: Path) -> None:
    run(tmp_path, "tracking=offline", CSV)
    (path,) = tmp_path.glob("*/tracking/**/metrics.csv")
    assert list(tmp_path.glob("*/wandb/offline-run-*/*.wandb"))
    before = path.stat().st_mtime_ns
    run(tmp_path, "tracking=offline", CSV)
    assert path.stat().st_mtime_ns == before


def test_a_finished_run_is_given_to_a_logger_that_has_not_had_it(tmp_path: Path) -> None:
    run(tmp_path, "tracking=none")
    run(tmp_path, "tracking=csv")
    (path,) = tmp_path.glob("*/tracking/csv/metrics.csv")
    assert "baseline/val_loss" in read_csv(path)[0]


def test_a_logger_that_fails_ends_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    made = run(tmp_path / "runs", "tracking=csv", f"tracking.loggers.0.save_dir={blocked}")
    assert made.tuned.accuracy >= 0
    assert "CSVLogger has failed" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("tracking.loggers.0._target_=lightning.pytorch.loggers.CSVLoger", "lightning.pytorch.loggers"),
        ("tracking.loggers.0._target_=os.system", "Lightning's loggers"),
        ("+tracking.loggers.0.folder=x", "folder"),
        ("tracking.loggers.0._target_=lightning.pytorch.loggers.NeptuneLogger", "NeptuneLogger"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_runs(
    tmp_path: Path, given: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BaseException, match=words):
        run(tmp_path, "tracking=csv", given)
    assert not list(tmp_path.glob("*/status.json"))
