"""The validation part of the training images: stratified, and fixed by the data alone."""

import math

import numpy as np
from jaxtyping import Bool, Int

from datamodules.counter_rng import Purpose, draw

MIN_IMAGES = 2  # on a single image equality of two networks proves nothing
SPLIT_SEED = 0  # no run's seed enters the split


def validation_count(val: float | int, images: int) -> int:
    """How many images `val` asks for: a share below 1, or a count."""
    if isinstance(val, bool) or not math.isfinite(val) or val < 0 or val >= images or (val >= 1 and val != int(val)):
        raise ValueError(
            f"data.val must be a share in [0, 1) or a count below the {images} training images, got {val}: "
            "give for example data.val=0.1, or data.val=0 to train on all"
        )
    count = int(val) if val >= 1 else round(val * images)
    if val and count < MIN_IMAGES:
        raise ValueError(
            f"data.val={val} of {images} training images is {count}: {MIN_IMAGES} or more are needed to compare "
            "networks on; raise it, or give data.val=0 to train on all"
        )
    return count


def validation_mask(labels: Int[np.ndarray, " n"], val: float | int, part: int = 0) -> Bool[np.ndarray, " n"]:
    """True for the images held out: each class gives its proportion. Another `part` is another draw."""
    count = validation_count(val, len(labels))
    sizes = np.bincount(labels)
    exact = sizes * (count / len(labels))
    quota = np.floor(exact + 1e-9).astype(int)
    quota[np.argsort(quota - exact, kind="stable")[: count - quota.sum()]] += 1
    random_bits = draw(SPLIT_SEED, part, Purpose.SPLIT, np.arange(len(labels)))
    mask = np.zeros(len(labels), bool)
    for label, images in enumerate(quota):
        members = np.flatnonzero(labels == label)
        mask[members[np.argsort(random_bits[members], kind="stable")[:images]]] = True
    return mask
