import pytest

from datamodules.noise import Noise
from support.tiny_images import digest

VALUES = {"size": 16, "classes": 5, "train": 40, "test": 20, "batch": 8, "val": 0.25, "seed": 0, "pad": 2, "flip": True}
VALUES |= {"mean": [0.5] * 3, "std": [0.289] * 3}


def test_noise_is_the_same_in_every_run():
    first, second = Noise(**VALUES), Noise(**VALUES | {"seed": 1})
    assert first.identity == second.identity
    assert digest(first.test_dataloader()) == digest(second.test_dataloader())
    assert first.sizes == {"train": 30, "val": 10, "test": 20}
    assert (first.image_shape, len(first.classes)) == ((3, 16, 16), 5)


@pytest.mark.parametrize("key", ["size", "classes", "train", "test"])
def test_no_images_are_refused(key):
    with pytest.raises(ValueError, match=rf"data\.{key} must be 1 or more, got 0"):
        Noise(**VALUES | {key: 0})
