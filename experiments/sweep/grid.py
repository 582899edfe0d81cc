"""Every combination of what a command or a file sweeps over. No torch."""

from collections.abc import Iterable, Iterator
from itertools import product

from hydra.core.override_parser.types import Override

from experiments.config.refusal import exit_refused


def expand(overrides: Iterable[Override]) -> list[list[str]]:
    """The overrides of each job; the first varies slowest."""
    return [list(combination) for combination in product(*axes(overrides).values())]


def axes(overrides: Iterable[Override]) -> dict[str, list[str]]:
    """The values of each key, as overrides; a later one of a key replaces an earlier one."""
    return {override.get_key_element(): [*values(override)] for override in overrides}


def values(override: Override) -> Iterator[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        yield f"{key}={override.get_value_element_as_str()}"
    elif override.is_discrete_sweep():
        yield from (f"{key}={value}" for value in override.sweep_string_iterator())
    else:
        exit_refused(f"{key}: an interval has no end of values; hydra/sweeper=optuna draws from it")


def samples(overrides: Iterable[Override]) -> Iterator[list[str]]:
    """Jobs in which each value stands once, of a range its ends: what no job could be composed of is found in seconds,
    where all combinations would take minutes."""
    columns = [tried_values(override) for override in {each.get_key_element(): each for each in overrides}.values()]
    for number in range(max(map(len, columns), default=0)):
        yield [column[min(number, len(column) - 1)] for column in columns]


def tried_values(override: Override) -> list[str]:
    every = [*values(override)]
    return [every[0], every[-1]] if every and override.is_range_sweep() else every
