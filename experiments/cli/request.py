"""What is asked for, in one line: at the beginning of a run and above its end. Imports no torch."""

from collections.abc import Sequence

from experiments.config.schema import Settings
from experiments.config.settings import EXPERIMENT
from experiments.records.record import UNIFORM, Record


def describe_program(settings: Settings) -> str:
    choice = settings.choice
    if settings.program != EXPERIMENT:
        return f"{settings.program}: {choice.model} on {choice.data}"
    ratio = describe_target(settings.ratio, settings.ms)
    cut = describe_cut(ratio, choice.budget, choice.allocation, settings.repair.steps)
    return describe_run(choice.method, choice.model, choice.data, cut, settings.seed)


def describe_record(record: Record) -> str:
    repairs = [repair.name for repair in record.repairs or ()]
    ratio = describe_target(record.ratio, record.budget.asked_ms)
    cut = describe_cut(ratio, record.budget.of, record.budget.allocation, repairs)
    return describe_run(record.method, record.model, record.data, cut, record.seed)


def describe_run(method: str, model: str, data: str, cut: str, seed: int) -> str:
    return f"{method} on {model}, {data}, {cut}, seed {seed}"


def describe_target(ratio: float, ms: float | None) -> str:
    return f"ratio {ratio:g}" if ms is None else f"{ms:g} ms"


def describe_cut(target: str, budget: str, allocation: str | None, repairs: Sequence[str]) -> str:
    """What is as usual is not said."""
    by_allocation = "" if allocation == UNIFORM else f" by {allocation}"
    repaired = f", repair {','.join(repairs)}" if repairs else ""
    return f"{target} ({budget}{by_allocation}){repaired}"
