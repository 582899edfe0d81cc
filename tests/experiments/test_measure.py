"""python -m experiments.measure: what is timed, and what cannot be is refused in one line."""

from pathlib import Path

import pytest
import torch
from torch import nn

import pruning
from experiments import measure
from experiments.records import timing
from pruning.files import export

SHAPE = (3, 8, 8)
BRIEF = ("--rounds", "1", "--seconds", "0")
NOISE = ("model=resnet20", "data.size=8", "method=l1", "ratio=0.5")


def softplus_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Softplus(), nn.Flatten(), nn.Linear(8 * 36, 4)).eval()


@pytest.fixture(scope="module")
def int8_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for library in export.EXTRA:
        pytest.importorskip(library)
    path = tmp_path_factory.mktemp("files") / "soft.onnx"
    pruning.export(softplus_network(), path, torch.randn(1, *SHAPE), int8=[torch.randn(4, *SHAPE)])
    return path


def test_what_an_int8_file_leaves_in_float_is_listed(
    int8_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "times.json"
    assert measure.main([str(int8_file), *BRIEF, "--json", str(out)]) == 0
    (left,) = timing.read(out).left_in_float.values()
    assert "Softplus" in left
    assert f"soft: left in float32 by ONNX Runtime: {', '.join(left)}" in capsys.readouterr().out


def test_a_network_of_a_config_is_timed_beside_what_a_method_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure.main([*NOISE, *BRIEF, "--runtime", "eager"]) == 0
    shown = capsys.readouterr().out
    assert "dense" in shown
    assert "pruned" in shown


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert measure.main([*words, *BRIEF]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    return said


def test_what_cannot_be_timed_is_refused_in_one_line(
    int8_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    assert f"{broken}: ONNX Runtime cannot run this file" in refusal(capsys, str(broken))
    assert "does not run in eager: take --runtime onnxruntime" in refusal(capsys, str(int8_file), "--runtime", "eager")
    assert "nowhere" in refusal(capsys, str(tmp_path / "nowhere"))
    assert "nowhere.onnx" in refusal(capsys, str(tmp_path / "nowhere.onnx"))
    assert "nonesuch" in refusal(capsys, "model=nonesuch")
    assert "ratio must lie in [0, 1), got 2" in refusal(capsys, *NOISE[:3], "ratio=2")


@pytest.mark.parametrize("words", [("--rounds", "0"), ("--batch", "none"), ("--threads", "-1")])
def test_counts_are_whole_numbers_from_1_on(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        measure.main(["model=resnet20", *words])
    assert "must be a whole number, 1 or more" in capsys.readouterr().err
