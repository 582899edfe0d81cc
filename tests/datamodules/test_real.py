"""All of the shared real data through the real code: 60,000 CIFAR-10 images and 100 ImageNet files.

`shared/` lies beside the checkout, or where PRUNING_SHARED says; elsewhere these tests are skipped.
"""

import os
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.cifar import Cifar
from datamodules.folder import Folder
from experiments.run import baseline
from experiments.system.checkout import ROOT
from pruning.models.resnet import resnet
from support.tiny_images import stand

SHARED = Path(os.environ.get("PRUNING_SHARED", ROOT.parent / "shared"))
DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}: set PRUNING_SHARED=FOLDER")


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """One file for each image. Uncompressed PNG, which is quick to write."""
    root = tmp_path / "cifar10"
    tiles: Callable[[Path], np.ndarray] = runpy.run_path(str(SHARED / "tools" / "unpack_cifar10.py"))["images"]
    for mosaic in sorted((DATA / "cifar10").glob("*/*/*.webp")):
        folder = root / mosaic.parent.parent.name / mosaic.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(tiles(mosaic)):
            Image.fromarray(pixels).save(folder / f"{mosaic.stem}{number:02d}.png", compress_level=0)
    return root


def test_all_of_cifar_is_read_and_a_published_network_is_as_good_as_published(unpacked, cifar: Callable[..., Cifar]):
    """91.73 %: akamaster/pytorch_resnet_cifar10. Decoding, labels, normalisation and shares must be right for it."""
    data = cifar(root=str(unpacked), val=0.1, batch=1000)
    data.setup()
    assert data.sizes == {"train": 45_000, "val": 5_000, "test": 10_000}
    train, _ = data.labels
    assert np.bincount(train[data._indices_by_part["val"]]).tolist() == [500] * 10
    # published everywhere as the mean and deviation of CIFAR-10's training images
    pixels = data.decoded.train_pixels[:].float().div_(255).flatten(0, 2)
    torch.testing.assert_close(pixels.mean(0), torch.tensor([0.4914, 0.4822, 0.4465]), atol=1e-4, rtol=0)
    torch.testing.assert_close(pixels.std(0), torch.tensor([0.2470, 0.2435, 0.2616]), atol=1e-4, rtol=0)
    epoch = [labels for images, labels in data.train_dataloader() if images.shape[1:] == (3, 32, 32)]
    assert torch.cat(epoch).bincount().tolist() == [4500] * 10
    network = resnet(20, 10, (3, 32, 32), seed=0).eval()
    baseline.load(network, DATA / "checkpoints" / "cifar10_resnet20.safetensors")
    right, seen = 0, 0
    for rank in range(3):  # 10,000 images do not divide by three
        stand(data, rank=rank, world=3)
        for images, labels in data.test_dataloader():
            with torch.inference_mode():
                right += int((network(images).argmax(1) == labels).sum())
            seen += len(labels)
    assert (right, seen) == (9173, 10_000)


@pytest.mark.parametrize("workers", [0, 1])
def test_all_imagenet_files_make_training_and_test_views(folder: Callable[..., Folder], tmp_path, workers):
    samples = DATA / "imagenet_samples"
    for part in ("train", "val"):
        (tmp_path / part).symlink_to(samples)
    data = folder(root=str(tmp_path), size=224, resize=256, workers=workers, batch=16, val=0)
    wnids = sorted(path.name for path in samples.iterdir())
    assert data.classes == tuple(wnids)
    for batches in (data.train_dataloader(), data.test_dataloader()):
        shown = [(images, labels) for images, labels in batches]
        assert all(images.isfinite().all() and images.shape[1:] == (3, 224, 224) for images, _ in shown)
        found = torch.cat([labels for _, labels in shown]).bincount(minlength=len(wnids))
        assert found.tolist() == [len(list((samples / wnid).iterdir())) for wnid in wnids]
