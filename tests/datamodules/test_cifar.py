"""CIFAR from folders of images; what is not CIFAR is refused by name."""

import os
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import cifar as cifar_module
from support.tiny_images import CIFAR10


def test_what_is_read_is_what_was_written(cifar, root):
    data = cifar(val=0)
    assert data.classes == tuple(CIFAR10)
    assert data.image_shape == (3, 32, 32)
    assert data.sizes == {"train": 60, "val": 0, "test": 20}
    written = {(np.asarray(Image.open(path)).tobytes(), path.parent.name) for path in root.glob("test/*/*.png")}
    decoded = data.decoded
    names = [CIFAR10[label] for label in decoded.test_labels]
    assert {(image.numpy().tobytes(), name) for image, name in zip(decoded.test_pixels, names, strict=True)} == written


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_folder_is_named(cifar, root, part):
    shutil.rmtree(root / part)
    with pytest.raises(FileNotFoundError, match=f"has no folder {part}/<class>/"):
        cifar().setup()


def test_classes_of_one_folder_alone_are_named(cifar, root):
    shutil.rmtree(root / "test" / "cat")
    (root / "test" / "lion").mkdir()
    shutil.copy(root / "test" / "dog" / "0000.png", root / "test" / "lion")
    with pytest.raises(ValueError, match="only in train: cat; only in test: lion"):
        cifar().setup()


def test_a_class_missing_everywhere_is_noticed(cifar, root):
    for part in ("train", "test"):
        shutil.rmtree(root / part / "cat")
    with pytest.raises(ValueError, match=r"must hold the 10 classes of CIFAR10, got 9"):
        cifar().setup()


def test_an_empty_class_folder_is_named(cifar, root):
    for path in (root / "test" / "cat").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no images of cat: half a copy"):
        cifar().setup()


@pytest.mark.parametrize(("content", "cause"), [(b"", "0 bytes"), (b"<html>", "cannot identify")])
def test_a_file_that_is_no_image_is_named(cifar, root, content, cause):
    (root / "train" / "cat" / "0003.png").write_bytes(content)
    with pytest.raises(ValueError, match=rf"cat/0003\.png is not a readable image \({cause}.*\): fetch it again"):
        cifar().setup()
    assert not list(root.glob(".*.new"))


def test_another_size_is_refused(cifar, root):
    Image.new("RGB", (28, 30)).save(root / "test" / "cat" / "0000.png")
    with pytest.raises(ValueError, match=r"cat/0000\.png must be 32x32 pixels, is 28x30: use data=folder"):
        cifar().setup()


def test_the_second_call_decodes_nothing(cifar, monkeypatch):
    first = cifar().identity
    monkeypatch.setattr(cifar_module, "decode", lambda path: pytest.fail("decoded again"))
    assert cifar().identity == first


def test_torchvision_is_not_imported_for_reading():
    loaded = set(sys.modules["datamodules.cifar"].__dict__) | set(sys.modules["datamodules.cifar_files"].__dict__)
    assert not {"torchvision", "datasets"} & loaded


def test_pixels_stay_on_disk_until_read(cifar):
    data = cifar()
    data.setup()
    assert isinstance(data.decoded.test_pixels, torch.Tensor)
    assert next(iter(data.test_dataloader()))[0].shape[1:] == (3, 32, 32)


def test_a_change_in_place_is_seen(cifar, root):
    """Same name, size and modification time: only the change time tells."""
    path = root / "train" / "cat" / "0003.png"
    pixels = np.asarray(Image.open(path)).copy()
    Image.fromarray(pixels).save(path, compress_level=0)
    before, stat = cifar().identity, path.stat()
    Image.fromarray(255 - pixels).save(path, compress_level=0)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert cifar().identity != before
