"""What is exported computes what the network does, for any number of images."""

import sys
from pathlib import Path

import pytest
import torch

import pruning
from pruning.files import export
from pruning.models import resnet
from pruning.selection import Selection, convolutions
from pruning.surgery import compact
from pruning.surgery.certificate import flatten_output
from support.outputs import Outputs

SHAPE = (3, 32, 32)
IMAGE = (3, 8, 8)


@pytest.fixture(scope="module")
def small() -> torch.nn.Module:
    """Narrow, padded shortcuts, and a layer in groups of columns."""
    dense = resnet(8, 5, SHAPE)
    masks = {name: torch.ones(conv.weight.shape[:2], dtype=torch.bool) for name, conv in convolutions(dense).items()}
    masks["layer1.0.conv1"][::2] = False
    masks["layer2.0.conv2"][:16, :16] = masks["layer2.0.conv2"][16:, 16:] = False
    return compact(dense, Selection(masks), SHAPE)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_exported_program_is_the_network(batch: int, small: torch.nn.Module) -> None:
    program = export.exported(small, SHAPE)
    assert small.training  # left as it was
    images = torch.randn(batch, *SHAPE)
    small.eval()
    torch.testing.assert_close(program.module()(images), small(images))
    small.train()


def test_onnx_runtime_agrees(small: torch.nn.Module, tmp_path: Path) -> None:
    for library in export.EXTRA:
        pytest.importorskip(library)
    assert export.onnx(small, SHAPE, tmp_path / "small.onnx") < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
    session = sys.modules["onnxruntime"].InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    images = torch.randn(5, *SHAPE)
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), small.eval()(images), atol=1e-5, rtol=1e-4)
    small.train()


@pytest.mark.parametrize("outputs", ["tensor", "dict"])
def test_one_call_exports_what_prune_gives(tmp_path: Path, outputs: str) -> None:
    for library in export.EXTRA:
        pytest.importorskip(library)
    example = torch.randn(1, *IMAGE)
    small = pruning.prune(Outputs(outputs).eval(), example, "l1", layer=0.5, exclude="second")
    assert pruning.export(small, tmp_path / "small.onnx") < 1e-5
    session = sys.modules["onnxruntime"].InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    images = torch.randn(5, *IMAGE)
    for by_onnx, by_torch in zip(
        session.run(None, {"images": images.numpy()}), flatten_output(small.network(images)), strict=True
    ):
        torch.testing.assert_close(torch.from_numpy(by_onnx), by_torch, atol=1e-5, rtol=1e-4)


def test_a_plain_network_is_exported_by_its_example(tmp_path: Path) -> None:
    for library in export.EXTRA:
        pytest.importorskip(library)
    plain = Outputs("tensor")
    assert pruning.export(plain, tmp_path / "plain.onnx", torch.randn(1, *IMAGE)) < 1e-5
    with pytest.raises(ValueError, match="give export\\(\\) an example, one batch of them"):
        pruning.export(plain, tmp_path / "plain.onnx")


def test_a_missing_extra_is_named(small: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EXTRA", ("onnx_of_nowhere",))
    with pytest.raises(ValueError, match=r"ONNX needs onnx_of_nowhere: pip install 'cnn-pruning\[export\]'"):
        export.onnx(small, SHAPE, tmp_path / "small.onnx")
