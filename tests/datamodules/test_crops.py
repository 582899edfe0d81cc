"""A gathered crop is torchvision's crop of the padded image, to the last pixel."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchvision.transforms.v2 import functional

from datamodules.crops import Crops, Normalise
from datamodules.noise import Noise

CPU = torch.device("cpu")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 32, 24, 3), np.uint8))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (8, 8), (3, 7), (4, 4), (8, 0)])
def test_pixels_equal_those_of_torchvision(pixels, top, left, mirrored):
    crops = Crops(pixels, 4, True, CPU)
    got = crops.gather(crops.corners(np.array([4, 0]), top, left, mirrored)).unflatten(2, (24, 3))
    for image, number in zip(got, [4, 0], strict=True):
        expected = pixels[number].permute(2, 0, 1)
        # mirrored before it is cropped: offsets are uniform, so the distribution is that of crop, then mirror
        expected = functional.pad(functional.horizontal_flip(expected) if mirrored else expected, [4])
        torch.testing.assert_close(image.permute(2, 0, 1), functional.crop(expected, top, left, 32, 24))


def test_without_padding_nothing_is_copied(pixels):
    crops = Crops(pixels, 0, False, CPU)
    assert crops._runs.data_ptr() == pixels.data_ptr()
    torch.testing.assert_close(crops.gather(crops.corners(np.arange(5), 0, 0)).flatten(), pixels.flatten())


def test_a_length_makes_no_padded_copy():
    """Who asks for the number of steps: a copy of CIFAR-10, padded and mirrored, is 480 MB."""
    values = {"size": 32, "classes": 10, "train": 1000, "test": 10, "batch": 50, "val": 0, "seed": 0}
    data = Noise(**values, pad=4, flip=True, mean=MEAN, std=STD)
    data.setup()
    with Largest() as largest:
        assert len(data.train_dataloader()) == 20
    assert largest.made < 10_000
    with Largest() as largest:
        next(iter(data.train_dataloader()))
    assert largest.made == 2 * 1000 * 40 * 40 * 3


class Largest(TorchDispatchMode):
    """Bytes of the largest tensor that was made."""

    made = 0

    def __torch_dispatch__(self, function, types, given=(), named=None):
        found = function(*given, **(named or {}))
        sizes = [each.untyped_storage().nbytes() for each in tree_leaves(found) if isinstance(each, torch.Tensor)]
        self.made = max(self.made, *sizes, 0)
        return found


def test_without_a_trainer_batches_are_made_at_home(digits):
    """After training too, where a GPU has trained: the bytes travel, not the floats that are made of them."""
    data = digits()
    data.default_device = torch.device("meta")
    images, labels = next(iter(data.test_dataloader()))
    assert (images.device.type, labels.device.type) == ("meta", "meta")
    assert images.dtype == torch.float32


def test_normalisation_equals_that_of_torchvision(pixels):
    got = Normalise(MEAN, STD, 24, CPU)(pixels.flatten(2))
    expected = functional.normalize(
        functional.to_dtype(pixels.permute(0, 3, 1, 2), torch.float32, scale=True), MEAN, STD
    )
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_validation_images_are_not_moved(digits):
    data = digits()
    images, labels = next(iter(data.val_dataloader()))
    numbers = np.flatnonzero(np.isin(np.arange(1348), data._indices_by_part["val"]))[: len(images)]
    plain = Normalise(data.mean, data.std, 32, CPU)(data.decoded.train_pixels[numbers].flatten(2))
    torch.testing.assert_close(images, plain)
    assert labels.tolist() == data.decoded.train_labels[numbers].tolist()
