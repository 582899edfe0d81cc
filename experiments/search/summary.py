"""What a search has found, for the eye. Imports no torch."""

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.table import Table
from rich.text import Text

from experiments.config.swept import find_sweeps
from experiments.config.typed_overrides import shell_command
from experiments.records.objectives import METRICS
from experiments.search.asked import Search
from experiments.search.space import key
from experiments.system.console import console, log, replace_unprintable
from experiments.system.redact import redact

ROWS = 5  # of a search by one metric; by several all that none beats


def log_start(asked: Search, study: Study) -> None:
    log(f"search       {count_complete(asked, study)}; study {asked.study} in {asked.database}")


def count_complete(asked: Search, study: Study) -> str:
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    return f"{len(complete)} of {asked.sampling.n_trials} trials complete"


def show(asked: Search, study: Study) -> None:
    complete, best = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]), rank(asked, study)
    log(f"search       {count_complete(asked, study)}")
    if complete and not best:
        bounds = " ".join(f"{name}={bound:g}" for name, bound in asked.bounds.items())
        log(f"no network keeps within {bounds}", "yellow")
    if best:
        console.print(tabulate(asked, best))
        log(f"best         {shell_command(asked.space.fill(best[0].params))}")
        log(f"record       {asked.sweep.parents[1] / best[0].user_attrs['run'] / 'record.json'}")


def rank(asked: Search, study: Study) -> list[FrozenTrial]:
    """Within the bounds, the best first; by several metrics those that no other beats, by the first of them."""
    sign = -1 if METRICS[asked.metrics[0]].direction == "maximize" else 1
    trials = study.best_trials if len(asked.metrics) > 1 else study.get_trials(states=[TrialState.COMPLETE])
    kept = [trial for trial in trials if all(excess <= 0 for excess in trial.constraints.values())]
    ranked = sorted(kept, key=lambda trial: sign * trial.values[0])
    return ranked if len(asked.metrics) > 1 else ranked[:ROWS]


def tabulate(asked: Search, trials: list[FrozenTrial]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("trial", *asked.metrics):
        table.add_column(name, justify="right")
    table.add_column("with", overflow="fold")
    for trial in trials:
        figures = (METRICS[name].show(value) for name, value in zip(asked.metrics, trial.values, strict=True))
        table.add_row(str(trial.number), *figures, Text(replace_unprintable(redact(searched(asked, trial)))))
    return table


def searched(asked: Search, trial: FrozenTrial) -> str:
    """Of the job's overrides those that the search chose."""
    filled = zip(asked.space.overrides, asked.space.fill(trial.params), strict=True)
    return " ".join(job for override, job in filled if dict(find_sweeps(override.value(), key(override))))
