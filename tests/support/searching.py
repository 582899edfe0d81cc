"""Searches whose jobs are done by a formula in place of training: each leaves a job and a record, as runs do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import optuna
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from experiments.config.choices import CONF
from experiments.records import jobs, record, status
from experiments.records.jobs import Job
from experiments.records.record import Record
from experiments.search import study
from experiments.system.checkout import ROOT
from support.tiny_run import whole_config

TEMPLATE = record.read(ROOT / "experiments" / "results" / "digits_vgg16" / "fcf.json")
JOURNAL = "search.journal"
Formula = Callable[[dict[str, str]], Record]  # of a job's overrides; raises what the job dies of


def with_figures(val_accuracy: float, macs: int = 10) -> Record:
    tuned = replace(TEMPLATE.stages[-1], name="finetune", val_accuracy=val_accuracy)
    return replace(TEMPLATE, stages=[tuned], tuned=replace(TEMPLATE.tuned, macs=macs))


class Engine:
    """`launched`: the overrides of each job, in order; `stop_after`: jobs after which this process is killed."""

    def __init__(self, folder: Path, arguments: list[str], formula: Formula, stop_after: int | None = None) -> None:
        self.folder, self.formula, self.stop_after = folder, formula, stop_after
        self.sweep = jobs.sweep_folder(folder, arguments)
        self.launched: list[list[str]] = []
        self.batches: list[int] = []

    def launch(self, batch: Sequence[Sequence[str]], first: int) -> None:
        self.batches.append(len(batch))
        for overrides in batch:
            if len(self.launched) == self.stop_after:
                raise KeyboardInterrupt
            self.launched.append(list(overrides))
            jobs.write(self.sweep / jobs.job_key(overrides), self.run(list(overrides)))

    def run(self, overrides: list[str]) -> Job:
        (self.sweep / jobs.job_key(overrides)).mkdir(parents=True, exist_ok=True)
        name = f"run-{jobs.job_key(overrides)}"
        try:
            compose(overrides)
            made = self.formula(dict(override.split("=", 1) for override in overrides))
        except (ValueError, HydraException) as error:
            return Job(overrides, status.FAILED, reason=str(error))
        (self.folder / name).mkdir(exist_ok=True)
        made.write(self.folder / name / "record.json")
        return Job(overrides, status.COMPLETED, run=name)


def search(folder: Path, formula: Formula, *arguments: str, stop_after: int | None = None, **values: Any) -> Engine:
    """As `python run.py -m hydra/sweeper=optuna ARGUMENTS`, with `values` of hydra.sweeper. In a journal where no
    storage is named: SQLite waits for the disk."""
    values = {"storage": str(folder / JOURNAL)} | values
    typed = [*arguments, f"folder={folder}"]
    engine = Engine(folder, typed, formula, stop_after)
    shipped = OmegaConf.to_container(OmegaConf.load(CONF / "hydra" / "sweeper" / "optuna.yaml"))
    asked = {name: value for name, value in (shipped | values).items() if name != "_target_"}  # type: ignore[operator]
    study.search(asked, typed, compose, engine.launch)
    return engine


def compose(overrides: Sequence[str]) -> DictConfig:
    """As Hydra does for a job; once for all ratios, for it takes half a second."""
    return compose_once(tuple("ratio=0.3" if each.startswith("ratio=") else each for each in overrides))


@cache
def compose_once(overrides: tuple[str, ...]) -> DictConfig:
    return whole_config(*overrides)


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).trials
