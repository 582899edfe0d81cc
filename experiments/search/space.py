"""What is searched over: overrides with intervals, ranges and choices in them. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from experiments.config.swept import find_sweeps, write, write_override

EXAMPLE = "for example ratio=interval(0.3,0.7), method=choice(l1,fpgm), or hydra.sweeper.params of a file"


@dataclass(frozen=True)
class Space:
    overrides: list[Override]

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """By dotted path."""
        return dict(found for override in self.overrides for found in find_sweeps(override.value(), key(override)))

    def distributions(self) -> dict[str, BaseDistribution]:
        return {path: as_distribution(path, sweep) for path, sweep in self.sweeps.items()}

    def point(self, values: Mapping[str, object], place: str) -> dict[str, object]:
        """As Optuna takes it. Raises ValueError for a value outside of what is searched."""
        distributions = self.distributions()
        return {path: as_member(distributions[path], value, f"{place}.{path}") for path, value in values.items()}

    def fill(self, point: Mapping[str, object]) -> list[str]:
        """The overrides of one job."""
        swept = {key(override) for override in self.overrides if dict(find_sweeps(override.value(), ""))}
        return [
            write_override(override, point) if key(override) in swept else str(override.input_line)
            for override in self.overrides
        ]


def key(override: Override) -> str:
    return str(override.key_or_group)


def parse_space(params: Mapping[str, object], arguments: Sequence[str]) -> Space:
    """What is typed goes before what a file says of the same key.

    Raises:
        ValueError: a value cannot be read, or there is nothing to search over.
    """
    of_file = [parse(f"{name}={value}") for name, value in params.items()]
    typed = OverridesParser.create().parse_overrides(list(arguments))
    keys = {key(override) for override in typed}
    space = Space([*(override for override in of_file if key(override) not in keys), *typed])
    globs = [str(override.input_line) for override in space.overrides if isinstance(override.value(), Glob)]
    if globs:
        raise ValueError(f"{globs[0]}: a search takes intervals, ranges and choices; name the choices: choice(a,b)")
    if not space.sweeps:
        raise ValueError(f"hydra/sweeper=optuna: nothing to search over, {EXAMPLE}")
    return space


def parse(parameter: str) -> Override:
    try:
        return OverridesParser.create().parse_override(parameter)
    except HydraException:
        raise ValueError(f"hydra.sweeper.params: {parameter} cannot be read as values to search over") from None


def as_distribution(path: str, sweep: Sweep) -> BaseDistribution:
    """Whole numbers stay whole; tag(log,interval(1e-4,1)) is searched by its logarithm."""
    try:
        match sweep:
            case IntervalSweep(start=int() as low, end=int() as high):
                return IntDistribution(low, high, log="log" in sweep.tags)
            case IntervalSweep(start=float() | int() as low, end=float() | int() as high):
                return FloatDistribution(low, high, log="log" in sweep.tags)
            case RangeSweep():
                return as_steps(sweep)
            case ChoiceSweep():
                return CategoricalDistribution([write(choice) for choice in sweep.list])
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: {write_sweep(sweep)} is no range to search over: {error}") from error
    raise ValueError(f"{path}: {write_sweep(sweep)} is nothing to search over: take interval, range or choice")


def as_member(distribution: BaseDistribution, value: object, place: str) -> object:
    """Choices are searched as they are written."""
    if isinstance(distribution, CategoricalDistribution):
        written = write(value)
        if written not in distribution.choices:
            raise ValueError(f"{place} must be one of {', '.join(map(str, distribution.choices))}, got {written}")
        return written
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if not isinstance(value, int | float) or not distribution.low <= value <= distribution.high:
        raise ValueError(f"{place} must lie in [{distribution.low}, {distribution.high}], got {value}")
    return value


def as_steps(sweep: RangeSweep) -> BaseDistribution:
    values = list(sweep.range())
    if all(isinstance(value, int) for value in values):
        return IntDistribution(min(values), max(values), step=abs(int(sweep.step)))
    return FloatDistribution(min(values), max(values), step=abs(sweep.step))


def write_sweep(sweep: Sweep) -> str:
    match sweep:
        case IntervalSweep():
            return f"interval({sweep.start},{sweep.end})"
        case RangeSweep():
            return f"range({sweep.start},{sweep.stop},{sweep.step})"
    return type(sweep).__name__
