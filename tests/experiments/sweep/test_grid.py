"""What a grid's jobs are, and which few of them are composed before the first one begins."""

from pathlib import Path

import pytest
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from experiments.config import hydra_targets, schema
from experiments.config.hydra_versions import open_configs
from experiments.sweep import grid
from support.sweeping import finish, refusal_of, start


def parse(*overrides: str) -> list[Override]:
    return OverridesParser.create().parse_overrides([*overrides])


def test_every_combination_once_the_first_key_slowest() -> None:
    """A command's value replaces that of a file, which stands before it."""
    jobs = grid.expand(parse("seed=7", "method=l1,fcf", "ratio=range(0.25,0.75,0.25)", "seed=0", "+data.death=no"))
    assert jobs == [
        ["seed=0", f"method={method}", f"ratio={ratio}", "+data.death=no"]
        for method in ("l1", "fcf")
        for ratio in ("0.25", "0.5")
    ]


def test_without_a_comma_it_is_one_job() -> None:
    assert grid.expand(parse("method=l1", "baseline='a=b.pt'")) == [["method=l1", "baseline='a=b.pt'"]]
    assert grid.expand([]) == [[]]
    assert list(grid.samples([])) == []


def test_each_value_is_tried_once_and_of_a_range_the_ends() -> None:
    asked = parse("method=l1,fcf,random", "ratio=0.25,0.5", "seed=range(2000)")
    assert len(grid.expand(asked)) == 12_000
    assert list(grid.samples(asked)) == [
        ["method=l1", "ratio=0.25", "seed=0"],
        ["method=fcf", "ratio=0.5", "seed=1999"],
        ["method=random", "ratio=0.5", "seed=1999"],
    ]


def test_an_interval_is_for_a_search() -> None:
    with pytest.raises(SystemExit, match=r"ratio: .* hydra/sweeper=optuna"):
        grid.expand(parse("ratio=interval(0.1,0.9)"))


@pytest.mark.parametrize(
    "asked",
    [
        ["method=l1,fcf", "ratio=0.1,0.2", "seed=range(3)"],
        ["method=fcf", "method.gate=norm,filter"],
        ["budget=latency,macs", "budget.round_to=8,auto"],
    ],
)
def test_a_sweep_that_can_be_is_let_through(asked: list[str]) -> None:
    schema.register()
    hydra_targets.check(["-m", *asked])
    with open_configs():
        assert [compose("config", sample).method._target_ for sample in grid.samples(parse(*asked))]


@pytest.mark.parametrize("sweeper", ["grid", "optuna"])
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("methd=l1,l2", "methd: no such key; did you mean method"),
        ("ratio=abc,0.5", "ratio must be a number, got 'abc'"),
        ("seed=0,x", "seed must be a whole number, got 'x'"),
    ],
)
def test_what_a_sweep_gives_to_a_key_is_refused_in_one_line_too(
    tmp_path: Path, sweeper: str, asked: str, words: str
) -> None:
    if sweeper == "optuna":
        pytest.importorskip("optuna")
    code, output = finish(start(tmp_path, f"hydra/sweeper={sweeper}", "method=l1,random", asked))
    assert code == 2, output
    assert refusal_of(output).startswith(words)
