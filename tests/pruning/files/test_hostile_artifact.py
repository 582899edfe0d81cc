"""A damaged, foreign or lying folder is refused in one line, at no cost."""

import base64
import json
import resource
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pruning.files.artifact import DESCRIPTION, WEIGHTS, load

Values = dict[str, Any]
LAYER = "layer1.0.conv1"


def kept(bits: bytes) -> str:
    return base64.b64encode(zlib.compress(bits)).decode()


def kernels(**changed: Any) -> Callable[[Values], None]:
    return lambda values: values["kernels"][LAYER].update(changed)


def changed(**values: Any) -> Callable[[Values], None]:
    return lambda whole: whole.update(values)


LIES: dict[str, tuple[Callable[[Values], None], str]] = {
    "foreign": (changed(format="onnx"), "not the description of a pruned network"),
    "newer": (changed(version=3), "version 3, this library reads \\(1, 2\\)"),
    "no kernels": (lambda values: values.pop("kernels"), "kernels is missing"),
    "code": (lambda v: v["origin"].update(builder="os.system"), "network must be one of"),
    "target": (lambda v: v["origin"]["arguments"].update(_target_="os.system"), "resnet takes"),
    "deep": (lambda v: v["origin"]["arguments"].update(depth=6 * 10**9 + 2), "numbers up to 2048"),
    "no origin": (changed(origin=None), "give dense="),
    "strange layer": (lambda v: v["kernels"].update({"layer9": v["kernels"][LAYER]}), "'layer9', which is not a conv"),
    "huge shape": (kernels(shape=[2**40, 2**40]), "its layer is \\[16, 16\\]"),
    "negative shape": (kernels(shape=[-16, -16]), "its layer is \\[16, 16\\]"),
    "bomb": (kernels(kept=kept(bytes(2**30))), "takes 32 bytes, got"),
    "short": (kernels(kept=kept(bytes(31))), "takes 32 bytes, got"),
    "not base64": (kernels(kept="%%%"), "is damaged"),
    "not deflated": (kernels(kept=base64.b64encode(b"abc").decode()), "is damaged"),
    "emptied": (kernels(kept=kept(bytes(32))), "empties 'layer1.0.conv1'"),
    "other filters": (kernels(kept=kept(b"\xff" * 32)), "has shape .*, the network needs"),
    "one class more": (changed(classes=["a"] * 4), "linear.bias has shape \\(3,\\), the network needs \\(4,\\)"),
    "classes": (changed(classes=[{"a": 1}]), "classes must be a list of str"),
    "no image": (changed(image_shape=[3, 0, 32]), "up to 4 numbers from 1 to 65536"),
    "a flat image": (
        changed(image_shape=[3, 32]),
        r"takes images \(channels, .*, and image_shape is \(3, 32\)",
    ),
    "negative image": (changed(image_shape=[3, -32, -32]), "up to 4 numbers from 1 to 65536"),
    "grey": (changed(image_shape=[1, 32, 32]), "does not take images"),
    "endless image": (changed(image_shape=[3, 10**12, 10**12]), "up to 4 numbers from 1 to 65536"),
    "nan": (changed(preprocessing={"mean": [0.0, 0.0, 0.0], "std": [float("nan")] * 3, "resize": None}), "std above 0"),
    "resize": (
        changed(preprocessing={"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "resize": "x"}),
        "resize must be",
    ),
}


def copied(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def refused(folder: Path, words: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=words) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


@pytest.mark.parametrize("name", LIES)
def test_a_lying_description_is_refused(name: str, saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    lie, words = LIES[name]
    values = json.loads((folder / DESCRIPTION).read_text())
    lie(values)
    (folder / DESCRIPTION).write_text(json.dumps(values))
    refused(folder, words)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": 1e999}'])
def test_what_is_no_description_is_refused(content: bytes, saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    (folder / DESCRIPTION).write_bytes(content)
    refused(folder, r"model.json: not (JSON|the description)")


def test_an_endless_description_is_not_read(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    with open(folder / DESCRIPTION, "r+b") as file:
        file.truncate(2**40)  # a hole; takes no space
    refused(folder, "longer than")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_truncated_weights_are_refused(share: float, saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: int(share * len(content))])
    refused(folder, "model.safetensors: not a whole safetensors file")


def test_a_flipped_bit_is_noticed(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-5] ^= 16
    (folder / WEIGHTS).write_bytes(content)
    refused(folder, "its content is not what model.json was written for")


def test_a_lying_header_is_refused(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    header = json.dumps({"conv1.weight": {"dtype": "F32", "shape": [2**40, 2], "data_offsets": [0, 2**43]}}).encode()
    (folder / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    refused(folder, "not a whole safetensors file")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("conv1.weight"), "lacks conv1.weight: it is of another network"),
        (lambda weights: weights.update(more=torch.ones(2)), "has besides more"),
        (
            lambda weights: weights.update({"linear.bias": torch.ones(2)}),
            r"linear.bias has shape \(2,\), .* needs \(3,\)",
        ),
    ],
)
def test_weights_of_another_network_are_refused(change: Callable, words: str, saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    refused(folder, words)


def test_a_pickle_does_nothing(saved: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "harm",)

    folder = copied(saved, tmp_path)
    torch.save({"conv1.weight": Harm()}, folder / WEIGHTS)
    refused(folder, "not a whole safetensors file")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_a_missing_file_is_named(name: str, saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is not a file: a pruned network is a folder of"):
        load(folder)


def test_dense_is_for_networks_without_a_name(saved: Path) -> None:
    with pytest.raises(ValueError, match=r"is resnet\(depth=8, shortcut='A'\): do not give dense="):
        load(saved, nn.Identity())
