import pytest

from experiments.system.format import si


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 "), (999, "999 "), (999_499, "999 k"), (999_600, "1 M"), (40_551_040, "40.6 M"), (1e15, "1 P")],
)
def test_three_figures_never_become_a_power_of_ten(number: float, text: str) -> None:
    assert si(number) == text
