"""Large images: worker processes change nothing but the speed."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from datamodules.decode import decode_planes
from datamodules.views import Views
from datamodules.workers import PLAIN
from support.tiny_images import digest, jpeg, picture, stand


def test_sizes_names_and_shapes(folder):
    data = folder()
    assert data.sizes == {"train": 18, "val": 6, "test": 24}
    assert data.classes == ("ape", "bee", "cow")
    assert data.image_shape == (3, 32, 32)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (5, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize(("workers", "batch"), [(2, 5), (1, 2)])  # 4 batches, and 9: more than the slots of one worker
def test_workers_change_nothing(folder, workers, batch):
    alone, helped = folder(batch=batch), folder(workers=workers, batch=batch)
    for epoch in range(2):
        stand(alone, epoch)
        stand(helped, epoch)
        assert digest(alone.train_dataloader()) == digest(helped.train_dataloader())
    assert digest(alone.test_dataloader()) == digest(helped.test_dataloader())


def test_a_batch_is_left_alone_while_it_is_read(folder):
    data = folder(batch=2, workers=1)
    batches = [[(PLAIN, number), (PLAIN, number + 1)] for number in range(12)]
    for pixels, *_ in data._pool("train", "middle").run(batches):
        before = pixels.clone()
        time.sleep(0.05)  # in which the worker makes many others
        assert torch.equal(pixels, before)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_workers_stay_when_a_cluster_asks_every_process_to_leave(folder, asked):
    expected, data = digest(folder().train_dataloader()), folder(workers=1)
    digest(data.train_dataloader())
    for worker in data._pool("train", "random")._loader._iterator._workers:
        os.kill(worker.pid, asked)
    assert digest(data.train_dataloader()) == expected


def test_epochs_and_seeds_differ(folder):
    data = folder()
    seen = {digest(data.train_dataloader()), digest(folder(seed=1).train_dataloader())}
    stand(data, epoch=1)
    assert len(seen | {digest(data.train_dataloader())}) == 3


def test_the_view_of_an_image_does_not_depend_on_its_batch(folder):
    small, large = (
        {tuple(image.flatten().tolist()) for images, _ in folder(batch=batch).train_dataloader() for image in images}
        for batch in (4, 18)
    )
    assert small == large


def test_the_generator_of_the_network_is_left_alone(folder):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(folder().train_dataloader())
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_resumes_within_an_epoch(folder, workers):
    data = folder(workers=workers)
    loader = data.train_dataloader()
    batches = iter(loader)
    next(batches)
    resumed = folder().train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    assert digest(resumed) == digest(batches)
    next(iter(loader))  # a pass broken off leaves nothing behind in the workers
    assert digest(loader) == digest(resumed)


def test_a_test_view_is_torchvisions(folder):
    data = folder(batch=24)
    (images, labels), *_ = data.test_dataloader()
    for number in (0, 9, 17):
        path = sorted((Path(data.root) / "val").glob("*/*"))[number]
        planes = decode_planes(path.read_bytes(), "")
        plain = functional.center_crop(functional.resize(planes, [40], antialias=True), [32])
        plain = functional.normalize(
            functional.to_dtype(plain, torch.float32, scale=True), list(data.mean), list(data.std)
        )
        torch.testing.assert_close(images[number], plain, rtol=1e-5, atol=1e-5)
        assert data.classes[labels[number]] == path.parent.name


def test_a_training_view_is_torchvisions():
    """Ours cuts, then resizes interleaved colours; the pixels are those of the composed transforms."""
    composed = v2.Compose([v2.RandomResizedCrop(32, antialias=True), v2.RandomHorizontalFlip()])
    views, planes = Views(32, 40), decode_planes(jpeg(), "")
    for seed in range(20):
        torch.manual_seed(seed)
        torch.testing.assert_close(views.random_view(planes, seed), composed(planes), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("gone", "text"), [("train", "only in train: none; only in val: bee"), ("val", "only in train: bee")]
)
def test_classes_of_one_part_alone_are_named(folder, tree, gone, text):
    shutil.rmtree(tree / gone / "bee")
    with pytest.raises(ValueError, match=text):
        folder()


def test_an_absent_root_says_what_it_must_hold(folder, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"data=imagenet needs data\.root=FOLDER: .* train/<class>/\* and val/<class>"
    ):
        folder(root=None)
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist: data\.root must hold train/<class>/\*"):
        folder(root=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"data\.format must be one of folder, webdataset, got zip"):
        folder(format="zip")
    with pytest.raises(ValueError, match=r"data\.resize must be data\.size or more"):
        folder(resize=20)


def test_the_identity_knows_names_sizes_and_split(folder, tree):
    first = folder().identity
    assert folder(seed=3, batch=2, workers=1).identity == first
    assert folder(val=0).identity != first
    shutil.copy(tree / "train" / "ape" / "0.jpg", tree / "train" / "ape" / "new.jpg")
    assert folder().identity != first


@pytest.mark.parametrize(("width", "height"), [(300, 20), (20, 300), (1, 1), (33, 31)])
def test_pictures_of_odd_shape_are_shown(folder, tree, width, height):
    for part in ("train", "val"):
        picture(width=width, height=height).save(tree / part / "bee" / "0.jpg")
    data = folder(batch=24, val=0)
    for batches in (data.train_dataloader(), data.test_dataloader()):
        ((images, _),) = batches
        assert images.shape == (24, 3, 32, 32)
        assert images.isfinite().all()
