"""scikit-learn's 1,797 handwritten digits, enlarged to 32x32x3: real data that needs no download."""

from typing import final

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from datamodules.cache import Bundle
from datamodules.small import Decoded, SmallImages
from datamodules.split import validation_mask

ENLARGED = 4  # 8x8 -> 32x32
TEST_SHARE, TEST_PART = 0.25, 1


@final
class Digits(SmallImages):
    """A quarter of the digits, fixed, is the test set; a digit's mirror image is no digit, so nothing is mirrored."""

    name = "digits"

    def __init__(self, batch: int, val: float | int, seed: int, pad: int, mean: list[float], std: list[float]) -> None:
        super().__init__(batch, val, seed, pad, False, mean, std)

    def read(self) -> Bundle:
        from sklearn.datasets import load_digits  # a second to import

        bunch = load_digits()
        pixels, labels = enlarge(bunch.images), torch.from_numpy(bunch.target.astype(np.int64))
        test = torch.from_numpy(validation_mask(bunch.target, TEST_SHARE, TEST_PART))
        names = tuple(str(name) for name in bunch.target_names)
        return Decoded(names, pixels[~test], labels[~test], pixels[test], labels[test]).to_bundle()


def enlarge(digits: np.ndarray) -> UInt8[Tensor, "n 32 32 3"]:
    """From 8x8 ink of 0 to 16, each pixel a square of 4x4, grey."""
    grey = torch.from_numpy(np.round(digits * (255 / 16)).astype(np.uint8))
    large = grey.repeat_interleave(ENLARGED, 1).repeat_interleave(ENLARGED, 2)
    return large[..., None].expand(-1, -1, -1, 3).contiguous()
