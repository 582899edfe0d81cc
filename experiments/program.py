"""What a command line asks of Hydra: one run, or with -m a sweep. Imports no torch before a value is accepted."""

import sys
import warnings
from contextlib import suppress
from importlib import import_module

from omegaconf import DictConfig

from experiments import asked_again
from experiments.cli import commandline
from experiments.cli.request import describe_program
from experiments.config import hydra_targets, hydra_versions, schema
from experiments.config.refusal import Refusal, exit_refused, refusals
from experiments.config.schema import Settings
from experiments.config.settings import load, load_composition, tell_closed
from experiments.config.suggestions import suggestions_for
from experiments.sweep import launch
from experiments.system import preemption
from experiments.system.activity import activity
from experiments.system.console import log

# Modules; run(settings) of each
PROGRAMS = {"experiment": "pipeline", "plan": "plan", "sensitivity": "sensitivity", "table": "table.program"}


def start(arguments: list[str]) -> None:
    # torch and wandb keep folders until the interpreter ends; with PYTHONWARNINGS=error that would be a traceback.
    warnings.filterwarnings("ignore", "Implicitly cleaning up", ResourceWarning)
    schema.register()
    composition = check(arguments)
    if composition is not None and show_finished(composition):
        return
    try:
        main()
        launch.finish()
    except preemption.Preempted:  # a sweep: its children have been asked, and have answered
        sys.exit(preemption.EXIT_CODE)
    except KeyboardInterrupt:
        sys.exit(f"\n{preemption.add_remedy('interrupted')}")
    except SystemExit as left:
        if left.code == 1:  # Hydra's way to say no; its words do not say what was meant
            sys.stderr.writelines(f"{line}\n" for line in suggestions_for(arguments))
        raise


def check(arguments: list[str]) -> DictConfig | None:
    """Before Hydra acts on them. What they compose to, where they ask for a run and no more."""
    try:
        commandline.check_quotes(arguments)
        return hydra_targets.check(arguments)
    except SystemExit as refused:
        exit_refused("" if isinstance(refused.code, int) else str(refused.code))


def show_finished(composition: DictConfig) -> bool:
    """Whether the run is there, and Hydra need not compose it again. What cannot be is left to the run to say."""
    finished = None
    with suppress(Refusal), refusals():
        settings = load_composition(composition)
        finished = asked_again.find(settings)
    if finished:
        introduce(composition, settings)
        finished.show()
    return finished is not None


@hydra_versions.main
def main(config: DictConfig) -> None:
    commandline.run_and_exit(run, config)  # one run; the jobs of a sweep come here in processes of their own


def run(config: DictConfig) -> object:
    """What the program has made that the settings ask for."""
    with refusals():
        settings = load(config)
        introduce(config, settings)
        if finished := asked_again.find(settings):
            return finished.show()
    activity.begin("loading PyTorch")
    program = import_module(f"experiments.{PROGRAMS[settings.program]}")  # torch loads here, not for a refused value
    return program.run(settings)  # type: ignore[no-any-return]


def introduce(config: DictConfig, settings: Settings) -> None:
    log(describe_program(settings))
    tell_closed(config, settings)
