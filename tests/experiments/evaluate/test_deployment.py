"""deploy=int8 writes, checks and measures four files, and what cannot be is refused before anything is trained."""

from pathlib import Path

import pytest

from experiments import measure, pipeline
from experiments.cli import summary
from experiments.config.refusal import Refusal
from experiments.evaluate.deployment import FILES
from experiments.records import record, timing
from pruning.files import export
from support.tiny_run import settings

for library in export.EXTRA:
    pytest.importorskip(library)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployed")
    pipeline.run(settings("deploy=int8", "deploy.images=40", f"folder={folder}"))
    return next(folder.glob("*/record.json")).parent


def test_the_record_holds_four_networks(run_folder: Path) -> None:
    made = record.read(run_folder / "record.json")
    deployment = made.deployment
    assert deployment is not None
    assert (deployment.images, deployment.threads) == (40, 1)
    assert deployment.dense.accuracy == made.dense.accuracy
    assert deployment.tuned.accuracy == made.tuned.accuracy
    files = (deployment.dense, deployment.dense_int8, deployment.tuned, deployment.tuned_int8)
    for name, deployed in zip(FILES, files, strict=True):
        assert deployed.bytes == (run_folder / "onnx" / f"{name}.onnx").stat().st_size
        assert set(deployed.latency_ms) == set(deployed.half_width) == {"1", "64"}
        assert (deployed.flips is None) == ("int8" not in name)
    assert all((deployed.flips or 0) <= 0.1 for deployed in files)


def test_the_same_command_again_is_done_and_a_damaged_file_is_made_again(run_folder: Path) -> None:
    words, path = ("deploy=int8", "deploy.images=40", f"folder={run_folder.parent}"), run_folder / "record.json"
    before = path.stat().st_mtime_ns
    pipeline.run(settings(*words))
    assert path.stat().st_mtime_ns == before
    small = run_folder / "onnx" / "pruned-int8.onnx"
    content = small.read_bytes()
    small.write_bytes(b"half")
    pipeline.run(settings(*words))
    assert small.read_bytes() == content


def test_the_terminal_shows_them_side_by_side(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary.show(record.read(run_folder / "record.json"), run_folder)
    shown = capsys.readouterr().out
    assert "pruned int8" in shown
    assert "ranges from 40 training images" in shown


def test_the_files_of_a_run_are_timed_again_by_turns(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "times.json"
    assert measure.main([str(run_folder), "--rounds", "3", "--seconds", "0", "--json", str(out)]) == 0
    rows = timing.read(out).rows
    assert [row.name for row in rows] == sorted(FILES)
    assert rows[0].over_first == 1
    assert all(len(row.rounds_ms) == 3 for row in rows)


def test_files_and_values_together_are_refused(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure.main([str(run_folder), "model=vgg16"]) == 1
    assert "time one or the other" in capsys.readouterr().err


def test_more_images_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"deploy\.images=400 is more than the \d+ training images"):
        pipeline.run(settings("deploy=int8", f"folder={tmp_path}"))
    assert not list(tmp_path.glob("*/record.json"))
