"""Tests for methods and networks of one's own: subclass `MethodContract`, call `check_network`. Needs pytest."""

try:
    import pytest
except ImportError:
    raise ImportError("pruning.testing is a suite of tests and needs pytest: pip install pytest") from None

pytest.register_assert_rewrite("pruning.testing.equality", "pruning.testing.methods", "pruning.testing.networks")

from pruning.testing.equality import assert_small_is_masked, images, random_rows, randomised, relative  # noqa: E402
from pruning.testing.methods import MethodContract  # noqa: E402
from pruning.testing.networks import check_network  # noqa: E402
from pruning.testing.rows import Row  # noqa: E402
from pruning.testing.samples import SAMPLES, Sample  # noqa: E402

__all__ = [
    "SAMPLES",
    "MethodContract",
    "Row",
    "Sample",
    "assert_small_is_masked",
    "check_network",
    "images",
    "random_rows",
    "randomised",
    "relative",
]
