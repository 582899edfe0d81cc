"""The loop of a search: propose, launch, write into the database. What a job came to stands in its own folder, whoever
ran it, so that a search that was killed takes up what it had proposed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import Trial, TrialState
from sqlalchemy import URL

from experiments.config.refusal import error_message
from experiments.records import jobs, objectives, status
from experiments.records.objectives import METRICS
from experiments.search import summary
from experiments.search.asked import Compose, Search, read_search
from experiments.sweep.launch import exit_on_error, settle
from experiments.system import preemption
from experiments.system.locks import hold_lock

Launch = Callable[[Sequence[Sequence[str]], int], object]
SAMPLERS: dict[str, type[BaseSampler]] = {"tpe": TPESampler, "random": RandomSampler, "nsga2": NSGAIISampler}
CONTINUES = "continues"  # attribute of a trial: the one whose process was killed


def search(values: Mapping[str, object], arguments: Sequence[str], compose: Compose, launch: Launch) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with exit_on_error():
        asked = read_search(values, arguments, compose)
        with hold_lock(asked.sweep):  # the same command at once in another terminal finds all of it done
            study = open_study(asked)
            enqueue(asked, study)
            summary.log_start(asked, study)
            run_trials(asked, study, launch)
            summary.show(asked, study)
            settle(enough=count(study, TrialState.COMPLETE) >= asked.sampling.n_trials)


def run_trials(asked: Search, study: Study, launch: Launch) -> None:
    """As many as are missing; failed ones are not made up for before the next command."""
    left = asked.sampling.n_trials - count(study, TrialState.COMPLETE)
    while left > 0:
        trials = propose(asked, study, min(left, asked.sampling.n_jobs))
        proposed = [asked.space.fill(trial.params) for trial in trials]
        launch(proposed, trials[0].number)
        for trial, job in zip(trials, proposed, strict=True):
            tell(asked, study, trial, job)
        preemption.request.raise_if_requested()
        left -= len(trials)


def open_study(asked: Search) -> Study:
    """Raises ValueError for a database that cannot be opened, or whose study of this name has other metrics."""
    directions = [METRICS[name].direction for name in asked.metrics]
    try:
        storage = open_storage(asked)
        study = optuna.create_study(storage=storage, study_name=asked.study, directions=directions, load_if_exists=True)
    except Exception as error:  # of whichever database and its driver
        reason = error_message(error).partition(" (Background")[0]
        raise ValueError(
            f"hydra.sweeper.storage={asked.database} cannot be opened: {reason}; name a database or a file that can be "
            "written, or leave it out, and it lies in the sweep's folder"
        ) from error
    metrics = study.user_attrs.get("metrics", asked.metrics)
    if metrics != asked.metrics:
        raise ValueError(
            f"study {asked.study} of {asked.database} searches by {', '.join(metrics)}, not by "
            f"{', '.join(asked.metrics)}: give this one a name of its own, hydra.sweeper.study="
        )
    study.set_user_attr("metrics", asked.metrics)
    return study


def open_storage(asked: Search) -> BaseStorage:
    storage = asked.sampling.storage
    if storage is None:
        return RDBStorage(URL.create("sqlite", database=asked.database).render_as_string())
    return RDBStorage(storage) if "://" in storage else JournalStorage(JournalFileBackend(str(Path(storage))))


def enqueue(asked: Search, study: Study) -> None:
    """The first point of a new search; of one that was killed, what had been proposed and was not finished."""
    if asked.first and not study.trials:
        study.enqueue_trial(asked.first)
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.enqueue_trial(trial.params, user_attrs={CONTINUES: trial.number})
        study.tell(trial.number, state=TrialState.FAIL)


def propose(asked: Search, study: Study, number: int) -> list[Trial]:
    """The same whether or not the search was stopped in between."""
    proposed = sum(CONTINUES not in trial.user_attrs for trial in study.trials if trial.state != TrialState.WAITING)
    study.sampler = SAMPLERS[asked.sampling.sampler](seed=asked.sampling.seed + proposed)  # type: ignore[call-arg]
    return [study.ask(asked.space.distributions()) for _ in range(number)]


def tell(asked: Search, study: Study, trial: Trial, job: Sequence[str]) -> None:
    """What its job came to; a job that was asked to leave stays open, and the same command takes it up."""
    folder = asked.sweep / jobs.job_key(job)
    found = jobs.read_job(folder)
    if found is not None and found.state == status.FAILED:
        study.tell(trial, state=TrialState.FAIL)
    elif found is not None and found.state == status.COMPLETED:
        figures = objectives.read_of_job(folder, [*asked.metrics, *asked.bounds])
        if figures is None:
            raise ValueError(f"the record of {found.run} lacks one of {', '.join([*asked.metrics, *asked.bounds])}")
        for (name, bound), figure in zip(asked.bounds.items(), figures[len(asked.metrics) :], strict=True):
            trial.set_constraint(name, excess(name, figure, bound))
        trial.set_user_attr("run", found.run)
        study.tell(trial, figures[: len(asked.metrics)])


def excess(name: str, figure: float, bound: float) -> float:
    """By how much of it a bound is broken; at most 0 where it is kept."""
    above = figure - bound if METRICS[name].direction == "minimize" else bound - figure
    return above / abs(bound)


def count(study: Study, *states: TrialState) -> int:
    return len(study.get_trials(deepcopy=False, states=states))
