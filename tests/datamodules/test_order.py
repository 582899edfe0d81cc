"""The same batches for the same (seed, epoch), in one process or several."""

import numpy as np
import pytest
import torch

from datamodules.counter_rng import Purpose, crop_offsets, draw, epoch_order, flip_mask
from datamodules.shares import Shard, eval_batches, train_batches
from support.tiny_images import digest, stand


def test_same_seed_and_epoch_give_the_same_batches(digits):
    first, second = digits(), digits()
    assert digest(first.train_dataloader()) == digest(second.train_dataloader())
    assert digest(first.train_dataloader()) == digest(first.train_dataloader())


def test_another_seed_or_epoch_gives_others(digits):
    data, other = digits(), digits(seed=1)
    seen = {digest(data.train_dataloader()), digest(other.train_dataloader())}
    stand(data, epoch=1)
    assert len(seen | {digest(data.train_dataloader())}) == 3


def test_draws_do_not_change_between_versions():
    """Records made with one version must be reproducible with the next."""
    assert draw(0, 0, Purpose.ORDER, np.arange(2)).tolist() == [10910317525803880485, 5396103473067506702]
    assert epoch_order(7, 3, np.arange(8)).tolist() == [1, 5, 6, 2, 0, 3, 7, 4]


def test_augmentation_of_an_image_does_not_depend_on_its_batch(digits):
    small, large = (
        {tuple(image.flatten().tolist()) for images, _ in digits(batch=batch).train_dataloader() for image in images}
        for batch in (7, 512)
    )
    assert small == large


def test_order_does_not_depend_on_how_the_indices_came():
    assert epoch_order(0, 0, np.arange(50)).tolist() == epoch_order(0, 0, np.arange(50)[::-1]).tolist()


def test_crops_and_flips_are_uniform_and_independent():
    count, images = 81 * 400, np.arange(81 * 400)
    top, left = crop_offsets(0, 5, images, 9)
    mirrored = flip_mask(0, 5, images)
    cells = np.bincount(top * 9 + left, minlength=81)
    chi_square = ((cells - 400) ** 2 / 400).sum()
    assert chi_square < 124.8  # 80 degrees of freedom, p = 0.001
    assert abs(mirrored.mean() - 0.5) < 3 * 0.5 / np.sqrt(count)
    assert abs(np.corrcoef(mirrored, top)[0, 1]) < 3 / np.sqrt(count)
    assert abs(np.corrcoef(top, crop_offsets(0, 6, images, 9)[0])[0, 1]) < 3 / np.sqrt(count)


@pytest.mark.parametrize(
    ("images", "batch", "world"), [(100, 16, 1), (101, 16, 2), (103, 12, 4), (9, 64, 2), (97, 16, 1)]
)
def test_processes_partition_the_training_images(images, batch, world):
    together = epoch_order(0, 0, np.arange(images))
    shares = [train_batches(together, batch, Shard(0, rank, world)) for rank in range(world)]
    assert len({tuple(len(part) for part in share) for share in shares}) == 1
    seen = np.concatenate([part for share in shares for part in share])
    assert len(np.unique(seen)) == len(seen)
    assert images - len(seen) < 2 * world
    assert set(np.concatenate([share[0] for share in shares])) == set(together[: min(batch, len(seen))])


def test_every_image_once_in_one_process():
    seen = np.concatenate(train_batches(epoch_order(0, 0, np.arange(100)), 16, Shard()))
    assert sorted(seen) == list(range(100))


def test_a_last_batch_of_one_image_is_left_out():
    assert sum(len(part) for part in train_batches(np.arange(97), 16, Shard())) == 96


@pytest.mark.parametrize(
    ("images", "batch", "world"), [(100, 16, 1), (101, 16, 2), (10, 3, 4), (5, 64, 4), (10_000, 128, 3)]
)
def test_processes_test_every_image_exactly_once(images, batch, world):
    shares = [eval_batches(np.arange(images), batch, Shard(0, rank, world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(np.concatenate([part for share in shares for part in share])) == list(range(images))
    assert all(len(part) for share in shares for part in share)


def test_impossible_shares_are_refused():
    with pytest.raises(ValueError, match=r"multiple of the number of processes, got batch=3 over 2.*recipe\.batch=4"):
        train_batches(np.arange(10), 3, Shard(0, 0, 2))
    with pytest.raises(ValueError, match="2 training images are too few for 4 processes"):
        train_batches(np.arange(2), 8, Shard(0, 0, 4))
    with pytest.raises(ValueError, match="2 images cannot be shared by 4 processes"):
        eval_batches(np.arange(2), 8, Shard(0, 0, 4))


def test_two_processes_read_what_one_reads(digits):
    """Image by image, augmentation included."""
    whole = torch.cat([images for images, _ in digits().train_dataloader()])
    halves = []
    for rank in range(2):
        data = digits()
        stand(data, rank=rank, world=2)
        halves.append([images for images, _ in data.train_dataloader()])
    joined = torch.cat([image for pair in zip(*halves, strict=True) for image in _woven(*pair)])
    torch.testing.assert_close(joined, whole, rtol=0, atol=0)


def _woven(even, odd):
    return torch.stack([even, odd], 1).flatten(0, 1).split(1)


def test_the_loader_resumes_within_an_epoch(digits):
    data = digits()
    loader = data.train_dataloader()
    batches = iter(loader)
    for _ in range(5):
        next(batches)
    resumed = data.train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    assert digest(resumed) == digest(batches)
    assert digest(resumed) == digest(data.train_dataloader())  # the next pass is whole


def test_a_position_of_another_epoch_is_ignored(digits):
    data = digits()
    loader = data.train_dataloader()
    loader.load_state_dict({"epoch": 3, "delivered": 4})
    assert len(list(loader)) == len(loader)
