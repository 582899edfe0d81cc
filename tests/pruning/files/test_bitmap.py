import numpy as np
import pytest

from pruning.files.bitmap import decode, encode


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 16), (64, 3)])
def test_a_mask_comes_back_from_text(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(shape) < 0.5
    assert (decode(encode(mask), *shape) == mask).all()


def test_patterns_of_groups_are_short() -> None:
    patterns = np.random.default_rng(0).random((4, 512)) < 0.25
    mask = patterns[np.random.default_rng(1).integers(0, 4, 512)]
    assert len(encode(mask)) < 1500


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", encode(np.ones((4, 4), bool))])
def test_what_is_no_mask_of_this_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bitmap"):
        decode(text, 8, 8)


def test_a_bomb_is_not_inflated() -> None:
    with pytest.raises(ValueError, match="takes 8 bytes"):
        decode(encode(np.zeros((4096, 4096), bool)), 8, 8)
