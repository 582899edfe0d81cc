"""Counter-based randomness: a draw is a pure function of (seed, epoch, index), so there is no state to save."""

from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Int, UInt64

GOLDEN = 0x9E3779B97F4A7C15  # splitmix64's increment
WORD = 0xFFFFFFFFFFFFFFFF


class Purpose(IntEnum):
    """What a draw is for; draws of different purposes are independent."""

    ORDER = 1
    CROP = 2
    FLIP = 3
    SPLIT = 4
    TRANSFORM = 5


def scramble(words: UInt64[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    """The finaliser of splitmix64: a bijection that spreads every bit."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def draw(seed: int, epoch: int, purpose: Purpose, indices: Int[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    """64 random bits for each index."""
    state = np.zeros(1, np.uint64)
    for word in (seed, epoch, purpose):
        state = scramble(state + np.uint64((word + 1) * GOLDEN & WORD))
    return scramble(state + (indices.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN))


def epoch_order(seed: int, epoch: int, indices: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The indices in this epoch's order, whatever order they came in."""
    indices = np.sort(indices)
    return indices[np.argsort(draw(seed, epoch, Purpose.ORDER, indices), kind="stable")]


def crop_offsets(
    seed: int, epoch: int, indices: Int[np.ndarray, " n"], choices: int
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Top and left of each image's crop, uniform in 0 .. choices - 1."""
    bits = draw(seed, epoch, Purpose.CROP, indices)
    halves = (bits >> np.uint64(32), bits & np.uint64(0xFFFFFFFF))
    top, left = ((half * np.uint64(choices) >> np.uint64(32)).astype(np.int64) for half in halves)
    return top, left


def flip_mask(seed: int, epoch: int, indices: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which images are mirrored this epoch: a fair coin each."""
    return draw(seed, epoch, Purpose.FLIP, indices) >> np.uint64(63) == 1
