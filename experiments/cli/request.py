"""What is asked for, in one line: at the beginning of a run and above its end. Imports no torch."""

from collections.abc import Sequence

from experiments.config.schema import Settings
from experiments.config.settings import EXPERIMENT
from experiments.records.record import UNIFORM, Record


def describe_program(settings: Settings) -> str:
    choice = settings.choice
    if settings.program != EXPERIMENT:
        return f"{settings.program}: {choice.model} on {choice.data}"
    cut = describe_cut(settings.ratio, choice.budget, choice.allocation, settings.repair.steps)
    return describe_run(choice.method, choice.model, choice.data, cut, settings.seed)


def describe_record(record: Record) -> str:
    repairs = [repair.name for repair in record.repairs or ()]
    cut = describe_cut(record.ratio, record.budget.of, record.budget.allocation, repairs)
    return describe_run(record.method, record.model, record.data, cut, record.seed)


def describe_run(method: str, model: str, data: str, cut: str, seed: int) -> str:
    return f"{method} on {model}, {data}, {cut}, seed {seed}"


def describe_cut(ratio: float, budget: str, allocation: str | None, repairs: Sequence[str]) -> str:
    """What is as usual is not said."""
    by_allocation = "" if allocation == UNIFORM else f" by {allocation}"
    repaired = f", repair {','.join(repairs)}" if repairs else ""
    return f"ratio {ratio:g} ({budget}{by_allocation}){repaired}"
