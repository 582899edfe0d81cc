"""A budget of time: what was asked, and what the network that came out takes, timed in a fresh process."""

from torch import nn

from experiments.records import record
from experiments.run.context import RunContext
from experiments.run.searches import budget_of_time
from experiments.system import hardware
from experiments.system.console import log
from pruning.deploy.latency import Candidate, known_to


def measure_latency(context: RunContext, dense: nn.Module, small: nn.Module) -> record.Latency | None:
    """None where the budget is none of time."""
    budget = budget_of_time(context.method)
    if budget is None or budget.met is None:
        return None
    try:
        anew = budget.time_anew(dense, small, context.image_shape)
    except ValueError as error:
        log(f"{error}: what the network takes is not in the record", "yellow")
        anew = None
    return record.Latency(
        asked_ms=budget.ms,
        asked=budget.asked((anew or budget.met.paired).dense_ms),
        got=anew and anew.share.value,
        half_width=anew and known_to(anew.share),
        dense_ms=anew and anew.dense_ms,
        runtime=budget.conditions.runtime,
        batch=budget.conditions.batch,
        threads=budget.conditions.threads,
        timed_on=hardware.timed_on(),
        curve=[describe(candidate) for candidate in budget.met.candidates],
    )


def describe(candidate: Candidate) -> record.TimedNetwork:
    share = candidate.paired.share
    return record.TimedNetwork(candidate.macs, share.value, known_to(share))
