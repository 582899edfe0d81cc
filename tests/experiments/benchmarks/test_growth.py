"""The fit is a slope on logarithms, memory is what the system counts, and every curve that was fitted is drawn."""

import pytest
import torch

from experiments.benchmarks.growth import draw_plot, exponents
from experiments.benchmarks.growth_plot import plot_spec
from experiments.benchmarks.harness import Row
from experiments.benchmarks.memory import peak_megabytes

ROWS: list[Row] = [
    {"work": "trace", "by": "layers", "size": size, "seconds": size / 100, "peak MB": 0.1 * size} for size in (20, 155)
] + [{"work": "compaction", "by": "width", "size": n, "seconds": 3e-4 * n**2, "peak MB": 0.5} for n in (16, 32, 128)]
BOTH = ("trace", "layers"), ("compaction", "width")


def test_the_exponent_is_the_slope_on_logarithms() -> None:
    assert exponents(ROWS, "seconds") == pytest.approx(dict(zip(BOTH, (1, 2), strict=True)))


def test_no_exponent_of_what_is_too_little_to_be_seen() -> None:
    assert list(exponents(ROWS, "peak MB")) == [BOTH[0]]


def test_what_was_fitted_is_drawn_on_its_line() -> None:
    fitted = {"seconds": exponents(ROWS, "seconds"), "peak MB": {}}
    points = plot_spec(ROWS, fitted)["datasets"]["points"]
    assert [point["value"] for point in points] == pytest.approx([point["fit"] for point in points])
    assert {point["name"] for point in points} == {"", "size^1.00", "size^2.00"}
    assert draw_plot(ROWS).startswith(b"\x89PNG")


def test_the_peak_counts_what_is_given_back_before_the_end() -> None:
    def work() -> None:
        torch.ones(10_000_000)

    assert 38 < peak_megabytes(work) < 50
    assert peak_megabytes(lambda: None) < 2
